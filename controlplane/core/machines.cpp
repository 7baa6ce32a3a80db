// SPDX-License-Identifier: Apache-2.0
// The inventory: machines shown, put and erased. Policies may name machines that are not here; their ports are guarded
// from the moment they are registered.
#include <algorithm>
#include <set>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

// The id that a draft is about, before anything is known to be well formed: what authorisation is asked for.
std::string scope_of(const MachineDraft& draft, const Settings& settings) {
  if (draft.id) return draft.id->starts_with("/") ? *draft.id : "/";
  return MachineId{settings.subscription, settings.resource_group, draft.name.value_or("")}.path();
}

constexpr std::string_view cannot_be_told = "The machine cannot be told from another one";
constexpr std::string_view not_possible = "The machines cannot be registered so";
constexpr std::string_view not_valid = "The machines are not valid";

Error no_such_machine(std::string_view name_or_id) {
  return {ErrorCode::machine_not_found, "There is no machine " + in_quotes(name_or_id) + ".", "", {}};
}

// What keeps the gate from seeing packets to the address, and what to do; empty: nothing that we know of.
std::string unreached(const Prefix& address, const Route& route) {
  if (route.reach == Reach::none) {
    return "This gateway has no route to " + to_string(address) +
           ", so nothing that it guards leads there: give it one, or correct the address.";
  }
  if (route.reach == Reach::outside) {
    return to_string(address) + " is routed out of " + route.interface +
           ", which the gate guards, so whoever is out there reaches it past the gate: put the machine behind this "
           "gateway and route it there, or correct the address.";
  }
  return "";
}

bool selected(const MachineView& view, const MachineFilter& filter) {
  const auto same = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || folded(wanted) == folded(is);
  };
  const auto id = parse_machine_id(view.machine.id).value_or(MachineId{});
  return same(filter.state, view.state) && same(filter.subscription, id.subscription) &&
         same(filter.resource_group, id.resource_group);
}

}  // namespace

std::string excluded_text(const Machine& machine) {
  return "The machine " + in_quotes(machine.name) + " is excluded from being guarded: " + in_quotes(machine.excluded) +
         ". Whoever may change machines can take that back (postern machine include).";
}

MachineView Gatekeeper::Parts::view_of(const Machine& machine) const {
  MachineView view{machine, "not_configured", "", {}, {}, false};
  for (const auto* policy : ledger.policies_naming(machine.id)) {
    view.policies.push_back(policy->id);
    if (const auto* off = ledger.switched_off(policy->id); off && policy->mode == Mode::enforce) {
      view.reason = std::string("It is only monitored: the ") + (off->subscription.empty() ? "global" : "subscription's") +
                    " switch is off, because " + in_quotes(off->reason) + ".";
    }
    for (const auto& named : policy->machines) {
      if (!same_folded(named.machine_id, machine.id)) continue;
      view.ports.insert(view.ports.end(), named.ports.begin(), named.ports.end());
    }
  }
  std::stable_sort(view.ports.begin(), view.ports.end(),
                   [](const PortRule& a, const PortRule& b) { return a.number < b.number; });
  if (!view.policies.empty()) view.state = "configured";
  if (machine.addresses.empty() && machine.forwards.empty()) {
    view.state = "unsupported";
    view.reason = "It has no address, so there is nothing to guard: register it with its addresses or forwards.";
  }
  std::size_t lost = 0;
  for (const auto& address : machine.addresses) {
    const auto why = unreached(address, dataplane.route_to(address));
    if (why.empty()) continue;
    ++lost;
    if (view.reason.empty()) view.reason = why;
  }
  if (lost > 0 && lost == machine.addresses.size() && machine.forwards.empty()) view.state = "unsupported";
  if (auto why = exposure_of(machine); view.state == "not_configured" && !why.empty() && machine.excluded.empty()) {
    view.recommended = true;
    view.reason = std::move(why);
  }
  if (!machine.excluded.empty()) {
    view.state = "unsupported";
    view.reason = excluded_text(machine);
  }
  return view;
}

// By id, or by a name that only one of the machines has that the caller may know of.
Result<const Machine*> Gatekeeper::Parts::find_machine(const Caller& caller, std::string_view action,
                                                       std::string_view name_or_id) const {
  const auto& who = caller.principal;
  const auto unknown = [&]() {
    if (name_or_id.starts_with("/") ? allows(who, action, name_or_id) : allows_anywhere(who, action)) {
      return no_such_machine(name_or_id);
    }
    return lacks(caller, action, name_or_id.starts_with("/") ? name_or_id : "/");
  };
  const auto may_know = [&](const Machine& machine) {
    return allows(who, action, machine.id) || allows(who, actions::machine_read, machine.id);
  };
  if (const auto* machine = ledger.machine(name_or_id)) {
    if (may_know(*machine)) return machine;
    return unknown();
  }
  const Machine* found = nullptr;
  for (const auto& [key, machine] : ledger.machines()) {
    if (!same_folded(machine.name, name_or_id) || !may_know(machine)) continue;
    if (found) {
      return Error{ErrorCode::conflict,
                   "Several machines are called " + in_quotes(name_or_id) + ": '" + found->id + "' and '" + machine.id +
                       "'; use the id.",
                   "",
                   {}};
    }
    found = &machine;
  }
  if (!found) return unknown();
  return found;
}

