#include "objects/peer_authentication.h"

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

void read_mode(FieldReader& fields, PeerAuthentication::Mode& out) {
  using Mode = PeerAuthentication::Mode;
  fields.choice("mode", out,
                {{"UNSET", Mode::unset},
                 {"DISABLE", Mode::disable},
                 {"PERMISSIVE", Mode::permissive},
                 {"STRICT", Mode::strict}});
}

void read_spec(FieldReader& fields, PeerAuthentication& out) {
  read_workload_selector(fields, out.selector, "selector", "matchLabels");
  fields.object("mtls", out.mode, read_mode);
  fields.object_map("portLevelMtls", [&](const std::string& key, FieldReader& inner) {
    PeerAuthentication::Mode mode = PeerAuthentication::Mode::unset;
    read_mode(inner, mode);
    if (auto problem = check_port_text(key)) {
      inner.error("", std::move(problem->cause), std::move(problem->next_step));
      return;
    }
    out.port_level[static_cast<uint16_t>(*parse_unsigned(key))] = mode;
  });
  if (fields.has("portLevelMtls") && (!out.selector || out.selector->match_labels.empty())) {
    fields.error("portLevelMtls", "is possible only for chosen workloads", "add a selector with matchLabels");
  }
  if (fields.has("portLevelMtls") && out.port_level.empty() && fields.clean()) {
    fields.error("portLevelMtls", "is empty", "name a port, or remove it");
  }
}

}  // namespace

void read_object(FieldReader& fields, PeerAuthentication& out) {
  fields.object("spec", out, read_spec);
  fields.accept("status");
}

}  // namespace weft::objects
