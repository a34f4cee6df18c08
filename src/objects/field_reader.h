// Reads one mapping of a user's object field by field, so that each kind's reader is the list of its fields:
//
//   void read_rewrite(FieldReader& fields, HttpRewrite& out) {
//     fields.text("uri", out.uri);
//     fields.text("authority", out.authority);
//     fields.object("uriRegexRewrite", out.uri_regex, read_regex_rewrite);
//     fields.at_most_one_of({"uri", "uriRegexRewrite"});
//   }
//
// Whatever is wrong is complained about at its place, and reading goes on. A field that is written but was
// not asked for is warned about with the nearest name that was; one that the support table lists
// (support.h) is refused by name. An absent field and one that is null leave their target as it was.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "objects/checks.h"
#include "objects/meta.h"
#include "yaml/tree.h"

namespace weft::objects {

using yaml::Complaint;
using yaml::Node;

// Where a field stands in its object. Links to the path above it, which outlives it.
struct FieldPath {
  const FieldPath* above = nullptr;
  std::string_view name;
  int index = -1;  // not negative: an item of the list above

  std::string to_string() const;  // "spec.http[0].route"
  std::string pattern() const;    // "spec.http.route": as support.h writes it
};

// The complaints of one object.
class Reading {
 public:
  Reading(std::string file, std::string kind, std::vector<Complaint>& out)
      : file_(std::move(file)), kind_(std::move(kind)), out_(out) {}

  // "VirtualService default/reviews": of the complaints from here on.
  void set_subject(std::string subject) { subject_ = std::move(subject); }
  // Where in its document the object stands, if it is not the whole of it: "items[1]" of a List.
  void set_place(std::string place) { place_ = std::move(place); }
  void set_kind(std::string kind) { kind_ = std::move(kind); }
  void set_default_namespace(std::string name) { namespace_ = std::move(name); }
  const std::string& namespace_name() const { return namespace_; }
  const std::string& kind() const { return kind_; }
  const std::string& file() const { return file_; }

  void complain(Complaint::Severity severity, int line, int column, std::string field, Problem problem,
                std::string_view code = {});
  int errors() const { return errors_; }
  // How many were not told, because there were too many before.
  int untold() const { return untold_; }

 private:
  std::string file_;
  std::string kind_;
  std::string subject_;
  std::string place_;
  std::string namespace_;
  std::vector<Complaint>& out_;
  int errors_ = 0;
  int untold_ = 0;
};

template <typename Number>
struct Range {
  Number low = std::numeric_limits<Number>::lowest();
  Number high = std::numeric_limits<Number>::max();
  std::string_view rule = {};  // "a weight is 0 or more"; empty: made from the bounds
};

class FieldReader {
 public:
  // `node` is what the field at `path` holds. Anything but a mapping is complained about and has no fields.
  FieldReader(Reading& reading, const Node& node, const FieldPath& path);
  FieldReader(const FieldReader&) = delete;
  FieldReader& operator=(const FieldReader&) = delete;
  // Warns about the fields nobody asked for.
  ~FieldReader();

  // Each returns whether the field is there and was taken. Empty text is absent where a check is given, for
  // so the APIs read it.
  bool text(std::string_view name, std::string& out, const TextCheck& check = nullptr);
  bool boolean(std::string_view name, bool& out);
  bool boolean(std::string_view name, std::optional<bool>& out);
  template <typename Number>
  bool integer(std::string_view name, Number& out, Range<int64_t> range = {});
  template <typename Number>
  bool integer(std::string_view name, std::optional<Number>& out, Range<int64_t> range = {});
  bool number(std::string_view name, double& out, Range<double> range = {});
  bool port(std::string_view name, uint16_t& out);
  // A number or a name, as Kubernetes' IntOrString.
  bool port_or_name(std::string_view name, PortRef& out);
  // Istio's durations: 1 ms at least, as its API has it.
  bool duration(std::string_view name, Duration& out);
  bool duration(std::string_view name, std::optional<Duration>& out);
  template <typename Enum>
  bool choice(std::string_view name, Enum& out,
              std::initializer_list<std::pair<std::string_view, Enum>> choices);
  bool texts(std::string_view name, std::vector<std::string>& out, const TextCheck& check = nullptr);
  // Text to text; both sides checked.
  bool text_map(std::string_view name, std::map<std::string, std::string>& out,
                const TextCheck& key_check = nullptr, const TextCheck& value_check = nullptr);
  bool text_pairs(std::string_view name, std::vector<std::pair<std::string, std::string>>& out,
                  const TextCheck& key_check = nullptr, const TextCheck& value_check = nullptr);
  bool labels(std::string_view name, Labels& out);
  // Text to number.
  template <typename Number>
  bool integer_map(std::string_view name, std::map<std::string, Number>& out, Range<int64_t> range);
  // Whether a list has no more items than this; it complains where it has.
  bool at_most(std::string_view name, size_t count);

  // read(FieldReader&, T&) for a mapping, and for each mapping of a list.
  template <typename T, typename Read>
  bool object(std::string_view name, T& out, Read read);
  template <typename T, typename Read>
  bool object(std::string_view name, std::optional<T>& out, Read read);
  template <typename T, typename Read>
  bool list(std::string_view name, std::vector<T>& out, Read read);
  // read(key, FieldReader&) for each entry of a mapping of mappings.
  template <typename Read>
  bool object_map(std::string_view name, Read read);
  // read(key, const Node&, const FieldPath&) for each entry of a mapping of anything.
  template <typename Read>
  bool each(std::string_view name, Read read);