// Two machines with one address or forward could not be told apart on the wire: whoever is let in to one would be in
// the other.
void Gatekeeper::Parts::add_collisions(const Caller& caller, const Machine& machine,
                                       const std::map<std::string, Machine>& all, Faults& faults) const {
  const auto own_key = folded(machine.id);
  for (const auto& [key, other] : all) {
    if (key == own_key) continue;
    const auto whose = [&] {
      return allows(caller.principal, actions::machine_read, other.id) ? "'" + other.id + "'"
                                                                       : std::string("another machine");
    };
    for (std::size_t i = 0; i < machine.addresses.size(); ++i) {
      const auto& address = machine.addresses[i];
      const bool taken = std::any_of(other.addresses.begin(), other.addresses.end(), [&](const Prefix& theirs) {
        return theirs.contains(address) || address.contains(theirs);
      });
      if (taken) {
        faults.add(indexed("addresses", i),
                   in_quotes(to_string(address)) + " is, or shares, an address of " + whose() + ".");
      }
    }
    for (std::size_t i = 0; i < machine.forwards.size(); ++i) {
      const auto& mine = machine.forwards[i];
      const bool taken = std::any_of(other.forwards.begin(), other.forwards.end(), [&](const Forward& theirs) {
        return mine.address == theirs.address && mine.port == theirs.port && mine.protocol == theirs.protocol;
      });
      if (taken) faults.add(indexed("forwards", i), "This public address and port lead to " + whose() + ".");
    }
  }
}

// In the spelling it was registered with.
Machine Gatekeeper::Parts::as_registered(Machine machine, const MachineDraft& draft) const {
  if (const auto* before = ledger.machine(machine.id)) {
    machine.id = before->id;
    machine.name = before->name;
    if (!draft.excluded) machine.excluded = before->excluded;
  }
  return machine;
}

// Its ports would stand open, as with one that is erased.
std::optional<std::string> Gatekeeper::Parts::cannot_exclude(const Machine& machine) const {
  const auto* before = ledger.machine(machine.id);
  if (machine.excluded.empty() || (before && !before->excluded.empty())) return std::nullopt;
  std::vector<std::string> names;
  for (const auto* policy : ledger.policies_naming(machine.id)) names.push_back("'" + policy->id.path() + "'");
  if (names.empty()) return std::nullopt;
  return "The machine " + in_quotes(machine.name) + " stands in policy " + joined(names) +
         ". Take it out there first (postern policy disable); then its ports are no longer guarded.";
}

AuditRecord Gatekeeper::Parts::registered(const Caller& caller, const Machine& machine) const {
  std::vector<std::string> addresses;
  for (const auto& address : machine.addresses) addresses.push_back(to_string(address));
  const Decision decision{caller, "machine.put", "", {machine.id}, {}};
  return record(decision, Outcome::allowed,
                (ledger.machine(machine.id) ? "Changed: " : "Registered: ") +
                    (addresses.empty() ? "no address" : joined(addresses)) + ", " +
                    std::to_string(machine.forwards.size()) + " forward(s)." +
                    (machine.excluded.empty() ? "" : " Excluded: " + in_quotes(machine.excluded) + "."));
}

Result<std::vector<MachineView>> Gatekeeper::list_machines(const Caller& caller, const MachineFilter& filter) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::machine_read)) {
    if (auto error = p.refused_read(caller, "machine.list", actions::machine_read, "/")) return *error;
  }
  std::vector<MachineView> views;
  for (const auto& [key, machine] : p.ledger.machines()) {
    if (!p.allows(caller.principal, actions::machine_read, machine.id)) continue;
    if (auto view = p.view_of(machine); selected(view, filter)) views.push_back(std::move(view));
  }
  return views;
}

Result<MachineView> Gatekeeper::get_machine(const Caller& caller, std::string_view name_or_id) {
  auto& p = *parts_;
  const auto machine = p.find_machine(caller, actions::machine_read, name_or_id);
  if (!machine) {
    if (machine.error().code != ErrorCode::authorization_failed) return machine.error();
    return p.refuse({caller, "machine.get"}, machine.error());
  }
  if (auto error = p.refused_read(caller, "machine.get", actions::machine_read, (*machine)->id)) return *error;
  return p.view_of(**machine);
}

