// The conditions of a VirtualService's http rule.
#pragma once

#include "objects/field_reader.h"
#include "objects/virtual_service.h"

namespace weft::objects {

void read_string_match(FieldReader& fields, StringMatch& out);
void read_http_match(FieldReader& fields, HttpMatch& out);

}  // namespace weft::objects
