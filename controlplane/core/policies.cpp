// SPDX-License-Identifier: Apache-2.0
// Policies: shown, put as a whole, removed; and what that does to running grants.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

Error no_such_policy(const PolicyId& id) {
  return {ErrorCode::policy_not_found, "There is no policy '" + id.path() + "'.", "", {}};
}

bool selected(const PolicyId& id, const PolicyFilter& filter) {
  const auto same = [](const std::string& wanted, const std::string& is) {
    return wanted.empty() || same_folded(wanted, is);
  };
  return same(filter.subscription, id.subscription) && same(filter.resource_group, id.resource_group) &&
         same(filter.location, id.location);
}

std::string scope_of(const PolicyFilter& filter) {
  if (filter.subscription.empty()) return "/";
  const auto scope = "/subscriptions/" + filter.subscription;
  return filter.resource_group.empty() ? scope : scope + "/resourceGroups/" + filter.resource_group;
}

std::vector<std::string> machines_of(const Policy& policy) {
  std::vector<std::string> ids;
  for (const auto& machine : policy.machines) ids.push_back(machine.machine_id);
  return ids;
}

std::string described(const Policy& policy) {
  std::size_t ports = 0;
  std::size_t standing = 0;
  for (const auto& machine : policy.machines) {
    ports += machine.ports.size();
    for (const auto& rule : machine.ports) standing += rule.standing.size();
  }
  const auto always = standing ? ", " + std::to_string(standing) + " standing source(s)" : "";
  return std::to_string(policy.machines.size()) + " machine(s), " + std::to_string(ports) + " port rule(s)" + always +
         (policy.mode == Mode::monitor ? ", monitored only." : ".");
}

// The serial stays as long as nobody loses what it admits: flows carry it, and end with it.
void number_standing(const Policy* before, Policy& policy, std::uint64_t& last_serial) {
  for (auto& machine : policy.machines) {
    for (auto& rule : machine.ports) {
      if (rule.standing.empty()) continue;
      const auto* old = before ? find_rule(*before, machine.machine_id, rule.number) : nullptr;
      const bool keeps = old && !old->standing.empty() &&
                         (rule.protocol == old->protocol || rule.protocol == Protocol::any) &&
                         std::all_of(old->standing.begin(), old->standing.end(),
                                     [&](const Source& source) { return covers(rule.standing, source); });
      rule.standing_serial = keeps ? old->standing_serial : ++last_serial;
    }
  }
}

// A running grant ends, and its connections last, as its rule says now.
Grant under_rule(const Policy& policy, const Grant& grant) {
  Grant ruled = grant;
  if (const auto* rule = find_rule(policy, grant.machine_id, grant.port)) {
    ruled.ending = rule->ending;
    ruled.max_session = rule->max_session;
  }
  return ruled;
}

std::string changed_grant(const Grant& before, const Grant& after) {
  std::vector<std::string> parts;
  if (before.ending != after.ending) parts.push_back("ends by " + std::string(wire_name(after.ending)));
  if (before.max_session != after.max_session) {
    parts.push_back(after.max_session.count() == 0
                        ? "has connections of any length"
                        : "has connections of at most " + format_duration(after.max_session));
  }
  return "grant " + std::to_string(before.serial) + " " + joined(parts);
}

// What the grant's person opened before he renewed it goes over to the grant, and ends with it.
void cut_renewed(const Ledger& ledger, const Grant& grant, ChangeSet& change) {
  const auto& requestor = ledger.request(grant.request).requestor;
  for (const auto* other : ledger.neighbours(grant)) {
    const bool renewed = other->end_reason == EndReason::replaced && other->ending == Ending::drain &&
                         other->sources == grant.sources && ledger.request(other->request).requestor == requestor;
    if (!renewed) continue;
    change.put_grants.push_back(*other);
    change.put_grants.back().ending = Ending::cut;
  }
}

}  // namespace

// A policy opens the machines it names: whoever adds one needs the right over that machine too, or the admin of one
// group would let himself in to another's. What stands in the policy already may stay and be changed.
std::optional<Error> Gatekeeper::Parts::may_not_name(const Caller& caller, const Policy* before,
                                                     const Policy& policy) const {
  for (const auto& machine : policy.machines) {
    if (before && core::find_machine(*before, machine.machine_id)) continue;
    if (auto error = forbidden(caller, actions::policy_write, machine.machine_id)) return error;
  }
  return std::nullopt;
}

std::optional<Error> Gatekeeper::Parts::names_excluded(const Policy* before, const Policy& policy) const {
  Faults faults;
  for (std::size_t i = 0; i < policy.machines.size(); ++i) {
    const auto* machine = ledger.machine(policy.machines[i].machine_id);
    if (!machine || machine->excluded.empty() || (before && core::find_machine(*before, machine->id))) continue;
    faults.add(indexed("properties.virtualMachines", i), excluded_text(*machine));
  }
  if (!faults.any()) return std::nullopt;
  return faults.as_error(ErrorCode::conflict, "The policy was not put");
}

