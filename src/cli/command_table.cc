#include "cli/command_table.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>

#include "base/strings.h"
#include "objects/checks.h"

namespace weft::cli {

struct Command::Parser {
  CLI::App* app = nullptr;
  std::function<Result<int>()> run;
  std::vector<std::string>* rest = nullptr;
  std::string footer;
};

struct CommandTable::Commands {
  CLI::App app{"Weft: a service mesh. One command runs it, asks it and checks what you write."};
  std::vector<std::unique_ptr<Command>> commands;
};

Command& Command::option(std::string_view names, std::string& into, std::string_view help) {
  parser_->app->add_option(std::string(names), into, std::string(help));
  return *this;
}

Command& Command::option(std::string_view names, std::optional<int>& into, std::string_view help) {
  parser_->app->add_option(std::string(names), into, std::string(help));
  return *this;
}

Command& Command::options(std::string_view names, std::vector<std::string>& into, std::string_view help) {
  parser_->app->add_option(std::string(names), into, std::string(help))->allow_extra_args(false);
  return *this;
}

Command& Command::required_options(std::string_view names, std::vector<std::string>& into,
                                   std::string_view help) {
  parser_->app->add_option(std::string(names), into, std::string(help))->required()->allow_extra_args(false);
  return *this;
}

Command& Command::choice(std::string_view names, std::string& into, std::vector<std::string> choices,
                         std::string_view help) {
  parser_->app->add_option(std::string(names), into, std::string(help))
      ->check(CLI::IsMember(std::move(choices)));
  return *this;
}

Command& Command::flag(std::string_view names, bool& into, std::string_view help) {
  parser_->app->add_flag(std::string(names), into, std::string(help));
  return *this;
}

Command& Command::word(std::string_view name, std::string& into, std::string_view help) {
  parser_->app->add_option(std::string(name), into, std::string(help))->required();
  return *this;
}

Command& Command::optional_word(std::string_view name, std::string& into, std::string_view help) {
  parser_->app->add_option(std::string(name), into, std::string(help));
  return *this;
}

Command& Command::optional_words(std::string_view name, std::vector<std::string>& into,
                                 std::string_view help) {
  parser_->app->add_option(std::string(name), into, std::string(help));
  return *this;
}

Command& Command::words(std::string_view name, std::vector<std::string>& into, std::string_view help) {
  parser_->app->add_option(std::string(name), into, std::string(help))->required();
  return *this;
}

Command& Command::rest(std::vector<std::string>& into) {
  parser_->rest = &into;
  return *this;
}

Command& Command::example(std::string_view text) {
  parser_->footer += concat(parser_->footer.empty() ? "\nExamples:\n  " : "\n  ", text);
  parser_->app->footer(parser_->footer);
  return *this;
}

Command& Command::hidden() {
  parser_->app->group("");
  return *this;
}

Command& Command::runs(std::function<Result<int>()> run) {
  parser_->run = std::move(run);
  return *this;
}

CommandTable::CommandTable() : commands_(std::make_unique<Commands>()) {
  commands_->app.require_subcommand(1);
  commands_->app.name("weft");
}

CommandTable::~CommandTable() = default;

Command& CommandTable::add(std::string_view name, std::string_view summary) {
  auto command = std::make_unique<Command>();
  command->parser_ = std::make_shared<Command::Parser>();
  command->parser_->app = commands_->app.add_subcommand(std::string(name), std::string(summary));
  return *commands_->commands.emplace_back(std::move(command));
}

// Whether the first word is a command, or an option of all of them; says so where it is neither.
bool CommandTable::knows(std::string_view word) const {
  if (word.starts_with('-')) return true;
  std::vector<std::string> names;
  for (const auto& command : commands_->commands) names.push_back(command->parser_->app->get_name());
  if (std::ranges::find(names, word) != names.end()) return true;
  std::string hint = objects::did_you_mean(word, {names.begin(), names.end()});
  if (hint.empty()) hint = "'weft --help' lists them";
  std::fprintf(stderr, "weft: there is no command '%s'; %s\n", printable(word, 80).c_str(), hint.c_str());
  return false;
}

int CommandTable::run(int count, char** words) {
  if (count < 2) {
    std::fputs(commands_->app.help().c_str(), stderr);
    return 2;
  }
  if (!knows(words[1])) return 2;
  // What follows `--` is not ours to understand.
  const std::vector<std::string> all(words, words + count);
  const auto separator = std::ranges::find(all, "--");
  const std::vector<std::string> rest(separator == all.end() ? separator : separator + 1, all.end());
  try {
    commands_->app.parse(static_cast<int>(separator - all.begin()), words);
  } catch (const CLI::CallForHelp& help) {
    return commands_->app.exit(help);
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "weft: %s\n", error.what());
    std::string which = "weft";
    for (const auto& command : commands_->commands) {
      if (command->parser_->app->parsed()) which = concat("weft ", command->parser_->app->get_name());
    }
    std::fprintf(stderr, "Try '%s --help'.\n", which.c_str());
    return 2;
  }
  for (const auto& command : commands_->commands) {
    Command::Parser& parser = *command->parser_;
    if (!parser.app->parsed()) continue;
    if (parser.rest != nullptr) *parser.rest = rest;
    if (parser.rest == nullptr && separator != all.end()) {
      std::fprintf(stderr, "weft: '%s' takes no words after --\n", parser.app->get_name().c_str());
      return 2;
    }
    const Result<int> status = parser.run();
    if (status) return *status;
    std::fprintf(stderr, "weft: %s\n", status.error().text.c_str());
    return 1;
  }
  return 2;
}

}  // namespace weft::cli
