#include "yaml/tree.h"

#include <yaml.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/strings.h"

namespace weft::yaml {

namespace {

// After this many syntax errors the rest of a text is not worth reading.
constexpr int kMaxSyntaxErrors = 20;

int count_lines(std::string_view text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

// Whether a text is UTF-16: it says so by its first two bytes, or each second byte of what begins it (which
// is ASCII in any YAML or JSON of ours) is NUL.
bool is_utf16(std::string_view text) {
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF")) return true;
  return text.size() >= 4 && ((text[0] != 0 && text[1] == 0 && text[2] != 0 && text[3] == 0) ||
                              (text[0] == 0 && text[1] != 0 && text[2] == 0 && text[3] != 0));
}

// Where the line that many lines below the beginning starts; npos past the end.
size_t offset_of_line(std::string_view text, int line) {
  size_t at = 0;
  for (; line > 0; --line) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return at;
    ++at;
  }
  return at;
}

bool begins_document(std::string_view line) {
  return line.starts_with("---") &&
         (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\r' || line[3] == '\n');
}

bool is_null_word(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

// libyaml's event; empty where there is none.
class Event {
 public:
  Event() = default;
  ~Event() {
    if (there_) yaml_event_delete(&event_);
  }
  Event(Event&& other) noexcept : event_(other.event_), there_(std::exchange(other.there_, false)) {}
  Event& operator=(Event&& other) noexcept {
    if (there_) yaml_event_delete(&event_);
    event_ = other.event_;
    there_ = std::exchange(other.there_, false);
    return *this;
  }

  bool parse(yaml_parser_t& parser) {
    there_ = yaml_parser_parse(&parser, &event_) != 0;
    return there_;
  }
  explicit operator bool() const { return there_; }
  const yaml_event_t* operator->() const { return &event_; }
  const yaml_event_t& operator*() const { return event_; }

 private:
  yaml_event_t event_{};
  bool there_ = false;
};

std::string_view as_view(const yaml_char_t* text) {
  return text == nullptr ? std::string_view{} : std::string_view(reinterpret_cast<const char*>(text));
}

size_t count_nodes(const Node& node) {
  size_t count = 1;
  for (const Node& child : node.children) count += count_nodes(child);
  return count;
}

int height(const Node& node) {
  int below = 0;
  for (const Node& child : node.children) below = std::max(below, height(child) + 1);
  return below;
}

// What a text has used up, over all its stretches.
struct Used {
  size_t nodes = 0;
  size_t alias_nodes = 0;
};

// Reads one stretch of a text, from its beginning or from where reading begins anew after an error.
//
// A function that returns false has met the stretch's end by error: `stopped_at` is the line, within
// the stretch, where that was noticed.
class Reader {
 public:
  Reader(std::string_view text, std::string_view file, int first_line, Used& used, Documents& out)
      : text_(text), file_(file), first_line_(first_line), used_(used), out_(out) {
    initialized_ = yaml_parser_initialize(&parser_) != 0;
    if (!initialized_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Reader() {
    if (initialized_) yaml_parser_delete(&parser_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  bool read_all() {
    for (;;) {
      Event event = next();
      if (!event) return false;
      if (event->type == YAML_STREAM_END_EVENT) return true;
      if (event->type == YAML_DOCUMENT_START_EVENT && !read_document()) return false;
    }
  }

  int stopped_at() const { return stopped_at_; }

 private:
  bool read_document() {
    document_ = {};
    path_.clear();
    anchors_.clear();
    Event event = next();
    if (!event || !read_node(*event, document_.root, 0)) return false;
    if (!next()) return false;  // the document's end
    if (!document_.root.is_null() || !document_.complaints.empty()) {
      out_.documents.push_back(std::move(document_));
    }
    return true;
  }

  bool read_node(const yaml_event_t& event, Node& node, int depth) {
    node.line = first_line_ + static_cast<int>(event.start_mark.line);
    node.column = static_cast<int>(event.start_mark.column) + 1;
    if (depth > kMaxDepth) {
      stop(event.start_mark, concat("nested more than ", kMaxDepth, " levels deep"), "flatten it");
      return false;
    }
    if (++used_.nodes > kMaxNodes) {
      stop(event.start_mark, concat("more than ", kMaxNodes, " values"), "split the file");
      return false;
    }
    switch (event.type) {
      case YAML_SCALAR_EVENT:
        read_scalar(event, node);
        remember(event.data.scalar.anchor, node);
        return true;
      case YAML_MAPPING_START_EVENT:
        check_tag(event.data.mapping_start.tag, node);
        if (!read_mapping(node, depth)) return false;
        remember(event.data.mapping_start.anchor, node);
        return true;
      case YAML_SEQUENCE_START_EVENT:
        check_tag(event.data.sequence_start.tag, node);
        if (!read_sequence(node, depth)) return false;
        remember(event.data.sequence_start.anchor, node);
        return true;
      case YAML_ALIAS_EVENT:
        return read_alias(event, node, depth);
      default:
        stop(event.start_mark, "a value is missing here", "");
        return false;
    }
  }

  void read_scalar(const yaml_event_t& event, Node& node) {
    const auto& scalar = event.data.scalar;
    node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
    node.quoted = scalar.style != YAML_PLAIN_SCALAR_STYLE;
    const std::string_view tag = as_view(scalar.tag);
    if (tag == YAML_STR_TAG || tag == "!") {
      node.quoted = true;
    } else if (tag == YAML_INT_TAG || tag == YAML_FLOAT_TAG || tag == YAML_BOOL_TAG || tag == YAML_NULL_TAG ||
               tag == YAML_TIMESTAMP_TAG) {
      node.quoted = false;
    } else {
      check_tag(scalar.tag, node);
    }
    node.kind = !node.quoted && is_null_word(node.text) ? Node::Kind::null : Node::Kind::scalar;
  }

  bool read_mapping(Node& node, int depth) {
    node.kind = Node::Kind::mapping;
    std::vector<Node> merged;
    for (;;) {
      Event event = next();
      if (!event) return false;
      if (event->type == YAML_MAPPING_END_EVENT) break;

      Node key;
      if (!read_node(*event, key, depth + 1)) return false;
      if (!key.is_scalar() && !key.is_null()) {
        complain(key, concat("a key is ", describe(key)), "a key is plain text");
      } else if (key.text.empty()) {
        complain(key, "a key is empty", "give it a name");
      }
      Node child;
      path_.push_back(key.text);
      event = next();
      if (!event || !read_node(*event, child, depth + 1)) return false;
      path_.pop_back();
      child.key = std::move(key.text);
      child.key_line = key.line;
      child.key_column = key.column;
      (child.key == "<<" && !key.quoted ? merged : node.children).push_back(std::move(child));
    }
    for (Node& source : merged) merge(std::move(source), node);
    drop_duplicates(node);
    return true;
  }

  // YAML 1.1's merge key: what the mapping does not have itself comes from the value of `<<`.
  void merge(Node source, Node& node) {
    std::vector<Node> sources;
    if (source.is_sequence()) {
      sources = std::move(source.children);
    } else {
      sources.push_back(std::move(source));
    }
    for (Node& one : sources) {
      if (!one.is_mapping()) {
        complain(one, concat("the merge key << holds ", describe(one)),
                 "it takes a mapping, or a list of mappings");
        continue;
      }
      for (Node& child : one.children) {
        if (node.find(child.key) == nullptr) node.children.push_back(std::move(child));
      }
    }
  }

  // Mappings are small, as a rule: then comparing all with all is quicker than keeping a set.
  static bool all_distinct(const std::vector<Node>& children) {
    constexpr size_t kSmall = 24;
    if (children.size() > kSmall) return false;
    for (size_t i = 1; i < children.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (children[i].key == children[j].key) return false;
      }
    }
    return true;
  }

  void drop_duplicates(Node& node) {
    if (all_distinct(node.children)) return;
    std::map<std::string_view, const Node*> first;
    std::vector<const Node*> repeated;
    for (const Node& child : node.children) {
      const auto [place, is_new] = first.emplace(child.key, &child);
      if (is_new) continue;
      Complaint& complaint = complain(
          child,
          concat("'", printable(child.key, 80), "' is already written on line ", place->second->key_line),
          "remove one of the two");
      complaint.line = child.key_line;
      complaint.column = child.key_column;
      complaint.field += concat(complaint.field.empty() ? "" : ".", printable(child.key, 80));
      repeated.push_back(&child);
    }
    if (repeated.empty()) return;
    std::vector<Node> kept;
    for (Node& child : node.children) {
      if (!std::binary_search(repeated.begin(), repeated.end(), &child)) kept.push_back(std::move(child));
    }
    node.children = std::move(kept);
  }

  bool read_sequence(Node& node, int depth) {
    node.kind = Node::Kind::sequence;
    for (;;) {
      Event event = next();
      if (!event) return false;
      if (event->type == YAML_SEQUENCE_END_EVENT) return true;
      path_.push_back(concat('[', node.children.size(), ']'));
      Node child;
      if (!read_node(*event, child, depth + 1)) return false;
      path_.pop_back();
      node.children.push_back(std::move(child));
    }
  }

  void remember(const yaml_char_t* anchor, const Node& node) {
    if (anchor != nullptr) anchors_.insert_or_assign(std::string(as_view(anchor)), node);
  }

  // The alias stands for a copy of what its anchor marks. An anchor is known only when its node is
  // complete, so nothing can contain itself. What grows without bound ends the document: each further
  // alias of it would say the same once more.
  bool read_alias(const yaml_event_t& event, Node& node, int depth) {
    const std::string_view name = as_view(event.data.alias.anchor);
    const auto found = anchors_.find(std::string(name));
    if (found == anchors_.end()) {
      complain(node, concat("*", printable(name, 40), " refers to an anchor that is not there"),
               concat("write &", printable(name, 40), " before what it means"));
      return true;
    }
    const size_t added = count_nodes(found->second);
    if (used_.alias_nodes + added > kMaxAliasNodes) {
      stop(event.start_mark, concat("aliases stand for more than ", kMaxAliasNodes, " values"),
           "write them out");
      return false;
    }
    if (depth + height(found->second) > kMaxDepth) {
      stop(event.start_mark, concat("nested more than ", kMaxDepth, " levels deep"), "flatten it");
      return false;
    }
    used_.alias_nodes += added;
    node = found->second;
    return true;
  }

  void check_tag(const yaml_char_t* tag, const Node& node) {
    const std::string_view name = as_view(tag);
    if (name.empty() || name == YAML_MAP_TAG || name == YAML_SEQ_TAG || name == "!") return;
    complain(node, concat("the tag ", printable(name, 60), " is not supported"), "remove it");
  }

  // The next event; null after a syntax error, about which it complains.
  Event next() {
    Event event;
    if (initialized_ && event.parse(parser_)) return event;
    if (!initialized_ || parser_.error == YAML_MEMORY_ERROR) {
      stop({}, "there is no memory left to read this", "");
    } else if (parser_.error == YAML_READER_ERROR) {
      const size_t offset = std::min(parser_.problem_offset, text_.size());
      yaml_mark_t mark{};
      mark.line = static_cast<size_t>(count_lines(text_.substr(0, offset)));
      stop(mark, concat("not UTF-8 text: ", parser_.problem == nullptr ? "" : parser_.problem),
           "save the file as UTF-8");
    } else {
      std::string cause = concat("not YAML: ", parser_.problem == nullptr ? "syntax error" : parser_.problem);
      if (parser_.context != nullptr) {
        cause += concat(" ", parser_.context);
        if (parser_.context_mark.line != parser_.problem_mark.line) {
          cause += concat(" that begins on line ", first_line_ + static_cast<int>(parser_.context_mark.line));
        }
      }
      stop(parser_.problem_mark, std::move(cause), syntax_hint());
    }
    return {};
  }

  std::string syntax_hint() const {
    const std::string_view problem = parser_.problem == nullptr ? "" : parser_.problem;
    const size_t begin = offset_of_line(text_, static_cast<int>(parser_.problem_mark.line));
    if (begin == std::string_view::npos) return "";
    const std::string_view line = text_.substr(begin, text_.find('\n', begin) - begin);
    if (problem.find("cannot start any token") != std::string_view::npos &&
        line.substr(0, line.find_first_not_of(" \t")).find('\t') != std::string_view::npos) {
      return "indent with spaces, not tabs";
    }
    if (problem.find("mapping values are not allowed") != std::string_view::npos) {
      return "put text that has ': ' in it in quotes, or mend the indentation";
    }
    if (problem.find("found unexpected ':'") != std::string_view::npos)
      return "put text that has ':' in it in quotes";
    if (problem.find("did not find expected key") != std::string_view::npos)
      return "check this line's indentation";
    if (problem.find("']'") != std::string_view::npos)
      return "close the list with ']', or put a ',' between its items";
    if (problem.find("'}'") != std::string_view::npos)
      return "close the mapping with '}', or put a ',' between its fields";
    if (problem.find("did not find expected '-'") != std::string_view::npos)
      return "check this line's indentation: a list's items all begin in one column";
    if (problem.find("unexpected end of stream") != std::string_view::npos) return "close the quotes";
    return "check what stands before this place: indentation, quotes and brackets";
  }

  // Ends the document under way with an error; its root does not survive.
  void stop(const yaml_mark_t& mark, std::string cause, std::string next_step) {
    stopped_at_ = static_cast<int>(mark.line);
    Complaint complaint;
    complaint.file = file_;
    complaint.line = first_line_ + stopped_at_;
    complaint.column = static_cast<int>(mark.column) + 1;
    complaint.cause = std::move(cause);
    complaint.next_step = std::move(next_step);
    document_.root = {};
    document_.complaints.push_back(std::move(complaint));
    out_.documents.push_back(std::move(document_));
    document_ = {};
  }

  Complaint& complain(const Node& node, std::string cause, std::string next_step) {
    Complaint complaint;
    complaint.file = file_;
    complaint.line = node.line;
    complaint.column = node.column;
    for (const std::string& step : path_) {
      if (!complaint.field.empty() && !step.starts_with('[')) complaint.field += '.';
      complaint.field += printable(step, 80);
    }
    complaint.cause = std::move(cause);
    complaint.next_step = std::move(next_step);
    // The last one is overwritten where there are too many: that there is an error still shows.
    if (document_.complaints.size() < kMaxComplaints)
      return document_.complaints.emplace_back(std::move(complaint));
    return document_.complaints.back() = std::move(complaint);
  }

  std::string_view text_;
  std::string file_;
  int first_line_;
  Used& used_;
  Documents& out_;
  yaml_parser_t parser_{};
  bool initialized_ = false;
  int stopped_at_ = 0;
  Document document_;
  std::vector<std::string> path_;
  std::map<std::string, Node> anchors_;
};

}  // namespace

const Node* Node::find(std::string_view name) const {
  if (!is_mapping()) return nullptr;
  const auto found =
      std::find_if(children.begin(), children.end(), [name](const Node& child) { return child.key == name; });
  return found == children.end() ? nullptr : &*found;
}

Documents parse(std::string_view text, std::string_view file) {
  Documents out;
  const auto refuse = [&](int line, std::string cause, std::string next_step) {
    Document document;
    Complaint& complaint = document.complaints.emplace_back();
    complaint.file = file;
    complaint.line = complaint.column = line;
    complaint.cause = std::move(cause);
    complaint.next_step = std::move(next_step);
    out.documents.push_back(std::move(document));
    return std::move(out);
  };
  if (text.size() > kMaxTextSize)
    return refuse(0, concat(text.size(), " bytes are more than the ", kMaxTextSize, " that are read"),
                  "split the file");
  if (is_utf16(text)) return refuse(1, "is UTF-16 text, and only UTF-8 is read", "save the file as UTF-8");
  // Editors' mark of UTF-8.
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  int first_line = 1;
  Used used;
  for (int errors = 0; errors < kMaxSyntaxErrors; ++errors) {
    Reader reader(text, file, first_line, used, out);
    if (reader.read_all()) break;
    // Anew from the next line that begins a document. The one where the error was noticed counts,
    // unless this stretch began with it.
    size_t at = offset_of_line(text, std::max(reader.stopped_at(), 1));
    while (at != std::string_view::npos && !begins_document(text.substr(at))) {
      at = text.find('\n', at);
      if (at != std::string_view::npos) ++at;
    }
    if (at == std::string_view::npos) break;
    first_line += count_lines(text.substr(0, at));
    text.remove_prefix(at);
  }
  return out;
}

Result<Node> parse_one(std::string_view text, std::string_view file) {
  Documents parsed = parse(text, file);
  for (const Document& document : parsed.documents) {
    for (const Complaint& complaint : document.complaints) {
      return fail(Error::Kind::invalid, complaint.to_string());
    }
  }
  if (parsed.documents.empty()) return fail(Error::Kind::invalid, concat(file, ": there is nothing in it"));
  if (parsed.documents.size() > 1) {
    return fail(Error::Kind::invalid, concat(file, ':', parsed.documents[1].root.line,
                                             ": a second document begins here, where one is expected"));
  }
  return std::move(parsed.documents.front().root);
}

}  // namespace weft::yaml
