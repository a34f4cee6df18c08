#include "objects/field_reader.h"

#include <algorithm>

#include "base/strings.h"
#include "objects/kube_fields.h"
#include "objects/support.h"

namespace weft::objects {

namespace {

using Severity = Complaint::Severity;

std::string shown(const Node& node) {
  if (!node.is_scalar()) return std::string(yaml::describe(node));
  return yaml::scalar_type(node) == yaml::ScalarType::text ? quoted(node.text) : printable(node.text, 80);
}

template <typename Number>
std::string range_rule(const Range<Number>& range, std::string_view low, std::string_view high) {
  if (!range.rule.empty()) return std::string(range.rule);
  return concat("write a number from ", low, " to ", high);
}

std::string plain(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

// A misspelt field of a policy would make it wider than its author meant, so there it is an error.
bool decides_who_gets_in(std::string_view kind) {
  return kind == "PeerAuthentication" || kind == "AuthorizationPolicy";
}

Problem unknown_field(std::string_view name, const std::vector<std::string_view>& known,
                      bool ignored = true) {
  constexpr size_t kWorthListing = 12;
  std::string next_step = did_you_mean(name, known);
  if (next_step.empty() && !known.empty() && known.size() <= kWorthListing) {
    next_step = concat("fields here are ", join({known.begin(), known.end()}, ", "));
  }
  return {ignored
              ? "the API has no such field, and it is ignored"
              : "the API has no such field; a policy that lacks what it was meant to say lets in too many",
          std::move(next_step)};
}

// Kubernetes types that Weft has no use for: only the names of their fields are looked at.
void warn_about_unknown(Reading& reading, const Node& node, const FieldPath& path, std::string_view type) {
  if (node.is_sequence()) {
    int index = 0;
    for (const Node& item : node.children) warn_about_unknown(reading, item, {&path, {}, index++}, type);
    return;
  }
  const std::vector<KubeField> fields = kube_fields(type);
  if (!node.is_mapping() || fields.empty()) return;
  for (const Node& child : node.children) {
    const FieldPath child_path{&path, child.key};
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&](const KubeField& one) { return one.name == child.key; });
    if (field != fields.end()) {
      if (!field->type.empty()) warn_about_unknown(reading, child, child_path, field->type);
      continue;
    }
    std::vector<std::string_view> names;
    for (const KubeField& one : fields) names.push_back(one.name);
    reading.complain(Severity::warning, child.key_line, child.key_column, child_path.to_string(),
                     unknown_field(child.key, names));
  }
}

}  // namespace

std::string FieldPath::to_string() const {
  std::string out = above == nullptr ? std::string{} : above->to_string();
  if (index >= 0) return concat(out, '[', index, ']');
  if (name.empty()) return out;
  // A key that is not a plain name, such as a label's, is set off from the path.
  const bool plain_name = name.find_first_of("./[] ") == std::string_view::npos;
  if (!plain_name) return concat(out, '[', printable(name, 80), ']');
  return concat(out, out.empty() ? "" : ".", printable(name, 80));
}

std::string FieldPath::pattern() const {
  std::string out = above == nullptr ? std::string{} : above->pattern();
  if (index >= 0 || name.empty()) return out;
  return concat(out, out.empty() ? "" : ".", name);
}

void Reading::complain(Severity severity, int line, int column, std::string field, Problem problem,
                       std::string_view code) {
  if (severity == Severity::error) ++errors_;
  if (out_.size() >= yaml::kMaxComplaints) {
    ++untold_;
    return;
  }
  Complaint complaint;
  complaint.severity = severity;
  complaint.file = file_;
  complaint.line = line;
  complaint.column = column;
  complaint.subject = subject_;
  complaint.field = concat(place_, place_.empty() || field.empty() ? "" : ".", field);
  complaint.cause = std::move(problem.cause);
  complaint.next_step = std::move(problem.next_step);
  complaint.code = code;
  out_.push_back(std::move(complaint));
}

FieldReader::FieldReader(Reading& reading, const Node& node, const FieldPath& path)
    : reading_(reading), node_(node), path_(path), errors_before_(reading.errors()) {
  known_.reserve(node.children.size() + 8);
  expect(node, path, Node::Kind::mapping);
}

