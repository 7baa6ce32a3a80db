// SPDX-License-Identifier: Apache-2.0
// posternd's command line: flags made from the option table, the file read, then run or only told about.
#include <CLI/CLI.hpp>
#include <iostream>

#include "controlplane/daemon/options.hpp"
#include "controlplane/daemon/posternd.hpp"
#include "controlplane/daemon/preflight.hpp"

namespace {

using namespace postern::daemon;

constexpr const char* default_file = "/etc/postern/posternd.json";
constexpr const char* footer =
    "Each option but --config may also stand in the configuration file (JSON with comments), under its name with '_'\n"
    "for '-'; a flag goes before the file. Lists: repeat the flag or separate by commas.\n\n"
    "SIGHUP reads the configuration again: what can change while it runs does, for the rest the log and `postern status` ask for\n"
    "a restart; a faulty file changes nothing. The certificate of https is also read again by itself when it changes.\n"
    "SIGTERM or SIGINT stop it when the calls under way are answered; a second one at once.\n"
    "Exit codes: 0 stopped as asked; 1 could not start, or broke; 2 wrong use or a faulty configuration.";

struct CommandLine {
  std::string file = default_file;
  bool check = false, print = false;
  std::string page;  // form in which the options are printed; empty: they are not
  std::map<std::string, std::vector<std::string>, std::less<>> words;  // by option key
};

void describe(CLI::App& app, CommandLine& line) {
  app.footer(footer);
  app.set_version_flag("--version", "posternd " POSTERN_VERSION);
  app.add_option("--config", line.file, "The configuration file")->capture_default_str();
  app.add_flag("--check-config", line.check, "Name every fault of the configuration, also those that only a start would find, and end");
  app.add_flag("--print-config", line.print, "Print the configuration as a file, and end");
  app.add_option("--help-options", line.page, "Print all options as a page (markdown), and end")
      ->check(CLI::IsMember({"markdown"}));
  for (const Option& option : option_table()) {
    const std::string fallback = option.fallback.empty() || option.kind == Kind::list || option.kind == Kind::object ? "" : " [" + std::string(option.fallback) + "]";
    CLI::Option* flag = app.add_option(flag_of(option), line.words[std::string(option.key)],
                                       std::string(option.help) + " (" + std::string(option.bounds) + ")" + fallback);
    flag->type_name("");
    if (option.kind == Kind::list)
      flag->delimiter(',')->allow_extra_args(false);
    else
      flag->expected(1);
  }
}

Exit complain(const std::vector<postern::core::Fault>& faults) {
  std::cerr << "posternd: The configuration is not valid.\n";
  for (const postern::core::Fault& fault : faults) std::cerr << "  " << fault.target << ": " << fault.message << '\n';
  return Exit::config_fault;
}

postern::core::Result<Loaded> load(const CommandLine& line, bool file_required) {
  Given given;
  read_file(line.file, file_required, given);
  for (const Option& option : option_table())
    if (const auto& words = line.words.find(option.key)->second; !words.empty()) read_flag(option, words, given);
  auto config = make_config(given);
  if (!config) return config.error();
  return Loaded{std::move(given), *std::move(config)};
}

Exit started(const CommandLine& line, bool file_named) {
  if (!line.page.empty()) {
    std::cout << configuration_page();
    return Exit::stopped;
  }
  const auto loaded = load(line, file_named);
  if (!loaded) return complain(loaded.error().faults);
  if (line.print) std::cout << printed(loaded->given);
  if (line.check) {
    if (const auto faults = preflight(loaded->config, loaded->given); !faults.empty()) return complain(faults);
    std::cout << "posternd: the configuration is good\n";
  }
  if (line.print || line.check) return Exit::stopped;
  // A file that was there and has gone is a fault, not a wish for the defaults.
  const bool required = file_named || loaded->given.file_read;
  return run(*loaded, [line, required] { return load(line, required); });
}

}  // namespace

int main(int argc, char** argv) try {
  CLI::App app("posternd decides who gets through the gate, records it, and writes it into the gate's maps.",
               "posternd");
  CommandLine line;
  describe(app, line);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return static_cast<int>(app.exit(error) == 0 ? Exit::stopped : Exit::config_fault);
  }
  return static_cast<int>(started(line, app.count("--config") > 0));
} catch (const std::exception& broken) {
  std::cerr << "posternd: " << broken.what() << '\n';
  return static_cast<int>(Exit::failed);
}
