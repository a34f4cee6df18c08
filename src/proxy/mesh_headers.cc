#include "proxy/mesh_headers.h"

#include <algorithm>
#include <span>

#include "base/strings.h"
#include "http/sanitize.h"

namespace weft::proxy {

namespace {

bool is_lower(std::string_view name) {
  for (char c : name) {
    if (c >= 'A' && c <= 'Z') return false;
  }
  return true;
}

char train_case_at(std::string_view name, size_t i) {
  const char c = name[i];
  const bool starts_word = i == 0 || name[i - 1] == '-';
  return starts_word && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : starts_word ? c : to_lower(c);
}

bool is_train(std::string_view name) {
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] != train_case_at(name, i)) return false;
  }
  return true;
}

}  // namespace

std::string describe_http(http::Version version, const http::Headers& headers) {
  if (version == http::Version::http2) return {};
  std::string note = version == http::Version::http10 ? "1.0" : "1.1";
  bool all_lower = true, all_train = true;
  for (const auto& field : headers) {
    all_lower = all_lower && is_lower(field.name);
    all_train = all_train && is_train(field.name);
  }
  if (all_lower) return note;
  if (all_train) return note + ";t";
  char separator = ';';
  for (const auto& field : headers) {
    if (is_lower(field.name)) continue;
    note.append(1, separator).append(field.name);
    separator = ',';
  }
  return note;
}

void restore_http(std::string_view note, http::Version& version, http::Headers& headers) {
  const std::string_view number = note.substr(0, note.find(';'));
  if (number == "1.1") {
    version = http::Version::http11;
  } else if (number == "1.0") {
    version = http::Version::http10;
  } else {
    return;
  }
  if (number.size() == note.size()) return;
  const std::string_view names = note.substr(number.size() + 1);
  if (names == "t") {
    headers.recase_names([](std::span<char> name) {
      for (size_t i = 0; i < name.size(); ++i) name[i] = train_case_at({name.data(), name.size()}, i);
    });
    return;
  }
  http::for_each_element(names, [&](std::string_view written) {
    headers.recase_names([&](std::span<char> name) {
      if (equal_ignoring_case({name.data(), name.size()}, written)) std::ranges::copy(written, name.begin());
    });
  });
}

std::string describe_peer(const model::WorkloadInfo& self) {
  return concat(self.workload, ';', self.workload_namespace, ';', self.canonical_service, ';',
                self.canonical_revision, ';', self.app, ';', self.version, ';', self.cluster);
}

std::shared_ptr<const model::WorkloadInfo> parse_peer(std::string_view text) {
  if (text.size() > 1024) return nullptr;
  const auto parts = split(text, ';');
  if (parts.size() != 7) return nullptr;
  auto info = std::make_shared<model::WorkloadInfo>();
  std::string* const fields[] = {&info->workload,
                                 &info->workload_namespace,
                                 &info->canonical_service,
                                 &info->canonical_revision,
                                 &info->app,
                                 &info->version,
                                 &info->cluster};
  for (size_t i = 0; i < parts.size(); ++i) {
    if (!parts[i].empty()) *fields[i] = parts[i];
  }
  return info;
}

}  // namespace weft::proxy
