// SPDX-License-Identifier: Apache-2.0
// postern request: the one thing an engineer types. Fills in where he comes from when the daemon cannot see it, and
// says what to do next.
#include <algorithm>
#include <cstdlib>

#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

// The client's address of the SSH session this runs in; empty if there is none or it has a zone (no one else's scope).
std::string ssh_client() {
  const char* connection = std::getenv("SSH_CONNECTION");
  if (connection == nullptr) return {};
  const std::string text = connection;
  const std::string address = text.substr(0, text.find(' '));
  return address.find('%') == std::string::npos ? address : std::string();
}

// What a source sees of a machine's port: a forward if one is declared, else an address, of the source's own family.
struct Reachable {
  std::string address, port;
};

bool is_v6(const std::string& text) {
  return text.find(':') != std::string::npos;
}

Reachable reachable(const json& machine, const std::string& port, const std::string& source) {
  std::vector<Reachable> ways;
  for (const json& forward : machine.value("forwards", json::array()))
    if (text_of(forward, "machinePort") == port)
      ways.push_back({text_of(forward, "address"), text_of(forward, "port")});
  for (const json& address : machine.value("addresses", json::array()))
    ways.push_back({address.get<std::string>(), port});
  for (const Reachable& way : ways)
    if (way.address.find('/') == std::string::npos && (source == "*" || is_v6(way.address) == is_v6(source)))
      return way;
  return {text_of(machine, "name"), port};
}

std::string next_step(const json& machine, const std::string& port, const std::string& source) {
  const Reachable at = reachable(machine, port, source);
  return dial_words(at.address, at.port, port);
}

// Who got in may not look at the machine: then the words he used must do.
json machine_of(const Desk& desk, const std::string& name) {
  try {
    return desk.gate.get("/v1/machines/" + encoded(name));
  } catch (const Failure&) {
    return {{"name", name}};
  }
}

void print_request(const Desk& desk, const json& answer) {
  std::vector<Row> rows;
  std::vector<std::string> steps;
  for (const json& grant : answer.value("grants", json::array())) {
    const std::string name = text_of(grant, "machineName");
    const std::string port = text_of(grant, "port");
    const std::string end = text_of(grant, "endTimeUtc");
    rows.push_back({text_of(grant, "serial"), name, port, text_of(grant, "sources"),
                    local_time(end) + " (" + time_left(end) + ")"});
    steps.push_back(next_step(machine_of(desk, name), port, text_of(grant, "sources")));
  }
  desk.out.table({"GRANT", "MACHINE", "PORT", "OPEN TO", "UNTIL"}, rows, "Nothing was granted.");
  if (text_of(answer, "state") == "pending") {
    const std::string id = text_of(answer, "id"), until = text_of(answer, "answerByUtc");
    return desk.out.line("Nothing is open yet. Somebody else must agree until " + local_time(until) + " (" + time_left(until) +
                         "): postern approve " + id);
  }
  if (text_of(answer, "state") == "scheduled")
    return desk.out.line("It opens at " + local_time(text_of(answer["grants"][0], "startTimeUtc")) + ", not before.");
  for (const std::string& step : steps) desk.out.line("→ " + step);
}

}  // namespace

RequestVerb::RequestVerb(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("request", "Ask for ports of machines: postern request vm1 --port 22 --for 1h");
  wish_.declare(*verb);
  wish_.declare_start(*verb);
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { wish_.run(desk, false); }; });
}

void Wish::declare(CLI::App& verb) {
  verb.add_option("MACHINE", machines_, "Machines, by name or id")->required();
  verb.add_option("--port", ports_, "Port; repeat for more")->required();
  CLI::Option* duration = verb.add_option("--for", duration_, "How long: 90m, 1h30m, PT1H");
  CLI::Option* until =
      verb.add_option("--until", until_, "Until when, UTC unless it has a zone: 2030-01-02T03:04:05+01:00");
  duration->excludes(until);
  verb.add_option("--from", sources_,
                   "Address or block you will come from; repeat for more. Left out: your own address as\n"
                   "the gate sees it; over the Unix socket that of your SSH session");
  verb.add_option("--because", because_, "Justification, for the audit");
}

void Wish::declare_start(CLI::App& verb) {
  verb.add_option("--at", at_, "Start then, at most 7 days ahead, and not at once: 2030-01-02T03:04:05+01:00");
}

void Wish::run(const Desk& desk, bool break_glass) const {
  if (duration_.empty() && until_.empty())
    throw Failure(Exit::usage, "say how long: --for 1h, or --until 2030-01-02T03:04:05Z");
  std::vector<std::string> sources = sources_;
  if (sources.empty() && desk.gate.daemon_sees_no_address()) {
    if (const std::string client = ssh_client(); !client.empty()) {
      sources.push_back(client);
      desk.out.note("Source " + client + ": your SSH session's client (SSH_CONNECTION). --from names another.");
    }
  }
  json ports = json::array();
  for (const std::string& word : ports_) {
    json port = {{"number", port_word(word, "*").number}};
    if (duration_.empty())
      port["endTimeUtc"] = until_;
    else
      port["duration"] = iso_duration(duration_);
    if (!sources.empty()) port["sources"] = sources;
    ports.push_back(port);
  }
  json machines = json::array();
  for (const std::string& name : machines_) machines.push_back({{"machine", name}, {"ports", ports}});
  json body = {{"machines", machines}};
  if (!because_.empty()) body["justification"] = because_;
  if (!at_.empty()) body["startTimeUtc"] = at_;
  if (break_glass) body["breakGlass"] = true;

  try {
    const Answer answer = desk.gate.call("POST", "/v1/requests", &body);
    if (desk.out.json()) return desk.out.document(answer.body);
    print_request(desk, answer.body);
  } catch (Failure& failure) {
    const bool lacks_source = std::any_of(failure.faults.begin(), failure.faults.end(), [](const PlacedFault& fault) {
      return fault.target.find("sources") != std::string::npos;
    });
    if (sources.empty() && lacks_source) failure.hint = "name the address or block you will come from with --from";
    throw;
  }
}

}  // namespace postern::cli
