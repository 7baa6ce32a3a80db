// SPDX-License-Identifier: Apache-2.0
// posternd's command line: flags made from the option table, the file read, then run or only told about.
#include <CLI/CLI.hpp>
#include <iostream>

#include "controlplane/daemon/options.hpp"
#include "controlplane/daemon/posternd.hpp"
#include "controlplane/http/tls.hpp"

namespace {

using namespace postern::daemon;

constexpr const char* default_file = "/etc/postern/posternd.json";
constexpr const char* footer =
    "Each option but --config may also stand in the configuration file (JSON with comments), under its name with '_'\n"
    "for '-'; a flag goes before the file. Lists: repeat the flag or separate by commas.\n\n"
    "SIGHUP reads the certificate of https again, which also happens by itself when the files change.\n"
    "SIGTERM or SIGINT stop it when the calls under way are answered; a second one at once.\n"
    "Exit codes: 0 stopped as asked; 1 could not start, or broke; 2 wrong use or a faulty configuration.";

struct CommandLine {
  std::string file = default_file;
  bool check = false, print = false;
  std::map<std::string, std::vector<std::string>, std::less<>> words;  // by option key
};

void describe(CLI::App& app, CommandLine& line) {
  app.footer(footer);
  app.set_version_flag("--version", "posternd " POSTERN_VERSION);
  app.add_option("--config", line.file, "The configuration file")->capture_default_str();
  app.add_flag("--check-config", line.check, "Say whether the configuration is good, and end");
  app.add_flag("--print-config", line.print, "Print the configuration as a file, and end");
  for (const Option& option : option_table()) {
    const std::string fallback = option.fallback.empty() || option.kind != Kind::text ? "" : " [" + std::string(option.fallback) + "]";
    CLI::Option* flag = app.add_option(flag_of(option), line.words[std::string(option.key)],
                                       std::string(option.help) + " (" + std::string(option.bounds) + ")" + fallback);
    flag->type_name("");
    if (option.kind == Kind::list)
      flag->delimiter(',')->allow_extra_args(false);
    else
      flag->expected(1);
  }
}

Exit complain(const postern::core::Error& error) {
  std::cerr << "posternd: " << error.message << '\n';
  for (const postern::core::Fault& fault : error.faults)
    std::cerr << "  " << fault.target << ": " << fault.message << '\n';
  return Exit::config_fault;
}

Exit started(const CommandLine& line, bool file_named) {
  Given given;
  read_file(line.file, file_named, given);
  for (const Option& option : option_table())
    if (const auto& words = line.words.find(option.key)->second; !words.empty()) read_flag(option, words, given);
  const auto config = make_config(given);
  if (!config) return complain(config.error());
  if (line.print) std::cout << printed(given);
  if (line.check && config->listen_https) {
    if (const auto tls = postern::http::TlsIdentity::load(config->tls); !tls) return complain(tls.error());
  }
  if (line.check) std::cout << "posternd: the configuration is good\n";
  return line.print || line.check ? Exit::stopped : run(*config);
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