FieldReader::~FieldReader() {
  if (!node_.is_mapping() || everything_known_) return;
  for (const Node& child : node_.children) {
    if (std::find(known_.begin(), known_.end(), child.key) != known_.end()) continue;
    const FieldPath path{&path_, child.key};
    const std::string name = path.to_string();
    const bool refused = decides_who_gets_in(reading_.kind()) && name.starts_with("spec.");
    reading_.complain(refused ? Severity::error : Severity::warning, child.key_line, child.key_column, name,
                      unknown_field(child.key, known_, !refused));
  }
}

const Node* FieldReader::find(std::string_view name) {
  if (std::find(known_.begin(), known_.end(), name) == known_.end()) known_.push_back(name);
  const Node* node = node_.find(name);
  if (node == nullptr || node->is_null()) return nullptr;
  refuse_unsupported(name, *node);
  return node;
}

void FieldReader::refuse_unsupported(std::string_view name, const Node& node) {
  if (!may_be_unsupported(reading_.kind(), name)) return;
  const FieldPath path{&path_, name};
  const Unsupported* refused =
      find_unsupported(reading_.kind(), path.pattern(), node.is_scalar() ? node.text : "");
  if (refused == nullptr) return;
  // What says nothing asks for nothing.
  if (yaml::as_boolean(node) == false || (node.is_sequence() && node.children.empty())) return;
  std::string cause = "not supported yet by Weft";
  if (!refused->value.empty()) cause += concat(": ", shown(node));
  reading_.complain(Severity::error, node.key_line, node.key_column, path.to_string(),
                    {std::move(cause), std::string(refused->next_step)});
}

bool FieldReader::refuse_key(std::string_view name, const Node& item) {
  const FieldPath path{&path_, name};
  const Unsupported* refused = find_unsupported(reading_.kind(), path.pattern(), item.key);
  if (refused == nullptr) return false;
  reading_.complain(Severity::error, item.key_line, item.key_column, FieldPath{&path, item.key}.to_string(),
                    {"not supported yet by Weft", std::string(refused->next_step)});
  return true;
}

bool FieldReader::has(std::string_view name) const {
  const Node* node = node_.find(name);
  return node != nullptr && !node->is_null() && !(node->is_scalar() && node->text.empty());
}

int FieldReader::line_of(std::string_view name) const {
  const Node* node = node_.find(name);
  return node == nullptr ? node_.line : node->key_line;
}

void FieldReader::complain_at(const Node& node, const FieldPath& path, Problem problem) {
  reading_.complain(Severity::error, node.line, node.column, path.to_string(), std::move(problem));
}

void FieldReader::complain(Severity severity, std::string_view name, Problem problem, std::string_view code) {
  const Node* node = name.empty() ? nullptr : node_.find(name);
  const FieldPath path{&path_, name};
  if (node == nullptr) {
    const std::string field = name.empty() ? path_.to_string() : path.to_string();
    reading_.complain(severity, node_.line, node_.column, field, std::move(problem), code);
  } else if (node->is_scalar()) {
    reading_.complain(severity, node->line, node->column, path.to_string(), std::move(problem), code);
  } else {
    reading_.complain(severity, node->key_line, node->key_column, path.to_string(), std::move(problem), code);
  }
}

void FieldReader::error(std::string_view name, std::string cause, std::string next_step,
                        std::string_view code) {
  complain(Severity::error, name, {std::move(cause), std::move(next_step)}, code);
}

void FieldReader::warning(std::string_view name, std::string cause, std::string next_step,
                          std::string_view code) {
  complain(Severity::warning, name, {std::move(cause), std::move(next_step)}, code);
}

void FieldReader::require(std::string_view name, std::string_view next_step) {
  if (node_.is_mapping() && !has(name)) error(name, "is required", std::string(next_step));
}

void FieldReader::at_most_one_of(std::initializer_list<std::string_view> names) {
  std::vector<std::string_view> present;
  for (const std::string_view name : names) {
    if (has(name)) present.push_back(name);
  }
  if (present.size() < 2) return;
  error(present[1], concat("cannot stand beside ", present[0]), "keep one of the two");
}

bool FieldReader::at_most(std::string_view name, size_t count) {
  const Node* node = node_.find(name);
  if (node == nullptr || node->children.size() <= count) return true;
  error(name, concat("has ", node->children.size(), " items, where at most ", count, " are possible"),
        "divide them");
  return false;
}

void FieldReader::accept(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) find(name);
}

void FieldReader::accept_kube(std::string_view name, std::string_view type) {
  const Node* node = find(name);
  if (node != nullptr) warn_about_unknown(reading_, *node, {&path_, name}, type);
}

