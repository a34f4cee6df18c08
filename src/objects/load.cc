#include "objects/load.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <span>
#include <tuple>

#include "base/strings.h"
#include "objects/locate.h"
#include "objects/readers.h"

namespace weft::objects {

namespace {

enum class Scope : uint8_t { namespaced, cluster };

struct KindReader {
  std::string_view kind;
  std::string_view group;  // empty: Kubernetes' core
  std::span<const std::string_view> versions;
  Scope scope;
  Object (*read)(FieldReader& fields, ObjectMeta meta);
  std::optional<Problem> (*check_name)(const std::string& name);
};

template <typename Kind>
Object read_kind(FieldReader& fields, ObjectMeta meta) {
  auto object = std::make_shared<Kind>();
  object->meta = std::move(meta);
  read_object(fields, *object);
  return std::shared_ptr<const Kind>(std::move(object));
}

constexpr std::array<std::string_view, 1> kV1 = {"v1"};
constexpr std::array<std::string_view, 3> kNetworking = {"v1", "v1beta1", "v1alpha3"};
constexpr std::array<std::string_view, 2> kSecurity = {"v1", "v1beta1"};

constexpr KindReader kKinds[] = {
    {"Namespace", "", kV1, Scope::cluster, read_kind<Namespace>, check_dns_label},
    {"ServiceAccount", "", kV1, Scope::namespaced, read_kind<ServiceAccount>, check_dns_subdomain},
    {"Service", "", kV1, Scope::namespaced, read_kind<Service>, check_service_name},
    {"Pod", "", kV1, Scope::namespaced, read_kind<Pod>, check_dns_subdomain},
    {"Secret", "", kV1, Scope::namespaced, read_kind<Secret>, check_dns_subdomain},
    {"ConfigMap", "", kV1, Scope::namespaced, read_kind<ConfigMap>, check_dns_subdomain},
    {"Deployment", "apps", kV1, Scope::namespaced, read_kind<Deployment>, check_dns_subdomain},
    {"VirtualService", "networking.istio.io", kNetworking, Scope::namespaced, read_kind<VirtualService>,
     check_dns_subdomain},
    {"DestinationRule", "networking.istio.io", kNetworking, Scope::namespaced, read_kind<DestinationRule>,
     check_dns_subdomain},
    {"Gateway", "networking.istio.io", kNetworking, Scope::namespaced, read_kind<Gateway>, check_dns_label},
    {"ServiceEntry", "networking.istio.io", kNetworking, Scope::namespaced, read_kind<ServiceEntry>,
     check_dns_subdomain},
    {"PeerAuthentication", "security.istio.io", kSecurity, Scope::namespaced, read_kind<PeerAuthentication>,
     check_dns_subdomain},
    {"AuthorizationPolicy", "security.istio.io", kSecurity, Scope::namespaced, read_kind<AuthorizationPolicy>,
     check_dns_subdomain},
};

// Kinds that users have and Weft does not do yet: said so, instead of taking them for misspelt.
struct FutureKind {
  std::string_view kind;
  std::string_view group;
  std::string_view next_step;
};

constexpr FutureKind kFutureKinds[] = {
    {"StatefulSet", "apps", "use a Deployment"},
    {"DaemonSet", "apps", "use a Deployment"},
    {"ReplicaSet", "apps", "use a Deployment"},
    {"ReplicationController", "", "use a Deployment"},
    {"Endpoints", "", "use a Service with a selector, or a ServiceEntry"},
    {"EndpointSlice", "discovery.k8s.io", "use a Service with a selector, or a ServiceEntry"},
    {"Job", "batch", "use a Pod"},
    {"CronJob", "batch", "use a Pod"},
    {"Ingress", "networking.k8s.io", "use a Gateway and a VirtualService of networking.istio.io"},
    {"Gateway", "gateway.networking.k8s.io", "use a Gateway of networking.istio.io"},
    {"GatewayClass", "gateway.networking.k8s.io", "use a Gateway of networking.istio.io"},
    {"HTTPRoute", "gateway.networking.k8s.io", "use a VirtualService"},
    {"GRPCRoute", "gateway.networking.k8s.io", "use a VirtualService"},
    {"TCPRoute", "gateway.networking.k8s.io", "use a VirtualService"},
    {"TLSRoute", "gateway.networking.k8s.io", "use a VirtualService"},
    {"Sidecar", "networking.istio.io", ""},
    {"WorkloadEntry", "networking.istio.io", "list endpoints in a ServiceEntry"},
    {"WorkloadGroup", "networking.istio.io", "list endpoints in a ServiceEntry"},
    {"EnvoyFilter", "networking.istio.io", ""},
    {"ProxyConfig", "networking.istio.io", ""},
    {"RequestAuthentication", "security.istio.io", ""},
    {"Telemetry", "telemetry.istio.io", ""},
    {"WasmPlugin", "extensions.istio.io", ""},
    {"ServiceProfile", "linkerd.io", "use a VirtualService"},
    {"Server", "policy.linkerd.io", "use a PeerAuthentication"},
};

struct GroupVersion {
  std::string_view group;
  std::string_view version;
};

GroupVersion split_api_version(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {"", text};
  return {text.substr(0, slash), text.substr(slash + 1)};
}

std::string versions_of(const KindReader& kind) {
  std::string out;
  for (const std::string_view version : kind.versions) {
    out += concat(out.empty() ? "" : ", ", kind.group, kind.group.empty() ? "" : "/", version);
  }
  return out;
}

// The reader of this kind in this version; or a complaint why there is none.
const KindReader* find_reader(FieldReader& fields, const std::string& api_version, const std::string& kind) {
  const GroupVersion wanted = split_api_version(api_version);
  for (const KindReader& reader : kKinds) {
    if (reader.kind != kind || reader.group != wanted.group) continue;
    const auto has_version = std::find(reader.versions.begin(), reader.versions.end(), wanted.version);
    if (has_version != reader.versions.end()) return &reader;
  }
  for (const FutureKind& future : kFutureKinds) {
    if (future.kind != kind || future.group != wanted.group) continue;
    fields.error("kind", concat(quoted(kind), " is not supported yet by Weft"),
                 std::string(future.next_step));
    return nullptr;
  }
  std::vector<std::string_view> kinds;
  for (const KindReader& reader : kKinds) {
    if (reader.kind == kind) {
      fields.error("apiVersion", concat(quoted(api_version), " has no ", kind),
                   concat("write ", versions_of(reader)));
      return nullptr;
    }
    kinds.push_back(reader.kind);
  }
  std::string next_step = did_you_mean(kind, kinds);
  if (next_step.empty()) next_step = concat("kinds are ", join({kinds.begin(), kinds.end()}, ", "));
  fields.error("kind", concat(quoted(kind), " is not a kind that Weft knows"), std::move(next_step));
  return nullptr;
}

void read_meta(FieldReader& fields, const KindReader& kind, ObjectMeta& out) {
  fields.text("name", out.name, kind.check_name);
  if (fields.has("generateName") && !fields.has("name")) {
    fields.error("generateName", "an object in a file needs a name of its own", "write name");
  } else {
    fields.require("name");
  }
  out.namespace_name = kind.scope == Scope::cluster ? "" : "default";
  if (kind.scope == Scope::namespaced) {
    fields.text("namespace", out.namespace_name, check_dns_label);
  } else {
    fields.accept("namespace");
    if (fields.has("namespace"))
      fields.warning("namespace", concat("a ", kind.kind, " is in no namespace"), "remove it");
  }
  fields.labels("labels", out.labels);
  fields.text_map("annotations", out.annotations, check_label_key);
  std::string created;
  if (fields.text("creationTimestamp", created)) {
    out.created = parse_timestamp(created);
    if (!out.created) {
      fields.error("creationTimestamp", concat(quoted(created), " is not a time"),
                   "write it like 2026-11-24T21:40:12Z");
    }
  }
  fields.accept({"generateName", "uid", "resourceVersion", "generation", "managedFields", "ownerReferences",
                 "finalizers", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"});
}

class TextLoader {
 public:
  TextLoader(std::string_view file, Loaded& out) : file_(file), out_(out) {}

  int untold() const { return untold_; }
  int errors() const { return errors_; }

  void read(yaml::Document document) {
    const bool broken = yaml::any_error(document.complaints);
    subject_.clear();
    if (!document.root.is_null()) read_node(document.root, broken, "");
    for (Complaint& complaint : document.complaints) {
      complaint.subject = subject_;
      out_.complaints.push_back(std::move(complaint));
    }
  }

 private:
  // `place` is where in its document the object stands: empty, or "items[1]".
  void read_node(const Node& root, bool broken, const std::string& place) {
    if (const Node* kind = root.find("kind"); kind != nullptr && kind->text == "List")
      return read_list(root, broken, place);
    Reading reading(std::string(file_), "", out_.complaints);
    reading.set_place(place);
    auto object = read_object_at(root, reading);
    untold_ += reading.untold();
    errors_ += reading.errors();
    if (object && reading.errors() == 0 && !broken) out_.objects.push_back(std::move(*object));
  }

  // What `kubectl get -o yaml` writes.
  void read_list(const Node& root, bool broken, const std::string& place) {
    const Node* items = root.find("items");
    if (items == nullptr || !items->is_sequence()) {
      Reading reading(std::string(file_), "List", out_.complaints);
      reading.set_place(place);
      reading.set_subject("List");
      const Node& where = items == nullptr || items->is_null() ? root : *items;
      reading.complain(Complaint::Severity::error, where.line, where.column, "items",
                       {items == nullptr || items->is_null()
                            ? "is required in a List"
                            : concat("is ", yaml::describe(*items), ", where a list of objects is wanted"),
                        "write each object below items, begun with '- '"});
      return;
    }
    size_t index = 0;
    for (const Node& item : items->children)
      read_node(item, broken, concat(place, place.empty() ? "" : ".", "items[", index++, "]"));
  }

  std::optional<Object> read_object_at(const Node& root, Reading& reading) {
    std::optional<Object> object;
    FieldReader fields(reading, root, kRootPath);
    if (!root.is_mapping()) return object;

    std::string api_version;
    std::string kind_text;
    fields.text("apiVersion", api_version);
    fields.text("kind", kind_text);
    subject_ = subject_of(root);
    reading.set_subject(subject_);
    fields.require("apiVersion", "write it like v1 or networking.istio.io/v1");
    fields.require("kind", "write it like Service or VirtualService");
    const KindReader* kind = fields.clean() ? find_reader(fields, api_version, kind_text) : nullptr;
    if (kind == nullptr) {
      // Nothing is known of the other fields: none of them is unknown.
      fields.accept_everything();
      return object;
    }

    reading.set_kind(kind_text);
    ObjectMeta meta;
    meta.api_version = std::move(api_version);
    meta.file = file_;
    meta.line = root.line;
    meta.order = order_++;
    fields.object("metadata", meta,
                  [&](FieldReader& inner, ObjectMeta& value) { read_meta(inner, *kind, value); });
    fields.require("metadata", "write it with a name");
    reading.set_default_namespace(meta.namespace_name);
    object = kind->read(fields, std::move(meta));
    return object;
  }

  std::string_view file_;
  Loaded& out_;
  std::string subject_;
  int order_ = 0;
  int untold_ = 0;
  int errors_ = 0;
};

void sort_complaints(std::vector<Complaint>& complaints) {
  std::sort(complaints.begin(), complaints.end(), [](const Complaint& a, const Complaint& b) {
    return std::tie(a.line, a.column, a.field, a.cause) < std::tie(b.line, b.column, b.field, b.cause);
  });
}

// Takes from `from` what `seen` does not have; the rest gets an error that names both places.
void take_distinct(std::vector<Object> from, std::map<ObjectKey, const ObjectMeta*>& seen, Loaded& out) {
  for (Object& object : from) {
    const ObjectKey key = key_of(object);
    const ObjectMeta& meta = meta_of(object);
    const auto [place, is_new] = seen.emplace(key, &meta);
    if (is_new) {
      out.objects.push_back(std::move(object));  // the meta is shared: its address stays
      continue;
    }
    Complaint complaint;
    complaint.file = meta.file;
    complaint.line = meta.line;
    complaint.subject = key.to_string();
    complaint.field = "metadata.name";
    complaint.cause = concat("is already defined at ", place->second->file, ':', place->second->line);
    complaint.next_step = "rename or remove one of the two";
    out.complaints.push_back(std::move(complaint));
  }
}

}  // namespace

Loaded load_text(std::string_view text, std::string_view file) {
  Loaded read;
  TextLoader loader(file, read);
  for (yaml::Document& document : yaml::parse(text, file).documents) loader.read(std::move(document));

  Loaded out;
  out.complaints = std::move(read.complaints);
  std::map<ObjectKey, const ObjectMeta*> seen;
  take_distinct(std::move(read.objects), seen, out);
  locate(out.complaints, file, text);
  sort_complaints(out.complaints);
  if (loader.untold() > 0) {
    Complaint more;
    more.severity = loader.errors() > 0 ? Complaint::Severity::error : Complaint::Severity::warning;
    more.file = file;
    more.cause = concat(loader.untold(), " more complaints are not shown");
    more.next_step = "mend these first";
    out.complaints.push_back(std::move(more));
  }
  return out;
}

Loaded merge(std::vector<Loaded> parts) {
  Loaded out;
  std::map<ObjectKey, const ObjectMeta*> seen;
  for (Loaded& part : parts) {
    std::move(part.complaints.begin(), part.complaints.end(), std::back_inserter(out.complaints));
    take_distinct(std::move(part.objects), seen, out);
  }
  return out;
}

}  // namespace weft::objects
