// SPDX-License-Identifier: Apache-2.0
// postern policy: which ports of which machines are shut, and what may be asked for. Bodies are Azure's
// jitNetworkAccessPolicies; machines may be called by name in them. The daemon judges every rule.
#include "tools/postern/input_file.hpp"
#include "tools/postern/policy_place.hpp"
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

// Machines called by name get the id they are registered with; names the gate does not know stay, and it says so.
void complete_ids(const GateClient& gate, json& policy) {
  if (!policy.contains("properties") || !policy["properties"].is_object()) return;
  json& properties = policy["properties"];
  if (!properties.contains("virtualMachines") || !properties["virtualMachines"].is_array()) return;
  for (json& machine : properties["virtualMachines"]) {
    const std::string id = text_of(machine, "id");
    if (!id.empty() && !id.starts_with('/')) machine["id"] = text_of(gate.get("/v1/machines/" + encoded(id)), "id");
  }
}

// A file says all of a policy; the daemon would keep what Azure's clients do not know and so leave out.
void complete_own_members(json& policy) {
  if (!policy.contains("properties") || !policy["properties"].is_object()) return;
  json& properties = policy["properties"];
  if (!properties.contains("mode")) properties["mode"] = "enforce";
  if (!properties.contains("virtualMachines") || !properties["virtualMachines"].is_array()) return;
  for (json& machine : properties["virtualMachines"]) {
    if (!machine.is_object() || !machine.contains("ports") || !machine["ports"].is_array()) continue;
    for (json& port : machine["ports"]) {
      if (!port.is_object()) continue;
      if (!port.contains("ending")) port["ending"] = "drain";
      if (!port.contains("standingSources")) port["standingSources"] = json::array();
      if (!port.contains("maxSessionDuration")) port["maxSessionDuration"] = "PT0S";
      if (!port.contains("justification")) port["justification"] = "optional";
      if (!port.contains("approval")) port["approval"] = "auto";
    }
  }
}

// The policy as the gate has it, to be changed and put again.
json policy_at(const GateClient& gate, const PolicyPlace& place) {
  json policy = gate.get(place.target());
  return {{"kind", policy["kind"]},
          {"properties", {{"virtualMachines", policy["properties"]["virtualMachines"]}}}};
}

PolicyPlace place_of(const json& policy, const PolicyPlace& home, const std::string& which) {
  if (!policy.is_object()) throw Failure(Exit::usage, which + " is no JSON object");
  if (const std::string id = text_of(policy, "id"); !id.empty()) return place_from_id(id);
  PolicyPlace place{text_of(policy, "subscription"), text_of(policy, "resourceGroup"), text_of(policy, "location"),
                    text_of(policy, "name")};
  if (place.name.empty()) throw Failure(Exit::usage, which + " has neither an \"id\" nor a \"name\"");
  if (place.subscription.empty()) place.subscription = home.subscription;
  if (place.resource_group.empty()) place.resource_group = home.resource_group;
  if (place.location.empty()) place.location = home.location;
  return place;
}

std::string sources_of(const json& port) {
  if (std::string many = text_of(port, "allowedSourceAddressPrefixes"); !many.empty()) return many;
  return text_of(port, "allowedSourceAddressPrefix");
}

std::string last_segment(const std::string& id) {
  return id.substr(id.rfind('/') + 1);
}

std::string rule_ending(const json& port) {
  const std::string ending = port.value("ending", "drain"), longest = text_of(port, "maxSessionDuration");
  return longest.empty() ? ending : ending + ", after " + longest;
}

void print_policies(const Printer& out, const json& policies) {
  std::vector<Row> rows;
  for (const json& policy : policies)
    for (const json& machine : policy.value("/properties/virtualMachines"_json_pointer, json::array()))
      for (const json& port : machine.value("ports", json::array()))
        rows.push_back({text_of(policy, "name"), last_segment(text_of(machine, "id")),
                        text_of(port, "number") + "/" + text_of(port, "protocol"),
                        policy["properties"].value("mode", "enforce"), text_of(port, "maxRequestAccessDuration"),
                        rule_ending(port), sources_of(port), text_of(port, "standingSources")});
  out.table({"POLICY", "MACHINE", "PORT", "MODE", "AT MOST", "SESSIONS", "SOURCES", "STANDING"}, rows,
            "No policies: nothing is guarded. Begin with: postern policy enable MACHINE");
}

void print_machines(const Printer& out, const json& body) {
  std::vector<Row> rows;
  for (const json& machine : body.value("machines", json::array())) {
    std::string ports;
    for (const json& port : machine.value("ports", json::array()))
      ports += (ports.empty() ? "" : ", ") + text_of(port, "number") + "/" + text_of(port, "protocol");
    rows.push_back({text_of(machine, "name"), ports, text_of(machine, "state"), text_of(machine, "reason")});
  }
  out.table({"MACHINE", "GUARDED PORTS", "STATE", ""}, rows, "No machines.");
}

}  // namespace

