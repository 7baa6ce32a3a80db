// SPDX-License-Identifier: Apache-2.0
// postern machine: what stands behind the gate. Registering a machine guards nothing yet; a policy does.
#include <cstdio>
#include <iterator>
#include <sstream>

#include "tools/postern/failure.hpp"
#include "tools/postern/input_file.hpp"
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

json forward_of(const std::string& text) {
  const ForwardWord forward = forward_word(text);
  return {{"address", forward.address},
          {"port", forward.port},
          {"protocol", forward.protocol},
          {"machinePort", forward.machine_port}};
}

std::vector<std::string> words_of(const std::string& cell) {
  std::istringstream stream(cell);
  return {std::istream_iterator<std::string>(stream), {}};
}

json machine_of(const CsvRow& row, const std::string& file) {
  json machine = json::object();
  for (const auto& [column, cell] : row.cells) {
    if (column == "addresses") {
      machine[column] = words_of(cell);
    } else if (column == "forwards") {
      try {
        for (const std::string& word : words_of(cell)) machine[column].push_back(forward_of(word));
      } catch (Failure& failure) {
        failure.message = file + " row " + std::to_string(row.number) + ": " + failure.message;
        throw;
      }
    } else {
      machine[column] = cell;
    }
  }
  return machine;
}

// Of a machine as `list` shows it, what was registered.
json without_views(json machine) {
  if (machine.is_object())
    for (const char* name : {"state", "reason", "policies", "ports", "recommended"}) machine.erase(name);
  return machine;
}

// "machines[3].addresses[0]" of a row of a file: "row 5, addresses[0]".
std::string place_in(const std::vector<CsvRow>& rows, const std::string& target) {
  std::size_t index = 0;
  int end = 0;
  if (std::sscanf(target.c_str(), "machines[%zu]%n", &index, &end) != 1 || end == 0 || index >= rows.size()) return target;
  const std::string rest = target.substr(static_cast<std::size_t>(end));
  return "row " + std::to_string(rows[index].number) + (rest.empty() ? "" : ", " + rest.substr(1));
}

std::string target_of(const std::string& name) {
  return "/v1/machines/" + encoded(name);
}

std::string ports_text(const json& machine) {
  std::string text;
  for (const json& port : machine.value("ports", json::array()))
    text += (text.empty() ? "" : ", ") + text_of(port, "number") + "/" + text_of(port, "protocol");
  return text;
}

std::string forwards_text(const json& machine) {
  std::string text;
  for (const json& forward : machine.value("forwards", json::array()))
    text += (text.empty() ? "" : ", ") + text_of(forward, "address") + " port " + text_of(forward, "port") + "/" +
            text_of(forward, "protocol") + " → " + text_of(forward, "machinePort");
  return text;
}

std::string state_text(const json& machine) {
  const std::string state = text_of(machine, "state");
  const std::string reason = text_of(machine, "reason");
  const std::string shown = state == "notConfigured" ? "not guarded by any policy" : state;
  return reason.empty() ? shown : shown + ": " + reason;
}

}  // namespace

MachineVerbs::MachineVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group =
      app.add_subcommand("machine", "Machines behind the gate: add, import, list, show, exclude, include, remove")->require_subcommand(1);

  CLI::App* verb = group->add_subcommand("add", "Register a machine, or replace what is registered under its name");
  verb->add_option("NAME", name_, "Name, as requests and policies call it")->required();
  verb->add_option("--address", addresses_, "IPv4 or IPv6 address or block it has; repeat for more")->required();
  verb->add_option("--os", os_, "linux or windows");
  verb->add_option("--forward", forwards_, "PUBLIC:PORT=PORT[/udp]: a DNAT in front of it, as 203.0.113.5:2222=22");
  verb->add_option("--id", id_, "Azure resource id; made from the name if left out");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { add(desk); }; });

  verb = group->add_subcommand(
      "import",
      "Register many machines, or replace what is registered under their names: all of the file or nothing.\n"
      "CSV: the first row names the columns, of name, id, os, addresses, forwards; several addresses, and\n"
      "forwards as for `add --forward`, stand in one cell with blanks between them.\n"
      "JSON: a list of machines, or what `postern --json machine list` prints.");
  verb->add_option("FILE", file_, "FILE.csv or FILE.json; - for standard input, which is JSON if it begins with [ or {")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { import(desk); }; });

  verb = group->add_subcommand("exclude", "Say that a machine shall not be guarded; no policy can name it then");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->add_option("--because", reason_, "Why")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { exclude(desk, reason_); }; });

  verb = group->add_subcommand("include", "Take an exclusion back");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { exclude(desk, ""); }; });

  verb = group->add_subcommand("list", "All machines, and whether a policy guards them");
  verb->add_option("--state", state_, "Only these: configured, notConfigured or unsupported");
  verb->add_option("--subscription", subscription_, "Only those of this subscription");
  verb->add_option("--resource-group", group_, "Only those of this resource group");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { list(desk); }; });

  verb = group->add_subcommand("show", "One machine with addresses, forwards and guarded ports");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { show(desk); }; });

  verb = group->add_subcommand("remove", "Forget a machine");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { remove(desk); }; });
}

