// The commands of `weft`, and how each says what words it takes.
//
//   void add_scale(CommandTable& table) {
//     auto options = std::make_shared<ScaleOptions>();
//     table.add("scale", "Set how many replicas a deployment has")
//         .word("TARGET", options->target, "deployment/NAME")
//         .option("--replicas", options->replicas, "how many")
//         .runs([options] { return scale(*options); });
//   }
//
// A command's function returns its exit status; an Error is printed as `weft: text` and makes it 1. What is
// wrong with the words themselves makes it 2. CLI11 does the parsing, and is seen by command_table.cc alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::cli {

class Command {
 public:
  // `names` as "-o,--output".
  Command& option(std::string_view names, std::string& into, std::string_view help);
  Command& option(std::string_view names, std::optional<int>& into, std::string_view help);
  Command& options(std::string_view names, std::vector<std::string>& into, std::string_view help);
  Command& required_options(std::string_view names, std::vector<std::string>& into, std::string_view help);
  Command& choice(std::string_view names, std::string& into, std::vector<std::string> choices,
                  std::string_view help);
  Command& flag(std::string_view names, bool& into, std::string_view help);
  // What stands alone. A required word, an optional one, any number, and one or more.
  Command& word(std::string_view name, std::string& into, std::string_view help);
  Command& optional_word(std::string_view name, std::string& into, std::string_view help);
  Command& optional_words(std::string_view name, std::vector<std::string>& into, std::string_view help);
  Command& words(std::string_view name, std::vector<std::string>& into, std::string_view help);
  // Everything after `--`.
  Command& rest(std::vector<std::string>& into);
  Command& example(std::string_view text);
  // Not in the list of commands: for our own use.
  Command& hidden();
  Command& runs(std::function<Result<int>()> run);

 private:
  friend class CommandTable;
  struct Parser;
  std::shared_ptr<Parser> parser_;
};

class CommandTable {
 public:
  CommandTable();
  ~CommandTable();

  Command& add(std::string_view name, std::string_view summary);
  // Parses and runs; the exit status.
  int run(int count, char** words);

 private:
  bool knows(std::string_view word) const;

  struct Commands;
  std::unique_ptr<Commands> commands_;
};

}  // namespace weft::cli