PolicyVerbs::PolicyVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group = app.add_subcommand("policy", "Policies: apply, enable, disable, monitor, enforce, get, list, delete")->require_subcommand(1);

  CLI::App* verb = group->add_subcommand(
      "apply",
      "Create or replace policies from a JSON file: one policy or a list of them, in Azure's form, each with\n"
      "an \"id\" or a \"name\" (and resourceGroup, location). A policy's machines are replaced as a whole.");
  verb->add_option("FILE", file_, "JSON file, - for standard input")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { apply(desk); }; });

  verb = group->add_subcommand(
      "enable",
      "Guard machines. Without --port their usual one (Linux 22, Windows 3389), or the --recommended four, for three\n"
      "hours at most, from any source, in the policy `default` of each one's resource group: all of them or none. With\n"
      "--port these ports of one machine. Its other ports and other machines in the policy stay as they are.\n"
      "WARNING: from then on these ports are shut to everybody without a grant. On a gate you reach through\n"
      "them, first attach with postern-loader --confirm-within.");
  verb->add_option("MACHINE", machines_, "Registered machines")->required();
  CLI::Option* port = verb->add_option("--port", ports_, "Port to guard: 22, 22/tcp, 53/udp, 3389/*; TCP if not said")->allow_extra_args(false);
  verb->add_flag("--recommended", recommended_, "SSH, RDP and WinRM: 22, 3389, 5985 and 5986")->excludes(port);
  verb->add_option("--max", longest_, "Longest time a request may ask for")->capture_default_str();
  verb->add_option("--source", sources_, "Address or block requests may name; any if left out");
  verb->add_option("--policy", policy_, "Name of the policy; the machine's name if left out");
  verb->add_option("--max-session", session_, "Longest life of one connection, as 8h; 0s: none");
  verb->add_option("--ending", ending_, "drain: open sessions outlive their grant; cut: they end with it");
  verb->add_option("--standing", standing_, "Address or block that may always come in, without a request");
  verb->add_option("--justification", justification_, "required: whoever asks must say why; optional");
  verb->add_option("--approval", approval_, "approve: somebody else must agree to each request; auto");
  verb->add_flag("--monitor", monitor_, "Only count and report what would be dropped; `policy enforce` shuts the ports");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { enable(desk); }; });

  verb = group->add_subcommand(
      "disable", "Take machines out of all policies: their ports are no longer guarded, and their grants end");
  verb->add_option("MACHINE", machines_, "Registered machines")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { disable(desk); }; });

  verb = group->add_subcommand(
      "monitor", "Let everything pass to this policy's ports, and count what would be dropped (status: monitored).\n"
                 "A port that another policy enforces stays shut");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { set_mode(desk, "monitor"); }; });

  verb = group->add_subcommand("enforce", "Shut this policy's ports to everybody without a grant");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { set_mode(desk, "enforce"); }; });

  verb = group->add_subcommand("get", "One policy with its requests");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { get(desk); }; });

  verb = group->add_subcommand("list", "All policies");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { list(desk); }; });

  verb = group->add_subcommand("delete", "Remove a policy and end its grants. Its ports are no longer guarded by it");
  verb->add_option("NAME", name_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { remove(desk); }; });
}

void PolicyVerbs::apply(const Desk& desk) const {
  json document = read_json(read_text(file_), file_);
  if (document.is_object() && document.contains("value") && document["value"].is_array()) document = document["value"];
  const bool is_list = document.is_array();
  json policies = is_list ? document : json::array({document});
  const PolicyPlace home = home_of(desk.gate);
  std::vector<PolicyPlace> places;  // every name is read before the first policy is sent
  for (std::size_t index = 0; index < policies.size(); ++index)
    places.push_back(place_of(policies[index], home, is_list ? "policy " + std::to_string(index) : "the policy"));

  json applied = json::array();
  for (std::size_t index = 0; index < policies.size(); ++index) {
    try {
      complete_ids(desk.gate, policies[index]);
      complete_own_members(policies[index]);
      applied.push_back(desk.gate.call("PUT", places[index].target(), &policies[index]).body);
    } catch (Failure& failure) {
      failure.message = "policy " + places[index].name + ": " + failure.message;
      if (!applied.empty())
        failure.hint = "the " + std::to_string(applied.size()) + " before it in the file are in force";
      throw;
    }
    desk.out.line("Policy " + places[index].name + " is in force.");
  }
  if (desk.out.json()) desk.out.document(is_list ? applied : applied[0]);
}

