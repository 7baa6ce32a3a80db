// SPDX-License-Identifier: Apache-2.0
// docs/configuration.md as the table of options has it.
#include <algorithm>

#include "controlplane/daemon/options.hpp"

namespace postern::daemon {
namespace {

constexpr std::string_view top = R"(# Configuration of posternd

Made by `posternd --help-options markdown`; a test compares them.

One file, `/etc/postern/posternd.json` or `--config FILE`: a JSON object with the options below, `//` and `/* */` comments allowed.
Each is also a flag, with `-` for `_` (`--log-level debug`), which goes before the file. `posternd --print-config` prints what is in
force as a file with comments.

* **Checking**: `posternd --check-config [--config FILE]` names all faults at once, each with its place, also those that only a start
  would find (certificate and key that do not fit, folders and files that cannot be used, addresses that this host does not have). It
  touches neither gate nor database. Run it as the daemon's user. Exit codes: 0 good, 2 faulty.
* **Changing**: SIGHUP reads the file again; flags stay as they were given. What can change while the daemon runs (below: on reload)
  does, without a connection dropped; what needs a restart is named in the log and in `postern status`. A file with a fault changes
  nothing: the log has every fault, and `postern status` warns until a good one was read. Both are in the audit, as `config.reload`.

| option | default | values | changes | what it is |
|---|---|---|---|---|
)";

// In a table a bar would end the cell.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) result += c == '|' ? std::string("\\|") : std::string(1, c);
  return result;
}

std::string code(std::string_view text) {
  return text.empty() ? "" : "`" + std::string(text) + "`";
}

}  // namespace

std::string configuration_page() {
  std::string page(top);
  for (const Option& option : option_table()) {
    page += "| " + code(option.key) + " | " + code(option.fallback) + " | " + cell(option.bounds) + " | " +
            (option.reload == Reload::needs_restart ? "on restart" : "on reload") + " | " + cell(option.help) + " |\n";
  }
  return page;
}

}  // namespace postern::daemon