Result<MachineView> Gatekeeper::put_machine(const Caller& caller, const MachineDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "machine.put"};
  if (auto error = p.forbidden(caller, actions::machine_write, scope_of(draft, p.settings))) {
    return p.refuse(decision, *error);
  }
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  auto machine = read_machine(draft, p.settings);
  if (!machine) return p.refuse(decision, machine.error());
  *machine = p.as_registered(std::move(*machine), draft);
  decision.machines = {machine->id};
  if (const auto why = p.cannot_exclude(*machine)) return p.refuse(decision, {ErrorCode::conflict, *why, "excluded", {{*why, "excluded"}}});
  Faults collisions;
  p.add_collisions(caller, *machine, p.ledger.machines(), collisions);
  if (collisions.any()) return p.refuse(decision, collisions.as_error(ErrorCode::conflict, cannot_be_told));

  ChangeSet change;
  change.put_machines.push_back(*machine);
  change.audit.push_back(p.registered(caller, *machine));
  if (auto recorded = p.commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return p.refuse(decision, recorded.error());
  }
  if (auto error = p.not_in_force()) return *error;
  return p.view_of(*p.ledger.machine(machine->id));
}

Result<std::vector<MachineView>> Gatekeeper::put_machines(const Caller& caller, const InventoryDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "machine.import"};
  for (const auto& each : draft.machines) {
    if (auto error = p.forbidden(caller, actions::machine_write, scope_of(each, p.settings)))
      return p.refuse(decision, *error);
  }
  if (draft.machines.empty() && !p.allows_anywhere(caller.principal, actions::machine_write))
    return p.refuse(decision, p.lacks(caller, actions::machine_write, "/"));
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  Faults faults(draft.faults);
  if (draft.machines.empty()) faults.missing("machines");
  if (draft.machines.size() > inventory_machines_max) {
    faults.add("machines", "There are more than " + std::to_string(inventory_machines_max) + " machines, too many for one call.");
    return p.refuse(decision, faults.as_error(ErrorCode::invalid_machine_input, not_valid));
  }
  std::vector<Machine> machines;
  std::set<std::string> keys;
  for (std::size_t i = 0; i < draft.machines.size(); ++i) {
    const auto place = indexed("machines", i);
    auto machine = read_machine(draft.machines[i], p.settings);
    if (!machine) {
      faults.add_below(place, machine.error().faults);
      continue;
    }
    machines.push_back(p.as_registered(std::move(*machine), draft.machines[i]));
    if (!keys.insert(folded(machines.back().id)).second)
      faults.add(place, "The machine " + in_quotes(machines.back().id) + " stands there twice.");
  }
  if (faults.any()) return p.refuse(decision, faults.as_error(ErrorCode::invalid_machine_input, not_valid));

  auto all = p.ledger.machines();
  for (const auto& machine : machines) all[folded(machine.id)] = machine;
  for (std::size_t i = 0; i < machines.size(); ++i) {
    Faults collisions;
    p.add_collisions(caller, machines[i], all, collisions);
    if (const auto why = p.cannot_exclude(machines[i])) collisions.add("excluded", *why);
    faults.add_below(indexed("machines", i), collisions.list());
  }
  for (const auto& machine : machines) decision.machines.push_back(machine.id);
  if (faults.any()) return p.refuse(decision, faults.as_error(ErrorCode::conflict, not_possible));

  ChangeSet change;
  for (const auto& machine : machines) change.audit.push_back(p.registered(caller, machine));
  change.put_machines = machines;
  if (auto recorded = p.commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return p.refuse(decision, recorded.error());
  }
  if (auto error = p.not_in_force()) return *error;
  std::vector<MachineView> views;
  for (const auto& machine : machines) views.push_back(p.view_of(*p.ledger.machine(machine.id)));
  return views;
}

// Refused while a policy names it: the gate would stop guarding the machine's ports, and nobody who tidies an
// inventory expects that to open them. Taking it out of the policy says so.
Result<bool> Gatekeeper::erase_machine(const Caller& caller, std::string_view name_or_id) {
  auto& p = *parts_;
  Decision decision{caller, "machine.delete"};
  const auto machine = p.find_machine(caller, actions::machine_delete, name_or_id);
  if (!machine) {
    if (machine.error().code != ErrorCode::machine_not_found) return p.refuse(decision, machine.error());
  } else {
    decision.machines = {(*machine)->id};
    if (auto error = p.forbidden(caller, actions::machine_delete, (*machine)->id)) return p.refuse(decision, *error);
    std::vector<std::string> names;
    for (const auto* policy : p.ledger.policies_naming((*machine)->id)) names.push_back("'" + policy->id.path() + "'");
    if (!names.empty()) {
      return p.refuse(decision, {ErrorCode::conflict,
                                 "The machine " + in_quotes((*machine)->name) + " stands in policy " + joined(names) +
                                     ". Take it out there first; then its ports are no longer guarded.",
                                 "",
                                 {}});
    }
  }
  ChangeSet change;
  if (machine) change.erase_machines.push_back((*machine)->id);
  change.audit.push_back(
      p.record(decision, Outcome::allowed, machine ? "Erased." : no_such_machine(name_or_id).message));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;
  return machine.has_value();
}

}  // namespace postern::core
