// SPDX-License-Identifier: Apache-2.0
// Grants: listed, and revoked by one person's leave. Closing is recorded first and then done; a closing that could not
// be done at once stays decided and is retried.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/drafts.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

bool is_machine(const std::string& machine_id, const std::string& name_or_id) {
  if (name_or_id.empty()) return true;
  const auto wanted = folded(name_or_id), id = folded(machine_id);
  return wanted == id || wanted == last_segment(id);
}

}  // namespace

bool Gatekeeper::Parts::may_read(const Principal& principal, const Grant& grant) const {
  return allows(principal, actions::policy_read, ledger.request(grant.request).policy.path()) ||
         allows(principal, actions::policy_read, grant.machine_id);
}

// Giving up one's own access needs no more than the right to ask for it.
bool Gatekeeper::Parts::may_revoke(const Principal& principal, const Grant& grant) const {
  const auto& request = ledger.request(grant.request);
  const bool own = request.requestor == principal.name;
  for (const auto& scope : {request.policy.path(), grant.machine_id}) {
    if (allows(principal, actions::policy_revoke, scope)) return true;
    if (own && allows(principal, actions::policy_initiate, scope)) return true;
  }
  return false;
}

Result<std::vector<GrantView>> Gatekeeper::list_grants(const Caller& caller, const GrantFilter& filter) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::policy_read)) {
    if (auto error = p.refused_read(caller, "grant.list", actions::policy_read, "/")) return *error;
  }
  std::vector<GrantView> views;
  for (const auto& [id, request] : p.ledger.requests()) {
    if (!filter.requestor.empty() && filter.requestor != request.requestor) continue;
    for (const auto serial : p.ledger.grants_of(id)) {
      const auto& grant = *p.ledger.grant(serial);
      if (!filter.include_ended && grant.state != GrantState::live) continue;
      if (is_machine(grant.machine_id, filter.machine) && p.may_read(caller.principal, grant))
        views.push_back(p.view_of(grant));
    }
  }
  return views;
}

Result<std::vector<StandingRule>> Gatekeeper::list_standing(const Caller& caller, const GrantFilter& filter) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::policy_read)) {
    if (auto error = p.refused_read(caller, "grant.list", actions::policy_read, "/")) return *error;
  }
  std::vector<StandingRule> rules;
  for (const auto& [serial, rule] : p.ledger.standing()) {
    const bool readable = p.allows(caller.principal, actions::policy_read, rule.policy.path()) ||
                          p.allows(caller.principal, actions::policy_read, rule.machine_id);
    if (readable && filter.requestor.empty() && is_machine(rule.machine_id, filter.machine)) rules.push_back(rule);
  }
  return rules;
}

Result<GrantView> Gatekeeper::revoke(const Caller& caller, std::uint64_t serial, std::optional<std::string> ending) {
  auto& p = *parts_;
  Decision decision{caller, "grant.revoke", "", {}, {serial}};
  const auto* grant = p.ledger.grant(serial);
  if (!grant) {
    const bool may_know = p.allows_anywhere(caller.principal, actions::policy_revoke) ||
                          p.allows_anywhere(caller.principal, actions::policy_initiate);
    if (!may_know) return p.refuse(decision, p.lacks(caller, actions::policy_revoke, "/"));
    if (const auto standing = p.ledger.standing().find(serial); standing != p.ledger.standing().end()) {
      return p.refuse(decision,
                      {ErrorCode::conflict,
                       "Number " + std::to_string(serial) + " is a standing rule of policy '" +
                           standing->second.policy.path() + "'; it ends when its sources are taken out of the policy.",
                       "",
                       {}});
    }
    return p.refuse(decision,
                    {ErrorCode::grant_not_found, "There is no grant " + std::to_string(serial) + ".", "", {}});
  }
  decision.policy = p.ledger.request(grant->request).policy.path();
  decision.machines = {grant->machine_id};
  // To end one's own access otherwise than its rule says needs more than to have asked for it: a requester would keep a
  // session that the rule cuts, or cut that of somebody who shares his address.
  const bool revokes_any = p.allows(caller.principal, actions::policy_revoke, decision.policy) ||
                           p.allows(caller.principal, actions::policy_revoke, grant->machine_id);
  if (ending ? !revokes_any : !p.may_revoke(caller.principal, *grant)) {
    return p.refuse(decision, p.lacks(caller, actions::policy_revoke, decision.policy));
  }
  Faults faults;
  const auto wished = ending ? read_ending(*ending, "ending", faults) : std::nullopt;
  if (faults.any()) return p.refuse(decision, faults.as_error(ErrorCode::invalid_input, "The revocation is not valid"));
  ChangeSet change;
  const bool runs = grant->state == GrantState::live;
  const bool cuts = wished == Ending::cut && grant->ending != Ending::cut;
  if (runs) {
    p.end(*grant, EndReason::revoked, caller.principal.name, p.clock.now().utc, change);
  } else if (cuts) {
    change.put_grants.push_back(*grant);
  }
  if (wished && !change.put_grants.empty()) change.put_grants.back().ending = *wished;
  auto detail = runs ? "Revoked; it would have run until " + format_time(grant->end) + "." : "It had already ended.";
  if (cuts) detail += " Its open connections are cut.";
  if (runs && wished == Ending::drain && grant->ending == Ending::cut) detail += " Its open connections live on.";
  change.audit.push_back(p.record(decision, Outcome::allowed, std::move(detail)));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;
  return p.view_of(*p.ledger.grant(serial));
}

Result<std::vector<GrantView>> Gatekeeper::revoke_ports(const Caller& caller, const PolicyId& id,
                                                        const AccessDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "access.revoke", id.path()};
  const bool all = p.allows(caller.principal, actions::policy_revoke, id.path());
  if (!all && !p.allows(caller.principal, actions::policy_initiate, id.path())) {
    return p.refuse(decision, p.lacks(caller, actions::policy_revoke, id.path()));
  }
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  const auto asked = read_revocation(draft);
  if (!asked) return p.refuse(decision, asked.error());
  const auto* policy = p.ledger.policy(id);
  if (!policy) {
    return p.refuse(decision, {ErrorCode::policy_not_found, "There is no policy '" + id.path() + "'.", "", {}});
  }
  if (auto outside = ports_outside(*policy, *asked)) return p.refuse(decision, *outside);

  const auto named = [&](const Grant& grant) {
    return std::any_of(asked->ports.begin(), asked->ports.end(), [&](const AskedPort& port) {
      return folded(port.machine) == folded(grant.machine_id) && port.port == grant.port &&
             (port.sources.empty() || port.sources == grant.sources);
    });
  };
  ChangeSet change;
  for (const auto* grant : p.ledger.live_under(*policy)) {
    const bool own = p.ledger.request(grant->request).requestor == caller.principal.name;
    if (!named(*grant) || !(all || own)) continue;
    decision.grants.push_back(grant->serial);
    p.end(*grant, EndReason::revoked, caller.principal.name, p.clock.now().utc, change);
  }
  for (const auto& port : asked->ports) decision.machines.push_back(port.machine);
  change.audit.push_back(
      p.record(decision, Outcome::allowed, std::to_string(decision.grants.size()) + " running grant(s) revoked."));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;
  std::vector<GrantView> views;
  for (const auto serial : decision.grants) views.push_back(p.view_of(*p.ledger.grant(serial)));
  return views;
}

}  // namespace postern::core
