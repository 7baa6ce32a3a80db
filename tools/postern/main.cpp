// SPDX-License-Identifier: Apache-2.0
// postern: the command line. A client of the API and nothing more; it needs no rights of its own.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>

#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

struct Globals {
  std::string socket, url, token_file, ca, certificate, key;
  bool json = false;
};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// An option beats the environment; of the environment the URL beats the socket.
Endpoint endpoint_of(const Globals& globals) {
  Endpoint endpoint{globals.socket, globals.url, environment("POSTERN_TOKEN"), globals.ca, globals.certificate, globals.key};
  if (endpoint.ca.empty()) endpoint.ca = environment("POSTERN_CA");
  if (endpoint.socket.empty() && endpoint.url.empty()) {
    endpoint.url = environment("POSTERN_URL");
    endpoint.socket = environment("POSTERN_SOCKET");
  }
  if (endpoint.socket.empty()) endpoint.socket = "/run/postern/gate/api.sock";
  if (!globals.token_file.empty()) {
    std::ifstream file(globals.token_file);
    if (!(file >> endpoint.token)) throw Failure(Exit::usage, "cannot read a token from " + globals.token_file);
  }
  return endpoint;
}

int run(int argc, char** argv) {
  CLI::App app(
      "postern: ask a just-in-time packet gate to let you in, and run it.\n"
      "An engineer types: postern request vm1 --port 22 --for 1h");
  Globals globals;
  Verb chosen;
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", "postern " POSTERN_VERSION);
  app.add_flag("--json", globals.json, "The daemon's answer as JSON, for programs");
  CLI::Option* socket = app.add_option("--socket", globals.socket,
                                       "Unix socket of posternd (POSTERN_SOCKET; /run/postern/gate/api.sock)");
  CLI::Option* url =
      app.add_option("--url", globals.url,
                     "posternd as https://HOST:PORT, or http://127.0.0.1:7822 on loopback (POSTERN_URL)");
  app.add_option("--token-file", globals.token_file, "File with the bearer token (or POSTERN_TOKEN holds it)");
  app.add_option("--ca", globals.ca, "Whose certificate to believe, for https; PEM (POSTERN_CA; whom the system believes)");
  CLI::Option* certificate = app.add_option("--cert", globals.certificate, "Your own certificate, for https; PEM");
  app.add_option("--key", globals.key, "Its private key, if that is not in the same file; PEM")->needs(certificate);
  socket->excludes(url);
  app.footer(exit_codes_help);

  RequestVerb request(app, chosen);
  ConnectVerb connect(app, chosen);
  ExposureVerb exposure(app, chosen);
  AnswerVerbs answers(app, chosen);
  GrantVerbs grants(app, chosen);
  StatusVerb status(app, chosen);
  ExplainVerb explain(app, chosen);
  EventsVerb events(app, chosen);
  MachineVerbs machine(app, chosen);
  PolicyVerbs policy(app, chosen);
  SwitchVerbs switches(app, chosen);
  TokenVerbs token(app, chosen);
  SessionsVerb sessions(app, chosen);
  RoleVerbs role(app, chosen);
  BreakGlassVerbs break_glass(app, chosen);
  AuditVerbs audit(app, chosen);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    const std::vector<std::string> unknown = app.remaining();
    std::cerr << "postern: " << (unknown.empty() ? error.what() : "what is \"" + unknown.front() + "\"?")
              << "\n  → postern --help, or --help after a verb, shows what there is\n";
    return static_cast<int>(Exit::usage);
  }
  try {
    const bool colours = ::isatty(STDOUT_FILENO) == 1 && environment("NO_COLOR").empty();
    chosen(Desk{GateClient(endpoint_of(globals)), Printer(globals.json, colours)});
    return static_cast<int>(Exit::ok);
  } catch (const Failure& failure) {
    print_failure(failure, globals.json);
    return static_cast<int>(failure.exit);
  }
}

}  // namespace
}  // namespace postern::cli

int main(int argc, char** argv) try { return postern::cli::run(argc, argv); } catch (const std::exception& error) {
  std::cerr << "postern: " << error.what() << '\n';
  return static_cast<int>(postern::cli::Exit::gate_failed);
}
