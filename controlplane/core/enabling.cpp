// SPDX-License-Identifier: Apache-2.0
// Guarding machines in one step, and taking them out again: what a policy would say for them, written by us.
#include <algorithm>
#include <set>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::string_view policy_name = "default";
constexpr std::string_view longest_time = "PT3H";
constexpr std::string_view not_possible = "The machines cannot be enabled";

struct Member {
  std::size_t index;  // in the draft
  const Machine* machine;
};
using Groups = std::map<std::string, std::pair<PolicyId, std::vector<Member>>>;  // by the key of its policy

Groups grouped(const std::vector<const Machine*>& machines, const std::string& location) {
  Groups groups;
  for (std::size_t i = 0; i < machines.size(); ++i) {
    if (!machines[i]) continue;
    const auto id = parse_machine_id(machines[i]->id).value_or(MachineId{});
    const PolicyId policy{id.subscription, id.resource_group, location, std::string(policy_name)};
    auto& group = groups.try_emplace(policy.key(), policy, std::vector<Member>{}).first->second;
    group.second.push_back({i, machines[i]});
  }
  return groups;
}

PortDraft preset_port(std::uint16_t number) {
  PortDraft port;
  port.number = std::to_string(number);
  port.protocol = std::string(wire_name(Protocol::tcp));
  port.max_duration = std::string(longest_time);
  return port;
}

std::vector<PortDraft> preset_ports(const Machine& machine, bool recommended, const Settings& settings) {
  std::vector<PortDraft> ports;
  if (recommended) {
    for (const auto number : settings.recommended_ports) ports.push_back(preset_port(number));
  } else {
    ports.push_back(preset_port(machine.os == "windows" ? 3389 : 22));
  }
  return ports;
}

// A preset leaves a port alone that some policy has a rule for: that one may be narrower, and two of them would make
// every request say which it means.
std::vector<PortDraft> without_ruled(std::vector<PortDraft> ports, const Machine& machine, const Ledger& ledger) {
  for (const auto* policy : ledger.policies_naming(machine.id)) {
    std::erase_if(ports, [&](const PortDraft& port) {
      const auto number = parse_digits(*port.number, 5).value_or(0);
      const auto* rule = find_rule(*policy, machine.id, static_cast<std::uint16_t>(number));
      return rule && overlap(rule->protocol, Protocol::tcp);
    });
  }
  return ports;
}

// The reader of policies has the places of its own body: "properties.virtualMachines[0].ports[1].number".
void add_in_own_places(const Error& error, std::set<std::pair<std::string, std::string>>& told, Faults& faults) {
  for (const auto& fault : error.faults) {
    auto target = fault.target;
    for (const auto* end : {"].", "properties."}) {
      if (const auto at = target.find(end); at != std::string::npos) {
        target.erase(0, at + std::string_view(end).size());
        break;
      }
    }
    if (told.insert({target, fault.message}).second) faults.add(target, fault.message);
  }
}

void merge(PolicyMachine machine, Policy& policy) {
  const auto same = [&](const PolicyMachine& each) { return folded(each.machine_id) == folded(machine.machine_id); };
  const auto found = std::find_if(policy.machines.begin(), policy.machines.end(), same);
  if (found == policy.machines.end()) {
    policy.machines.push_back(std::move(machine));
    return;
  }
  for (auto& rule : machine.ports) {
    std::erase_if(found->ports, [&](const PortRule& each) { return each.number == rule.number; });
    found->ports.push_back(std::move(rule));
  }
}

std::vector<std::string> ids_of(const std::vector<const Machine*>& machines) {
  std::vector<std::string> ids;
  for (const auto* machine : machines) {
    if (machine) ids.push_back(machine->id);
  }
  return ids;
}

}  // namespace

Result<std::vector<const Machine*>> Gatekeeper::Parts::find_machines(const Caller& caller,
                                                                     const std::vector<std::string>& named,
                                                                     Faults& faults) const {
  std::vector<const Machine*> machines;
  if (named.empty()) faults.missing("machines");
  if (named.size() > inventory_machines_max) {
    return Error{ErrorCode::invalid_input,
                 "There are more than " + std::to_string(inventory_machines_max) + " machines, too many for one call.",
                 "machines",
                 {}};
  }
  for (std::size_t i = 0; i < named.size(); ++i) {
    machines.push_back(nullptr);
    const auto found = find_machine(caller, actions::policy_write, named[i]);
    if (!found) {
      if (found.error().code == ErrorCode::authorization_failed) return found.error();
      faults.add(indexed("machines", i), found.error().message);
    } else if (std::find(machines.begin(), machines.end(), *found) == machines.end()) {
      machines.back() = *found;
    } else {
      faults.add(indexed("machines", i), "The machine " + in_quotes((*found)->name) + " stands there twice.");
    }
  }
  return machines;
}

Result<std::vector<MachineView>> Gatekeeper::Parts::carry_out(const Decision& decision, const ChangeSet& change,
                                                              const std::vector<const Machine*>& machines) {
  if (auto recorded = commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return refuse(decision, recorded.error());
  }
  if (auto error = not_in_force()) return *error;
  std::vector<MachineView> views;
  for (const auto* machine : machines) views.push_back(view_of(*machine));
  return views;
}

