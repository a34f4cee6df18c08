// The command. What it can do is listed in cli/run.cc, one file a command.
#include "cli/commands.h"

int main(int count, char** words) { return weft::cli::run(count, words); }
