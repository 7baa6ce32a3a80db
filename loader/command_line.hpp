// SPDX-License-Identifier: Apache-2.0
// The subcommands of postern-loader, each declared in one function that says how it is spelt and what it runs.
#pragma once

#include <CLI/CLI.hpp>

namespace postern::loader {

// Exit codes, as `postern-loader --help` lists them.
enum Exit : int {
  exit_done = 0,
  exit_failed = 1,  // nothing was changed, unless the message says so
  exit_usage = 2,
  exit_not_attached = 3,  // status, confirm, ensure
  exit_not_whole = 4,     // status: a program is missing, or the gate stands open unconfirmed; doctor: attach would be refused
  exit_snapshot = 5,      // attach, ensure: the boot snapshot cannot be read, so nothing was attached
};

// Each adds its subcommand, which puts its exit code into `code` when it is chosen.
void add_attach(CLI::App& app, int& code);
void add_ensure(CLI::App& app, int& code);
void add_detach(CLI::App& app, int& code);
void add_confirm(CLI::App& app, int& code);
void add_status(CLI::App& app, int& code);
void add_doctor(CLI::App& app, int& code);
void add_adopt(CLI::App& app, int& code);
void add_expire(CLI::App& app, int& code);

}  // namespace postern::loader
