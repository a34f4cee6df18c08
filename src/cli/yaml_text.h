// JSON of our own as YAML, the way kubectl's -o yaml prints it: fields in the order they have.
#pragma once

#include <string>
#include <string_view>

namespace weft::cli {

std::string json_to_yaml(std::string_view json);

}  // namespace weft::cli