std::string Gatekeeper::Parts::replace(const Policy* before, Policy& policy, Decision& decision, ChangeSet& change) {
  std::vector<std::uint64_t> ended;
  std::vector<std::string> changes;
  if (before) {
    policy.id = before->id;  // in the spelling under which it was created
    policy.generation = before->generation;
    const auto ending = ending_under(*before, policy);
    for (const auto* grant : ledger.unended_under(*before)) {
      const auto now_ruled = under_rule(policy, *grant);
      const bool changed = now_ruled.ending != grant->ending || now_ruled.max_session != grant->max_session;
      const bool ends = ending.contains(grant->serial);
      if (ends) {
        ended.push_back(grant->serial);
        decision.machines.push_back(grant->machine_id);
        end(now_ruled, EndReason::policy_removed, decision.caller.principal.name, clock.now().utc, change);
      } else if (changed) {
        changes.push_back(changed_grant(*grant, now_ruled));
        change.put_grants.push_back(now_ruled);
      }
      if (changed || ends) decision.grants.push_back(grant->serial);
      if (!grant->waits() && now_ruled.ending == Ending::cut && grant->ending == Ending::drain) cut_renewed(ledger, *grant, change);
    }
  } else {
    policy.generation = ++last_generation;
  }
  auto detail = (before ? "Replaced: " : "Created: ") + described(policy);
  if (before && before->mode != policy.mode) {
    detail += policy.mode == Mode::monitor ? " Only monitors from now on." : " Enforces from now on.";
  }
  if (!ended.empty()) detail += " Ends grant " + joined(ended) + ", which the policy no longer allows.";
  if (!changes.empty()) detail += " From now on " + joined(changes) + ".";
  number_standing(before, policy, last_serial);
  change.put_policies.push_back(policy);
  return detail;
}

Result<PolicyView> Gatekeeper::get_policy(const Caller& caller, const PolicyId& id) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "policy.get", actions::policy_read, id.path())) return *error;
  const auto* policy = p.ledger.policy(id);
  if (!policy) return no_such_policy(id);
  return p.view_of(*policy);
}

Result<std::vector<PolicyView>> Gatekeeper::list_policies(const Caller& caller, const PolicyFilter& filter) {
  auto& p = *parts_;
  // Whoever may read some policies sees those; only who may read none at all is refused.
  if (!p.allows_anywhere(caller.principal, actions::policy_read)) {
    if (auto error = p.refused_read(caller, "policy.list", actions::policy_read, scope_of(filter))) return *error;
  }
  std::vector<PolicyView> views;
  for (const auto& [key, policy] : p.ledger.policies()) {
    if (selected(policy.id, filter) && p.allows(caller.principal, actions::policy_read, policy.id.path())) {
      views.push_back(p.view_of(policy));
    }
  }
  return views;
}

Result<PolicyView> Gatekeeper::put_policy(const Caller& caller, const PolicyId& id, const PolicyDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "policy.put", id.path()};
  if (auto error = p.forbidden(caller, actions::policy_write, id.path())) return p.refuse(decision, *error);
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  const auto* before = p.ledger.policy(id);
  auto policy = read_policy(id, draft, before);
  if (!policy) return p.refuse(decision, policy.error());
  decision.machines = machines_of(*policy);

  if (auto error = p.may_not_name(caller, before, *policy)) return p.refuse(decision, *error);
  if (auto error = p.names_excluded(before, *policy)) return p.refuse(decision, *error);
  if (before) {
    for (auto& machine : machines_of(*before)) decision.machines.push_back(std::move(machine));  // also those whose ports it opens
  }
  ChangeSet change;
  auto detail = p.replace(before, *policy, decision, change);
  change.audit.push_back(p.record(decision, Outcome::allowed, std::move(detail)));

  if (auto recorded = p.commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return p.refuse(decision, recorded.error());
  }
  if (auto error = p.not_in_force()) return *error;
  return p.view_of(*p.ledger.policy(id));
}

Result<bool> Gatekeeper::erase_policy(const Caller& caller, const PolicyId& id) {
  auto& p = *parts_;
  Decision decision{caller, "policy.delete", id.path()};
  if (auto error = p.forbidden(caller, actions::policy_delete, id.path())) return p.refuse(decision, *error);
  const auto* policy = p.ledger.policy(id);
  ChangeSet change;
  std::string detail = "There was no such policy.";
  if (policy) {
    decision.machines = machines_of(*policy);
    for (const auto* grant : p.ledger.unended_under(*policy)) {
      decision.grants.push_back(grant->serial);
      p.end(*grant, EndReason::policy_removed, caller.principal.name, p.clock.now().utc, change);
    }
    detail = "Removed: " + described(*policy);
    if (!decision.grants.empty()) detail += " Ends grant " + joined(decision.grants) + ".";
    change.erase_policies.push_back(policy->id);
  }
  change.audit.push_back(p.record(decision, Outcome::allowed, std::move(detail)));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;
  return change.erase_policies.size() == 1;
}

}  // namespace postern::core
