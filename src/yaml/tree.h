// Reads YAML (and so JSON) into a tree that remembers where everything stood.
//
//   Documents documents = parse(text, "mesh.yaml");
//   for (const Document& document : documents.documents) read(document.root, document.complaints);
//
// The text may be hostile: depth, size and what aliases can add are bounded. A syntax error costs its own
// document; reading goes on at the next line that begins one (`---`).
//
// Plain scalars mean what Kubernetes takes them to mean (YAML 1.1 as go-yaml v2 reads it): `yes` and `on`
// are booleans, 010 is 8. What a scalar is depends on who reads it, so the tree keeps its text and
// scalar_type() tells what it would be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "yaml/complaint.h"

namespace weft::yaml {

inline constexpr size_t kMaxTextSize = 16u << 20;
inline constexpr int kMaxDepth = 100;
// How many values a text may hold, and how many of them by aliases: what bounds the memory a tree takes.
inline constexpr size_t kMaxNodes = 1'000'000;
inline constexpr size_t kMaxAliasNodes = 100'000;
// What is wrong after this many complaints about a document is not told.
inline constexpr size_t kMaxComplaints = 1000;

struct Node {
  enum class Kind : uint8_t { null, scalar, mapping, sequence };

  Kind kind = Kind::null;
  bool quoted =
      false;     // a scalar in quotes or block form, or tagged !!str: it is text whatever it looks like
  int line = 0;  // from 1
  int column = 0;
  std::string text;  // of a scalar

  // Of a child of a mapping: its key, and where that stood.
  std::string key;
  int key_line = 0;
  int key_column = 0;

  // Of a mapping, in the order written, no key twice; of a sequence, its items.
  std::vector<Node> children;

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_mapping() const { return kind == Kind::mapping; }
  bool is_sequence() const { return kind == Kind::sequence; }
  // The value of a mapping's key; null where it is not there.
  const Node* find(std::string_view name) const;
};

struct Document {
  Node root;  // null where the document could not be read
  // Syntax errors, duplicate keys and the like; their `subject` is empty. After an error the root holds
  // what could be read and must not be acted on.
  std::vector<Complaint> complaints;
};

struct Documents {
  std::vector<Document> documents;  // empty documents are left out
};

// UTF-8, with or without a byte order mark; UTF-16 is refused.
Documents parse(std::string_view text, std::string_view file);

// The only document of a text; its first complaint as an error otherwise.
Result<Node> parse_one(std::string_view text, std::string_view file);

enum class ScalarType : uint8_t { null, boolean, integer, floating, text };

// What a scalar node is to a reader without a schema; text for a quoted one.
ScalarType scalar_type(const Node& node);

// The value of a plain scalar of that type; nullopt where it is not one or does not fit.
std::optional<bool> as_boolean(const Node& node);
std::optional<int64_t> as_integer(const Node& node);  // 90, 0x5A, 0o132, 0132, 9e1, 90.0
std::optional<double> as_number(const Node& node);

// "a mapping", "a list", "nothing", "text", "a number", "a boolean": for complaints.
std::string_view describe(const Node& node);

}  // namespace weft::yaml
