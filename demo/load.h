// The load generator: so many requests a second, over so many connections, and what came of them.
#pragma once

#include <string>
#include <vector>

namespace weft::demo {

int run_load(const std::vector<std::string>& words);

}  // namespace weft::demo
