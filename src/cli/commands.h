// Every command of `weft`, one file each: up.cc, down.cc, get.cc, ...
#pragma once

#include "cli/command_table.h"

namespace weft::cli {

void add_up(CommandTable& table);
void add_down(CommandTable& table);
void add_get(CommandTable& table);
void add_exec(CommandTable& table);
void add_logs(CommandTable& table);
void add_apply(CommandTable& table);
void add_delete(CommandTable& table);
void add_scale(CommandTable& table);
void add_analyze(CommandTable& table);
void add_bootstrap(CommandTable& table);
void add_demo(CommandTable& table);
void add_version(CommandTable& table);

// The whole of main(): the exit status.
int run(int count, char** words);

}  // namespace weft::cli