  // A field that is known and has no use here.
  void accept(std::string_view name) { find(name); }
  void accept_everything() { everything_known_ = true; }
  void accept(std::initializer_list<std::string_view> names);
  // The same, and it may hold only the fields of this Kubernetes type (kube_fields.h).
  void accept_kube(std::string_view name, std::string_view type);

  bool has(std::string_view name) const;
  void require(std::string_view name, std::string_view next_step = "write it");
  void at_most_one_of(std::initializer_list<std::string_view> names);
  // At this field, or at the mapping where it is not written; an empty name means the mapping.
  void error(std::string_view name, std::string cause, std::string next_step = {},
             std::string_view code = {});
  void warning(std::string_view name, std::string cause, std::string next_step = {},
               std::string_view code = {});

  // Whether nothing wrong was found in this mapping so far: what is missing is missing, not refused.
  bool clean() const { return reading_.errors() == errors_before_; }
  // Refuses a key of the mapping `name` that the support table lists as a value of it.
  bool refuse_key(std::string_view name, const Node& item);

  // The field's node where it is written and not null, now known.
  const Node* find(std::string_view name);
  int line() const { return node_.line; }
  int line_of(std::string_view name) const;
  const Node& node() const { return node_; }
  const FieldPath& path() const { return path_; }
  Reading& reading() { return reading_; }

 private:
  void complain(Complaint::Severity severity, std::string_view name, Problem problem,
                std::string_view code = {});
  void complain_at(const Node& node, const FieldPath& path, Problem problem);
  std::optional<std::string> take_text(const Node& node, const FieldPath& path, const TextCheck& check);
  std::optional<int64_t> take_integer(const Node& node, const FieldPath& path, Range<int64_t> range);
  std::optional<Duration> take_duration(const Node& node, const FieldPath& path);
  bool expect(const Node& node, const FieldPath& path, Node::Kind kind);
  void refuse_unsupported(std::string_view name, const Node& node);

  Reading& reading_;
  const Node& node_;
  FieldPath path_;
  int errors_before_;
  bool everything_known_ = false;
  std::vector<std::string_view> known_;
};

// Where the whole object stands.
inline constexpr FieldPath kRootPath{};

template <typename Number>
bool FieldReader::integer(std::string_view name, Number& out, Range<int64_t> range) {
  const Node* node = find(name);
  if (node == nullptr) return false;
  constexpr bool kWider = sizeof(Number) == 8 && std::is_unsigned_v<Number>;
  range.low = std::max(range.low, static_cast<int64_t>(std::numeric_limits<Number>::lowest()));
  if constexpr (!kWider)
    range.high = std::min(range.high, static_cast<int64_t>(std::numeric_limits<Number>::max()));
  const auto value = take_integer(*node, {&path_, name}, range);
  if (value) out = static_cast<Number>(*value);
  return value.has_value();
}

template <typename Number>
bool FieldReader::integer(std::string_view name, std::optional<Number>& out, Range<int64_t> range) {
  Number value{};
  if (!integer(name, value, range)) return false;
  out = value;
  return true;
}

template <typename Enum>
bool FieldReader::choice(std::string_view name, Enum& out,
                         std::initializer_list<std::pair<std::string_view, Enum>> choices) {
  std::string text;
  const auto check = [&](const std::string& word) -> std::optional<Problem> {
    std::vector<std::string_view> words;
    for (const auto& choice : choices) {
      if (choice.first == word) return std::nullopt;
      words.push_back(choice.first);
    }
    return not_among(word, words);
  };
  if (!this->text(name, text, check)) return false;
  for (const auto& choice : choices) {
    if (choice.first == text) out = choice.second;
  }
  return true;
}

template <typename T, typename Read>
bool FieldReader::object(std::string_view name, T& out, Read read) {
  const Node* node = find(name);
  if (node == nullptr) return false;
  FieldReader fields(reading_, *node, {&path_, name});
  if (!node->is_mapping()) return false;
  read(fields, out);
  return true;
}

template <typename T, typename Read>
bool FieldReader::object(std::string_view name, std::optional<T>& out, Read read) {
  T value{};
  if (!object(name, value, read)) return false;
  out = std::move(value);
  return true;
}

template <typename T, typename Read>
bool FieldReader::list(std::string_view name, std::vector<T>& out, Read read) {
  const Node* node = find(name);
  const FieldPath path{&path_, name};
  if (node == nullptr || !expect(*node, path, Node::Kind::sequence)) return false;
  int index = 0;
  for (const Node& item : node->children) {
    FieldReader fields(reading_, item, {&path, {}, index++});
    if (item.is_mapping()) read(fields, out.emplace_back());
  }
  return true;
}

template <typename Read>
bool FieldReader::each(std::string_view name, Read read) {
  const Node* node = find(name);
  const FieldPath path{&path_, name};
  if (node == nullptr || !expect(*node, path, Node::Kind::mapping)) return false;
  for (const Node& item : node->children) read(item.key, item, FieldPath{&path, item.key});
  return true;
}

template <typename Number>
bool FieldReader::integer_map(std::string_view name, std::map<std::string, Number>& out,
                              Range<int64_t> range) {
  return each(name, [&](const std::string& key, const Node& item, const FieldPath& path) {
    const auto value = item.is_null() ? std::nullopt : take_integer(item, path, range);
    if (value) out.insert_or_assign(key, static_cast<Number>(*value));
  });
}

template <typename Read>
bool FieldReader::object_map(std::string_view name, Read read) {
  return each(name, [&](const std::string& key, const Node& item, const FieldPath& path) {
    FieldReader fields(reading_, item, path);
    if (item.is_mapping()) read(key, fields);
  });
}

}  // namespace weft::objects
