#include "cli/commands.h"

namespace weft::cli {

int run(int count, char** words) {
  CommandTable table;
  add_up(table);
  add_down(table);
  add_get(table);
  add_exec(table);
  add_logs(table);
  add_apply(table);
  add_delete(table);
  add_scale(table);
  add_analyze(table);
  add_bootstrap(table);
  add_demo(table);
  add_version(table);
  return table.run(count, words);
}

}  // namespace weft::cli