Result<std::vector<MachineView>> Gatekeeper::enable_machines(const Caller& caller, const EnableDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "machine.enable"};
  if (!p.allows_anywhere(caller.principal, actions::policy_write)) {
    return p.refuse(decision, p.lacks(caller, actions::policy_write, "/"));
  }
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  Faults faults(draft.faults);
  const auto machines = p.find_machines(caller, draft.machines, faults);
  if (!machines) return p.refuse(decision, machines.error());
  decision.machines = ids_of(*machines);
  const auto groups = grouped(*machines, p.settings.location);
  for (const auto& [key, group] : groups) {
    if (auto error = p.forbidden(caller, actions::policy_write, group.first.path())) return p.refuse(decision, *error);
    Policy named{group.first, 0, "", {}, {}};
    for (const auto& member : group.second) named.machines.push_back({member.machine->id, {}, ""});
    if (auto error = p.may_not_name(caller, p.ledger.policy(group.first), named)) return p.refuse(decision, *error);
  }

  const bool recommended = draft.preset && folded(*draft.preset) == "recommended";
  if (draft.preset && !recommended && folded(*draft.preset) != "default") {
    faults.add("ports", in_quotes(*draft.preset) + R"( is neither "default" nor "recommended" nor a list of rules.)");
  }
  ChangeSet change;
  std::set<std::pair<std::string, std::string>> told;
  for (const auto& [key, group] : groups) {
    const auto* before = p.ledger.policy(group.first);
    PolicyDraft asked;
    asked.mode = draft.mode;
    for (const auto& [index, machine] : group.second) {
      const auto place = indexed("machines", index);
      if (!machine->excluded.empty()) {
        faults.add(place, excluded_text(*machine));
      } else if (machine->addresses.empty() && machine->forwards.empty()) {
        faults.add(place, "The machine " + in_quotes(machine->name) + " has no address, so there is nothing to guard: register it with its addresses.");
      } else if (draft.preset && !recommended && machine->os.empty()) {
        faults.add(place, "The operating system of " + in_quotes(machine->name) + " is not known, so neither are its usual ports: register it as linux or windows, or name the ports.");
      }
      auto ports = draft.preset ? without_ruled(preset_ports(*machine, recommended, p.settings), *machine, p.ledger)
                                : draft.ports;
      if (!ports.empty()) asked.machines.push_back({machine->id, std::nullopt, std::move(ports)});
    }
    if (asked.machines.empty()) continue;
    auto read = read_policy(group.first, asked, before);
    if (!read) {
      add_in_own_places(read.error(), told, faults);
      continue;
    }
    if (before && before->mode != read->mode) {
      faults.add("mode", "The policy '" + before->id.path() + "' is in mode " + std::string(wire_name(before->mode)) +
                             ", and so are its other machines: leave the mode out, or change it for all of them with "
                             "`postern policy " + std::string(wire_name(read->mode)) + "`.");
    }
    if (faults.any()) continue;
    Decision own{caller, decision.operation, group.first.path()};
    Policy policy = before ? *before : *read;
    if (!before) policy.machines.clear();
    for (auto& machine : read->machines) {
      own.machines.push_back(machine.machine_id);
      merge(std::move(machine), policy);
    }
    auto detail = p.replace(before, policy, own, change);
    change.audit.push_back(p.record(own, Outcome::allowed, std::move(detail)));
  }
  if (faults.any()) return p.refuse(decision, faults.as_error(ErrorCode::invalid_input, not_possible));
  if (change.audit.empty()) {
    change.audit.push_back(p.record(decision, Outcome::allowed, "Policies have rules for these ports already; nothing was changed."));
  }
  return p.carry_out(decision, change, *machines);
}

Result<std::vector<MachineView>> Gatekeeper::disable_machines(const Caller& caller, const DisableDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "machine.disable"};
  if (!p.allows_anywhere(caller.principal, actions::policy_write)) {
    return p.refuse(decision, p.lacks(caller, actions::policy_write, "/"));
  }
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  Faults faults(draft.faults);
  const auto machines = p.find_machines(caller, draft.machines, faults);
  if (!machines) return p.refuse(decision, machines.error());
  decision.machines = ids_of(*machines);
  std::map<std::string, std::set<std::string>> leaving;  // policy → machines
  for (const auto* machine : *machines) {
    if (!machine) continue;
    for (const auto* policy : p.ledger.policies_naming(machine->id)) {
      if (auto error = p.forbidden(caller, actions::policy_write, policy->id.path())) return p.refuse(decision, *error);
      leaving[policy->id.key()].insert(folded(machine->id));
    }
  }
  if (faults.any()) return p.refuse(decision, faults.as_error(ErrorCode::invalid_input, "The machines cannot be disabled"));
  ChangeSet change;
  for (const auto& [key, gone] : leaving) {
    const auto& before = p.ledger.policies().at(key);
    Decision own{caller, decision.operation, before.id.path()};
    Policy policy = before;
    std::erase_if(policy.machines, [&](const PolicyMachine& machine) {
      const bool leaves = gone.contains(folded(machine.machine_id));
      if (leaves) own.machines.push_back(machine.machine_id);
      return leaves;
    });
    auto detail = p.replace(&before, policy, own, change);
    change.audit.push_back(p.record(own, Outcome::allowed, std::move(detail)));
  }
  if (change.audit.empty()) {
    change.audit.push_back(p.record(decision, Outcome::allowed, "No policy names them; nothing was changed."));
  }
  return p.carry_out(decision, change, *machines);
}

}  // namespace postern::core
