#include "demo/arguments.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace weft::demo {

void usage_error(const std::string& text) {
  std::fprintf(stderr, "weft-demo: %s\nTry 'weft-demo --help'.\n", text.c_str());
  std::exit(2);
}

Arguments::Arguments(const std::vector<std::string>& words, std::set<std::string> flags,
                     std::set<std::string> options) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (!word.starts_with("--") || word == "--") {
      rest_.push_back(word);
      continue;
    }
    const size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? std::string::npos : equals - 2);
    if (flags.contains(name)) {
      values_.emplace(name, "");
    } else if (!options.contains(name)) {
      usage_error("there is no option --" + name);
    } else if (equals != std::string::npos) {
      values_.emplace(name, word.substr(equals + 1));
    } else if (i + 1 < words.size()) {
      values_.emplace(name, words[++i]);
    } else {
      usage_error("--" + name + " needs a value");
    }
  }
}

std::string Arguments::text(const std::string& name, const std::string& otherwise) const {
  if (const auto it = values_.find(name); it != values_.end()) return it->second;
  std::string variable = "WEFT_DEMO_" + name;
  std::ranges::transform(variable, variable.begin(),
                         [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  const char* value = std::getenv(variable.c_str());
  return value != nullptr ? value : otherwise;
}

double Arguments::number(const std::string& name, double otherwise) const {
  const std::string value = text(name, "");
  if (value.empty()) return otherwise;
  char* end = nullptr;
  const double number = std::strtod(value.c_str(), &end);
  if (*end == '%' && end[1] == '\0') return number / 100;
  if (*end != '\0') usage_error("--" + name + " " + value + " is not a number");
  return number;
}

std::vector<std::string> Arguments::all(const std::string& name) const {
  std::vector<std::string> found;
  for (auto [it, last] = values_.equal_range(name); it != last; ++it) found.push_back(it->second);
  return found;
}

}  // namespace weft::demo
