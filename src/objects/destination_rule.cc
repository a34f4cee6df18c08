#include "objects/destination_rule.h"

#include <set>

#include "base/strings.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

void read_subset(FieldReader& fields, Subset& out) {
  out.line = fields.line();
  fields.text("name", out.name, check_dns_label);
  fields.require("name");
  fields.labels("labels", out.labels);
  fields.object("trafficPolicy", out.traffic_policy, read_traffic_policy);
}

void read_spec(FieldReader& fields, DestinationRule& out) {
  fields.text("host", out.host, check_host_or_ip);
  fields.require("host", "name the service");
  fields.object("trafficPolicy", out.traffic_policy, read_traffic_policy);
  fields.list("subsets", out.subsets, read_subset);
  read_export_to(fields, out.export_to);
  read_workload_selector(fields, out.workload_selector, "workloadSelector", "matchLabels");

  std::set<std::string> names;
  for (const Subset& subset : out.subsets) {
    if (!subset.name.empty() && !names.insert(subset.name).second) {
      fields.error("subsets", concat("two subsets are called ", quoted(subset.name)),
                   "give each its own name");
    }
  }
}

}  // namespace

void read_object(FieldReader& fields, DestinationRule& out) {
  fields.object("spec", out, read_spec);
  fields.require("spec");
  fields.accept("status");
}

}  // namespace weft::objects