bool FieldReader::expect(const Node& node, const FieldPath& path, Node::Kind kind) {
  if (node.kind == kind) return true;
  const std::string_view wanted = kind == Node::Kind::mapping ? "a mapping" : "a list";
  std::string next_step;
  if (kind == Node::Kind::sequence && !node.is_null()) next_step = "begin each item with '- '";
  if (kind == Node::Kind::mapping) {
    next_step = path.above == nullptr && path.name.empty()
                    ? "an object begins with apiVersion, kind and metadata"
                    : "write its fields as 'name: value'";
  }
  complain_at(node, path, {concat("is ", yaml::describe(node), ", where ", wanted, " is wanted"), next_step});
  return false;
}

std::optional<std::string> FieldReader::take_text(const Node& node, const FieldPath& path,
                                                  const TextCheck& check) {
  if (!node.is_scalar()) {
    complain_at(node, path,
                {concat("is ", yaml::describe(node), ", where text is wanted"), "write one value"});
    return std::nullopt;
  }
  if (yaml::scalar_type(node) != yaml::ScalarType::text) {
    // A Secret's values stay out of logs.
    const bool secret = reading_.kind() == "Secret";
    const std::string value = secret ? "the value" : printable(node.text, 80);
    complain_at(node, path,
                {concat(value, " is ", yaml::describe(node), ", where text is wanted"),
                 secret ? "put it in quotes" : concat("put it in quotes: \"", value, '"')});
    return std::nullopt;
  }
  if (check != nullptr) {
    if (auto problem = check(node.text)) {
      complain_at(node, path, std::move(*problem));
      return std::nullopt;
    }
  }
  return node.text;
}

bool FieldReader::text(std::string_view name, std::string& out, const TextCheck& check) {
  const Node* node = find(name);
  if (node == nullptr) return false;
  // The APIs read empty text as absent. Where there is no rule for the text, it may be a value.
  if (check != nullptr && node->is_scalar() && node->text.empty()) return false;
  auto value = take_text(*node, {&path_, name}, check);
  if (value) out = std::move(*value);
  return value.has_value();
}

bool FieldReader::boolean(std::string_view name, bool& out) {
  const Node* node = find(name);
  if (node == nullptr) return false;
  const auto value = yaml::as_boolean(*node);
  if (value) {
    out = *value;
    return true;
  }
  const bool would_be = node->is_scalar() && (node->text == "true" || node->text == "false");
  complain_at(*node, {&path_, name},
              {concat(shown(*node), " is not a boolean"),
               would_be ? "write it without quotes" : "write true or false"});
  return false;
}

bool FieldReader::boolean(std::string_view name, std::optional<bool>& out) {
  bool value = false;
  if (!boolean(name, value)) return false;
  out = value;
  return true;
}

std::optional<int64_t> FieldReader::take_integer(const Node& node, const FieldPath& path,
                                                 Range<int64_t> range) {
  if (!node.is_scalar()) {
    complain_at(node, path,
                {concat("is ", yaml::describe(node), ", where a number is wanted"),
                 range.rule.empty() ? "write a number" : std::string(range.rule)});
    return std::nullopt;
  }
  const auto value = yaml::as_integer(node);
  if (!value) {
    if (yaml::as_number(node)) {
      complain_at(node, path,
                  {concat(printable(node.text, 80), " is not a whole number"), std::string(range.rule)});
    } else {
      const bool would_be = node.quoted && parse_unsigned(node.text);
      complain_at(node, path,
                  {concat(shown(node), " is ", yaml::describe(node), ", where a number is wanted"),
                   would_be ? "write it without quotes" : std::string(range.rule)});
    }
    return std::nullopt;
  }
  if (*value < range.low || *value > range.high) {
    std::string cause = concat(*value, *value < 0 && range.low == 0 ? " is negative" : " is out of range");
    complain_at(node, path,
                {std::move(cause), range_rule(range, std::to_string(range.low), std::to_string(range.high))});
    return std::nullopt;
  }
  return value;
}

bool FieldReader::number(std::string_view name, double& out, Range<double> range) {
  const Node* node = find(name);
  if (node == nullptr) return false;
  const FieldPath path{&path_, name};
  const auto value = yaml::as_number(*node);
  if (!value) {
    const bool would_be = node->is_scalar() && node->quoted && parse_unsigned(node->text);
    complain_at(*node, path,
                {concat(shown(*node), " is not a number"),
                 would_be ? "write it without quotes" : std::string(range.rule)});
    return false;
  }
  if (*value < range.low || *value > range.high) {
    complain_at(*node, path,
                {concat(printable(node->text, 40), " is out of range"),
                 range_rule(range, plain(range.low), plain(range.high))});
    return false;
  }
  out = *value;
  return true;
}