void MachineVerbs::add(const Desk& desk) const {
  json body = {{"addresses", addresses_}};
  if (!id_.empty()) body["id"] = id_;
  if (!os_.empty()) body["os"] = os_;
  for (const std::string& word : forwards_) body["forwards"].push_back(forward_of(word));
  const Answer answer = desk.gate.call("PUT", target_of(name_), &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Machine " + name_ + " is registered with " + text_of(answer.body, "addresses") + ".");
  if (ports_text(answer.body).empty())
    desk.out.line("Nothing of it is guarded yet. Guard it with: postern policy enable " + name_);
}

void MachineVerbs::import(const Desk& desk) const {
  const std::string text = read_text(file_);
  const auto first = text.find_first_not_of(" \t\r\n");
  const bool is_json = file_ == "-" ? first != std::string::npos && (text[first] == '[' || text[first] == '{') : file_.ends_with(".json");
  if (!is_json && file_ != "-" && !file_.ends_with(".csv"))
    throw Failure(Exit::usage, file_ + " is neither FILE.csv nor FILE.json");
  json machines = json::array();
  std::vector<CsvRow> rows;
  if (is_json) {
    json document = read_json(text, file_);
    if (document.is_object() && document.contains("machines")) document = document["machines"];
    if (!document.is_array()) throw Failure(Exit::usage, file_ + " is no list of machines");
    for (json& machine : document) machines.push_back(without_views(std::move(machine)));
  } else {
    rows = read_csv(text, {"name", "id", "os", "addresses", "forwards"}, file_);
    for (const CsvRow& row : rows) machines.push_back(machine_of(row, file_));
  }
  const json body = {{"machines", machines}};
  try {
    const Answer answer = desk.gate.call("POST", "/v1/machines", &body);
    if (desk.out.json()) return desk.out.document(answer.body);
    desk.out.line(std::to_string(machines.size()) + " machine(s) registered. Policies guard their ports: postern policy enable MACHINE…");
  } catch (Failure& failure) {
    for (PlacedFault& fault : failure.faults) fault.target = place_in(rows, fault.target);
    throw;
  }
}

void MachineVerbs::list(const Desk& desk) const {
  const json body = desk.gate.get("/v1/machines?state=" + encoded(state_) + "&subscription=" + encoded(subscription_) +
                                  "&resourceGroup=" + encoded(group_));
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  for (const json& machine : body.value("machines", json::array()))
    rows.push_back({text_of(machine, "name"), text_of(machine, "addresses"), ports_text(machine), state_text(machine)});
  desk.out.table({"MACHINE", "ADDRESSES", "GUARDED PORTS", "STATE"}, rows,
                 "No machines. Register one with: postern machine add NAME --address ADDRESS");
}

void MachineVerbs::show(const Desk& desk) const {
  const json machine = desk.gate.get(target_of(name_));
  if (desk.out.json()) return desk.out.document(machine);
  desk.out.line("name       " + text_of(machine, "name"));
  desk.out.line("id         " + text_of(machine, "id"));
  if (const std::string os = text_of(machine, "os"); !os.empty()) desk.out.line("os         " + os);
  desk.out.line("addresses  " + text_of(machine, "addresses"));
  if (const std::string forwards = forwards_text(machine); !forwards.empty()) desk.out.line("forwards   " + forwards);
  desk.out.line("state      " + state_text(machine));
  if (const std::string ports = ports_text(machine); !ports.empty()) desk.out.line("guarded    " + ports);
  if (const std::string policies = text_of(machine, "policies"); !policies.empty())
    desk.out.line("policies   " + policies);
}

void MachineVerbs::exclude(const Desk& desk, const std::string& reason) const {
  json machine = without_views(desk.gate.get(target_of(name_)));
  machine["excluded"] = {{"reason", reason}};
  machine.erase("name");
  const Answer answer = desk.gate.call("PUT", target_of(text_of(machine, "id").substr(text_of(machine, "id").rfind('/') + 1)), &machine);
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Machine " + name_ + (reason.empty() ? " may be guarded." : " is excluded."));
}

void MachineVerbs::remove(const Desk& desk) const {
  const Answer answer = desk.gate.call("DELETE", target_of(name_));
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Machine " + name_ + " is forgotten.");
}

}  // namespace postern::cli
