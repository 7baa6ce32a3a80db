// SPDX-License-Identifier: Apache-2.0
// postern-loader: puts the gate's programs in place, replaces and removes them, tells how they stand, and exits. The
// only program of postern that needs root.
#include <sys/stat.h>

#include <cstdio>
#include <exception>

#include "loader/command_line.hpp"
#include "loader/log_tail.hpp"

int main(int argc, char** argv) try {
  using namespace postern::loader;
  ::umask(022);  // the daemon must get through our folders, and nobody else write there
  keep_library_logs();
  CLI::App app("Attach, replace, inspect and detach the packet gate on network interfaces.", "postern-loader");
  app.set_version_flag("--version", POSTERN_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done; 1 failed, and nothing was changed; 2 wrong usage; 3 nothing is attached (status, confirm, ensure);\n"
      "4 attached, but not whole (status, ensure), or attach would be refused (doctor);\n"
      "5 the boot snapshot cannot be read, so nothing was attached (attach, ensure).");
  int code = exit_done;
  add_attach(app, code);
  add_ensure(app, code);
  add_detach(app, code);
  add_confirm(app, code);
  add_status(app, code);
  add_doctor(app, code);
  add_adopt(app, code);
  add_expire(app, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? exit_done : exit_usage;
  }
  return code;
} catch (const std::exception& error) {
  std::fprintf(stderr, "postern-loader: broken invariant: %s\n", error.what());
  return postern::loader::exit_failed;
}
