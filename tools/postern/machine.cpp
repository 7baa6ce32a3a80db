// SPDX-License-Identifier: Apache-2.0
// postern machine: what stands behind the gate. Registering a machine guards nothing yet; a policy does.
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

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
  if (state == "notConfigured") return "not guarded by any policy";
  return reason.empty() ? state : state + ": " + reason;
}

}  // namespace

MachineVerbs::MachineVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group =
      app.add_subcommand("machine", "Machines behind the gate: add, list, show, remove")->require_subcommand(1);

  CLI::App* verb = group->add_subcommand("add", "Register a machine, or replace what is registered under its name");
  verb->add_option("NAME", name_, "Name, as requests and policies call it")->required();
  verb->add_option("--address", addresses_, "IPv4 or IPv6 address or block it has; repeat for more")->required();
  verb->add_option("--os", os_, "linux or windows");
  verb->add_option("--forward", forwards_, "PUBLIC:PORT=PORT[/udp]: a DNAT in front of it, as 203.0.113.5:2222=22");
  verb->add_option("--id", id_, "Azure resource id; made from the name if left out");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { add(desk); }; });

  verb = group->add_subcommand("list", "All machines, and whether a policy guards them");
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
  json forwards = json::array();
  for (const std::string& word : forwards_) {
    const ForwardWord forward = forward_word(word);
    forwards.push_back({{"address", forward.address},
                        {"port", forward.port},
                        {"protocol", forward.protocol},
                        {"machinePort", forward.machine_port}});
  }
  if (!forwards.empty()) body["forwards"] = forwards;
  const Answer answer = desk.gate.call("PUT", target_of(name_), &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Machine " + name_ + " is registered with " + text_of(answer.body, "addresses") + ".");
  if (ports_text(answer.body).empty())
    desk.out.line("Nothing of it is guarded yet. Guard its SSH with: postern policy enable " + name_ + " --port 22");
}

void MachineVerbs::list(const Desk& desk) const {
  const json body = desk.gate.get("/v1/machines");
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

void MachineVerbs::remove(const Desk& desk) const {
  const Answer answer = desk.gate.call("DELETE", target_of(name_));
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Machine " + name_ + " is forgotten.");
}

}  // namespace postern::cli
