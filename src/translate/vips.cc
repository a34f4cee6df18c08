#include <set>

#include "base/strings.h"
#include "translate/names.h"
#include "translate/world.h"

namespace weft::translate {

namespace {

// FNV-1a: the same on every machine, unlike std::hash.
uint64_t hash_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3u;
  return hash;
}

struct Range {
  uint32_t first, size;
};
constexpr Range kServices{0x0a600000u + 10,
                          (1u << 20) - 20};                 // 10.96.0.0/12 without its lowest, as Kubernetes
constexpr Range kEntries{0xf0f00000u + 1, (1u << 16) - 2};  // 240.240.0.0/16

void take(AddressMap& out, std::set<uint32_t>& used, const std::string& host, Range range) {
  uint32_t offset = static_cast<uint32_t>(hash_of(host) % range.size);
  for (uint32_t tries = 0; tries < range.size; ++tries, offset = (offset + 1) % range.size) {
    if (!used.insert(range.first + offset).second) continue;
    out.emplace(host, IpAddress::v4(range.first + offset).to_string());
    return;
  }
}

bool gets_address(const objects::ServiceEntry& entry) {
  const auto label = entry.meta.labels.find("networking.istio.io/enable-autoallocate-ip");
  if (label != entry.meta.labels.end() && label->second == "false") return false;
  return entry.addresses.empty() && entry.resolution != objects::ServiceEntry::Resolution::none;
}

}  // namespace

std::string service_host(std::string_view name, std::string_view namespace_name, const MeshOptions& options) {
  return concat(name, ".", namespace_name, ".svc.", options.cluster_domain);
}

AddressMap allocate_vips(const std::vector<objects::Object>& objects, const AddressMap& existing,
                         const MeshOptions& options) {
  std::set<std::string> services;
  std::set<std::string> entries;
  std::set<uint32_t> used;
  const auto reserve = [&used](std::string_view text) {
    const auto ip = IpAddress::parse(text);
    if (ip && ip->is_v4()) used.insert(ip->v4_host_order());
  };
  for (const auto& object : objects) {
    if (const auto* service = objects::get_if<objects::Service>(object)) {
      if (!service->cluster_ip.empty()) {
        reserve(service->cluster_ip);
      } else if (!service->headless && service->type != objects::Service::Type::external_name) {
        services.insert(service_host(service->meta.name, service->meta.namespace_name, options));
      }
    } else if (const auto* entry = objects::get_if<objects::ServiceEntry>(object)) {
      for (const auto& address : entry->addresses) reserve(address);
      if (!gets_address(*entry)) continue;
      for (const auto& host : entry->hosts) {
        if (!is_wildcard(host)) entries.insert(host);
      }
    }
  }
  AddressMap out;
  // Whoever has an address keeps it, before anyone new may take it.
  for (const auto& [host, address] : existing) {
    if (!services.contains(host) && !entries.contains(host)) continue;
    reserve(address);
    out.emplace(host, address);
  }
  for (const auto& host : services) {
    if (!out.contains(host)) take(out, used, host, kServices);
  }
  for (const auto& host : entries) {
    if (!out.contains(host)) take(out, used, host, kEntries);
  }
  return out;
}

}  // namespace weft::translate
