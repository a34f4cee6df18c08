// The readers of the kinds: each reads what its kind has beside apiVersion, kind and metadata, which are
// read already (meta is filled). One file a kind.
#pragma once

#include "objects/field_reader.h"
#include "objects/object.h"

namespace weft::objects {

void read_object(FieldReader& fields, Namespace& out);
void read_object(FieldReader& fields, ServiceAccount& out);
void read_object(FieldReader& fields, Service& out);
void read_object(FieldReader& fields, Pod& out);
void read_object(FieldReader& fields, Deployment& out);
void read_object(FieldReader& fields, Secret& out);
void read_object(FieldReader& fields, ConfigMap& out);
void read_object(FieldReader& fields, VirtualService& out);
void read_object(FieldReader& fields, DestinationRule& out);
void read_object(FieldReader& fields, Gateway& out);
void read_object(FieldReader& fields, ServiceEntry& out);
void read_object(FieldReader& fields, PeerAuthentication& out);
void read_object(FieldReader& fields, AuthorizationPolicy& out);

// What several kinds hold.

void read_pod_spec(FieldReader& fields, PodSpec& out);
void read_traffic_policy(FieldReader& fields, TrafficPolicy& out);

// exportTo, with the rules for its values together.
void read_export_to(FieldReader& fields, std::vector<std::string>& out);
// A selector of workloads; `labels_field` is matchLabels or labels.
void read_workload_selector(FieldReader& fields, std::optional<WorkloadSelector>& out, std::string_view name,
                            std::string_view labels_field);
// A Kubernetes LabelSelector's matchLabels into `out`; where `labels` are not selected by it as a whole,
// it complains, with `what` they are.
void read_label_selector(FieldReader& fields, std::string_view name, Labels& out, const Labels& labels,
                         std::string_view what);

}  // namespace weft::objects