bool FieldReader::port(std::string_view name, uint16_t& out) {
  return integer(name, out, {1, 65535, "a port is a number from 1 to 65535"});
}

bool FieldReader::port_or_name(std::string_view name, PortRef& out) {
  const Node* node = find(name);
  if (node == nullptr) return false;
  const FieldPath path{&path_, name};
  if (node->is_scalar() && yaml::scalar_type(*node) == yaml::ScalarType::text) {
    if (node->text.empty()) return false;
    if (parse_unsigned(node->text)) {
      complain_at(*node, path,
                  {concat(quoted(node->text), " is text, so it would be a port's name"),
                   "write the number without quotes"});
      return false;
    }
    auto value = take_text(*node, path, check_port_name);
    if (value) out.name = std::move(*value);
    return value.has_value();
  }
  const auto value = take_integer(*node, path, {1, 65535, "a port is a number from 1 to 65535, or a name"});
  if (value) out.number = static_cast<uint16_t>(*value);
  return value.has_value();
}

std::optional<Duration> FieldReader::take_duration(const Node& node, const FieldPath& path) {
  if (node.is_scalar() && yaml::as_number(node)) {
    complain_at(
        node, path,
        {concat(printable(node.text, 80), " has no unit"),
         concat("write it like ", printable(node.text, 40), "s or ", printable(node.text, 40), "ms")});
    return std::nullopt;
  }
  const auto text = take_text(node, path, nullptr);
  if (!text) return std::nullopt;
  const auto value = parse_duration(*text);
  if (!value) {
    complain_at(node, path, {value.error().text, "write it like 1.5s, 100ms or 1h2m"});
    return std::nullopt;
  }
  if (*value < 1ms) {
    const std::string next_step = *value == Duration{0} ? "leave the field out for the default" : "";
    complain_at(node, path, {concat(printable(*text, 40), " is less than a millisecond"), next_step});
    return std::nullopt;
  }
  return *value;
}

bool FieldReader::duration(std::string_view name, Duration& out) {
  const Node* node = find(name);
  if (node == nullptr) return false;
  const auto value = take_duration(*node, {&path_, name});
  if (value) out = *value;
  return value.has_value();
}

bool FieldReader::duration(std::string_view name, std::optional<Duration>& out) {
  Duration value{0};
  if (!duration(name, value)) return false;
  out = value;
  return true;
}

bool FieldReader::texts(std::string_view name, std::vector<std::string>& out, const TextCheck& check) {
  const Node* node = find(name);
  const FieldPath path{&path_, name};
  if (node == nullptr || !expect(*node, path, Node::Kind::sequence)) return false;
  int index = 0;
  for (const Node& item : node->children) {
    auto value = take_text(item, {&path, {}, index++}, check);
    if (value) out.push_back(std::move(*value));
  }
  return true;
}

bool FieldReader::text_pairs(std::string_view name, std::vector<std::pair<std::string, std::string>>& out,
                             const TextCheck& key_check, const TextCheck& value_check) {
  return each(name, [&](const std::string& key, const Node& item, const FieldPath& path) {
    if (key_check != nullptr) {
      if (auto problem = key_check(key)) {
        reading_.complain(Severity::error, item.key_line, item.key_column, path.to_string(),
                          std::move(*problem));
        return;
      }
    }
    // A null value is an empty one, as Kubernetes takes it.
    std::optional<std::string> value =
        item.is_null() ? std::optional<std::string>{""} : take_text(item, path, value_check);
    if (value) out.emplace_back(key, std::move(*value));
  });
}

bool FieldReader::text_map(std::string_view name, std::map<std::string, std::string>& out,
                           const TextCheck& key_check, const TextCheck& value_check) {
  std::vector<std::pair<std::string, std::string>> pairs;
  if (!text_pairs(name, pairs, key_check, value_check)) return false;
  for (auto& [key, value] : pairs) out.insert_or_assign(std::move(key), std::move(value));
  return true;
}

bool FieldReader::labels(std::string_view name, Labels& out) {
  return text_map(name, out, check_label_key, check_label_value);
}

}  // namespace weft::objects