void PolicyVerbs::enable_in_one_step(const Desk& desk) const {
  json body = {{"machines", machines_}, {"ports", recommended_ ? "recommended" : "default"}};
  if (monitor_) body["mode"] = "monitor";
  const Answer answer = desk.gate.call("POST", "/v1/machines/enable", &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  print_machines(desk.out, answer.body);
}

void PolicyVerbs::disable(const Desk& desk) const {
  const json body = {{"machines", machines_}};
  const Answer answer = desk.gate.call("POST", "/v1/machines/disable", &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  print_machines(desk.out, answer.body);
}

void PolicyVerbs::enable(const Desk& desk) const {
  if (ports_.empty()) {
    const bool more = !sources_.empty() || !session_.empty() || !ending_.empty() || !standing_.empty() || !policy_.empty() || !justification_.empty() || !approval_.empty() || longest_ != default_longest;
    if (more) throw Failure(Exit::usage, "--max, --source, --policy, --max-session, --ending, --standing, --justification and --approval say more of a --port: name it");
    return enable_in_one_step(desk);
  }
  if (machines_.size() != 1) throw Failure(Exit::usage, "--port is for one machine; leave it out to guard several by their usual ports");
  const std::string& name = machines_.front();
  const std::string machine_id = text_of(desk.gate.get("/v1/machines/" + encoded(name)), "id");
  json rules = json::array();
  for (const std::string& word : ports_) {
    const PortWord port = port_word(word, "TCP");
    json rule = {
        {"number", port.number}, {"protocol", port.protocol}, {"maxRequestAccessDuration", iso_duration(longest_)}};
    if (!sources_.empty()) rule["allowedSourceAddressPrefixes"] = sources_;
    if (!session_.empty()) rule["maxSessionDuration"] = iso_duration(session_);
    if (!ending_.empty()) rule["ending"] = ending_;
    if (!standing_.empty()) rule["standingSources"] = standing_;
    if (!justification_.empty()) rule["justification"] = justification_;
    if (!approval_.empty()) rule["approval"] = approval_;
    rules.push_back(rule);
  }

  PolicyPlace place = home_of(desk.gate);
  place.name = policy_.empty() ? name : policy_;
  json policy = {{"kind", "Basic"}, {"properties", {{"virtualMachines", json::array()}}}};
  for (const json& each : desk.gate.get("/v1/policies").value("policies", json::array())) {
    const PolicyPlace there = place_from_id(text_of(each, "id"));
    if (there.target() == place.target())
      policy["properties"]["virtualMachines"] = each["properties"]["virtualMachines"];
  }
  json& machines = policy["properties"]["virtualMachines"];
  json* machine = nullptr;
  for (json& each : machines)
    if (CLI::detail::to_lower(text_of(each, "id")) == CLI::detail::to_lower(machine_id)) machine = &each;
  if (machine == nullptr) {
    machines.push_back({{"id", machine_id}, {"ports", json::array()}});
    machine = &machines.back();
  }
  for (const json& port : (*machine)["ports"]) {
    const bool replaced =
        std::any_of(rules.begin(), rules.end(), [&](const json& rule) { return rule["number"] == port["number"]; });
    if (!replaced) rules.push_back(port);
  }
  (*machine)["ports"] = rules;
  if (monitor_) policy["properties"]["mode"] = "monitor";
  const Answer answer = desk.gate.call("PUT", place.target(), &policy);
  if (desk.out.json()) return desk.out.document(answer.body);
  print_policies(desk.out, json::array({answer.body}));
}

void PolicyVerbs::set_mode(const Desk& desk, const char* mode) const {
  const PolicyPlace place = find_policy(desk.gate, name_);
  json policy = policy_at(desk.gate, place);
  policy["properties"]["mode"] = mode;
  const Answer answer = desk.gate.call("PUT", place.target(), &policy);
  if (desk.out.json()) return desk.out.document(answer.body);
  print_policies(desk.out, json::array({answer.body}));
}

void PolicyVerbs::get(const Desk& desk) const {
  const json policy = desk.gate.get(find_policy(desk.gate, name_).target());
  if (desk.out.json()) return desk.out.document(policy);
  print_policies(desk.out, json::array({policy}));
  std::vector<Row> rows;
  for (const json& request : policy.value("/properties/requests"_json_pointer, json::array()))
    for (const json& machine : request.value("virtualMachines", json::array()))
      for (const json& port : machine.value("ports", json::array()))
        rows.push_back({local_time(text_of(request, "startTimeUtc")), text_of(request, "requestor"),
                        last_segment(text_of(machine, "id")), text_of(port, "number"), sources_of(port),
                        local_time(text_of(port, "endTimeUtc")),
                        text_of(port, "status") + ", " + text_of(port, "statusReason")});
  desk.out.line("");
  desk.out.table({"ASKED", "BY", "MACHINE", "PORT", "SOURCE", "UNTIL", "STATUS"}, rows,
                 "No requests were made under it.");
}

void PolicyVerbs::list(const Desk& desk) const {
  const json body = desk.gate.get("/v1/policies");
  if (desk.out.json()) return desk.out.document(body);
  print_policies(desk.out, body.value("policies", json::array()));
}

void PolicyVerbs::remove(const Desk& desk) const {
  const PolicyPlace place = find_policy(desk.gate, name_);
  const Answer answer = desk.gate.call("DELETE", place.target());
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Policy " + place.name +
                (answer.status == 204 ? " was not there." : " is removed, its grants are over."));
}

}  // namespace postern::cli
