// SPDX-License-Identifier: Apache-2.0
// Grants: listed, and revoked by one person's leave. Closing is recorded first and then done; a closing that could not
// be done at once stays decided and is retried.
#include <algorithm>
#include <set>

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
  return same_folded(name_or_id, machine_id) || same_folded(name_or_id, last_segment(machine_id));
}

}  // namespace

// A right over a grant comes with one over its policy or over its machine.
bool Gatekeeper::Parts::allows(const Principal& principal, std::string_view action, const Grant& grant) const {
  return allows(principal, action, ledger.request(grant.request).policy.path()) ||
         allows(principal, action, grant.machine_id);
}

bool Gatekeeper::Parts::may_read(const Principal& principal, const Grant& grant) const {
  return allows(principal, actions::policy_read, grant);
}

bool Gatekeeper::Parts::may_read(const Principal& principal, const StandingRule& rule) const {
  return allows(principal, actions::policy_read, rule.policy.path()) ||
         allows(principal, actions::policy_read, rule.machine_id);
}

bool Gatekeeper::Parts::may_revoke_any(const Principal& principal, const Grant& grant) const {
  return allows(principal, actions::policy_revoke, grant);
}

// Giving up one's own access needs no more than the right to ask for it, or to have broken in.
bool Gatekeeper::Parts::may_revoke(const Principal& principal, const Grant& grant) const {
  if (may_revoke_any(principal, grant)) return true;
  if (ledger.request(grant.request).requestor != principal.name) return false;
  const auto use = ledger.uses().find(grant.request);
  return allows(principal, actions::policy_initiate, grant) ||
         (use != ledger.uses().end() && is_for(ledger.armings().at(use->second.arming), principal));
}

Result<std::vector<GrantView>> Gatekeeper::list_grants(const Caller& caller, const GrantFilter& filter) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::policy_read)) {
    if (auto error = p.refused_read(caller, "grant.list", actions::policy_read, "/")) return *error;
  }
  std::vector<GrantView> views;
  const auto& requests = p.ledger.requests();
  for (auto each = requests.upper_bound(filter.after); each != requests.end() && views.size() < filter.limit; ++each) {
    const auto& [id, request] = *each;
    if (!filter.requestor.empty() && filter.requestor != request.requestor) continue;
    for (const auto serial : p.ledger.grants_of(id)) {
      const auto& grant = *p.ledger.grant(serial);
      if (!filter.include_ended && grant.state == GrantState::ended) continue;
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
    if (p.may_read(caller.principal, rule) && filter.requestor.empty() && is_machine(rule.machine_id, filter.machine))
      rules.push_back(rule);
  }
  return rules;
}

// `grant` null: there is none that the caller may know of.
// To end one's own access otherwise than its rule says needs more than to have asked for it: a requester would keep a
// session that the rule cuts, or cut that of somebody who shares his address.
std::optional<Error> Gatekeeper::Parts::may_not_revoke(const Caller& caller, const Grant* grant,
                                                       const RevocationDraft& draft) const {
  const auto& who = caller.principal;
  if (!grant) {
    const bool may_know =
        allows_anywhere(who, actions::policy_revoke) || allows_anywhere(who, actions::policy_initiate);
    return may_know ? std::nullopt : std::optional(lacks(caller, actions::policy_revoke, "/"));
  }
  if (draft.ending ? may_revoke_any(who, *grant) : may_revoke(who, *grant)) return std::nullopt;
  return lacks(caller, actions::policy_revoke, ledger.request(grant->request).policy.path());
}

// Whether what no grant covers is dropped at each of the grant's services.
bool Gatekeeper::Parts::enforces(const Grant& grant) const {
  const auto* machine = ledger.machine(grant.machine_id);
  if (!machine) return false;
  const auto keys = services_of(*machine, grant.port, grant.protocol);
  return !keys.empty() && std::all_of(keys.begin(), keys.end(), [&](const ServiceKey& key) {
    const auto* service = ledger.services().find(key);
    return service && service->enforcers > 0 && !projector.is_failsafe(key);
  });
}

// A connection names the grant that let it in. Whoever asks again gets another number, and who shares a source may have
// come in by somebody else's: so a cut that was asked for takes all that this person's grants to the port let in, and
// what it means for others is told. A cut that the rule makes takes the grant's alone.
CutReach Gatekeeper::Parts::reach_of_cut(const Caller& caller, const Grant& grant, bool asked_for) const {
  CutReach reach;
  reach.enforced = enforces(grant);
  const auto& requestor = ledger.request(grant.request).requestor;
  std::vector<const Grant*> cut{&grant};
  Grant whole = grant;
  for (const auto* other : asked_for ? ledger.neighbours(grant) : std::vector<const Grant*>()) {
    if (other->state == GrantState::live || ledger.request(other->request).requestor != requestor) continue;
    if (!may_revoke_any(caller.principal, *other)) continue;
    cut.push_back(other);
    whole.sources.insert(whole.sources.end(), other->sources.begin(), other->sources.end());
    if (other->protocol != grant.protocol) whole.protocol = Protocol::any;
  }
  whole.sources = canonical(std::move(whole.sources));

  const auto end_of = [](const Grant& each) { return each.ended_at.value_or(UtcTime::max()); };
  for (const auto* other : ledger.neighbours(whole)) {
    if (std::find(cut.begin(), cut.end(), other) != cut.end()) continue;
    const auto& whose = ledger.request(other->request).requestor;
    const bool met = std::any_of(cut.begin(), cut.end(), [&](const Grant* each) {
      return other->start <= end_of(*each) && each->start <= end_of(*other);
    });
    if (other->state == GrantState::live) {
      reach.covered_by.push_back({other->serial, whose});
    } else if (other->ending == Ending::drain && (met || whose == requestor)) {
      reach.may_include.push_back({other->serial, whose});
    }
  }
  for (const auto& [serial, standing] : ledger.standing()) {
    const auto& rule = standing.rule;
    const bool covers = same_folded(standing.machine_id, whole.machine_id) && rule.number == whole.port &&
                        overlap(rule.protocol, whole.protocol) && overlap(rule.standing, whole.sources);
    if (covers) reach.covered_by.push_back({serial, ""});
  }
  for (const auto* each : cut) {
    const bool lost = projector.in_step() && !projector.has_record_of(each->serial);
    (lost ? reach.forgotten : reach.grants).push_back(each->serial);
  }
  std::sort(reach.grants.begin(), reach.grants.end());
  std::sort(reach.forgotten.begin(), reach.forgotten.end());
  return reach;
}

std::string Gatekeeper::Parts::told(const CutReach& reach) const {
  const auto named = [](const std::vector<CutReach::Other>& others, const std::string& grant) {
    std::vector<std::string> names;
    for (const auto& other : others) {
      const auto number = std::to_string(other.serial);
      names.push_back(other.requestor.empty() ? "standing rule " + number
                                              : grant + number + " of " + in_quotes(other.requestor));
    }
    return joined(names);
  };
  std::string text;
  if (!reach.grants.empty()) text += " The open connections of grant " + joined(reach.grants) + " are cut.";
  if (!reach.enforced) text += " No policy enforces the port at each of the machine's addresses: there they live on.";
  if (!reach.forgotten.empty()) {
    text += " The gate has forgotten grant " + joined(reach.forgotten) +
            ": what it let in and is open still, it cannot cut.";
  }
  if (!reach.covered_by.empty()) text += " What is covered by " + named(reach.covered_by, "live grant ") + " lives on.";
  if (!reach.may_include.empty()) {
    text += " From the same sources, connections of " + named(reach.may_include, "grant ") +
            " may be among those cut, and others of theirs live on.";
  }
  text += " Connections that have no grant are not reached: open before the port was enforced or the gate attached, or opened by "
          "the machine.";
  return text;
}

Result<GrantView> Gatekeeper::revoke(const Caller& caller, std::uint64_t serial, const RevocationDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "grant.revoke", "", {}, {}};
  if (serial != 0) decision.grants = {serial};
  const auto* grant = p.ledger.grant(serial);
  if (grant) {
    decision.policy = p.ledger.request(grant->request).policy.path();
    decision.machines = {grant->machine_id};
  }
  // What the caller may not see answers like a number that there is not.
  if (grant && !p.may_read(caller.principal, *grant) && !p.may_revoke(caller.principal, *grant)) grant = nullptr;
  if (auto error = p.may_not_revoke(caller, grant, draft)) return p.refuse(decision, *error);
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  const auto wished = read_revocation(draft);
  if (!wished) return p.refuse(decision, wished.error());
  if (!grant) {
    const auto standing = p.ledger.standing().find(serial);
    if (standing != p.ledger.standing().end() && p.may_read(caller.principal, standing->second)) {
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
  if (grant->waits()) return p.withdraw(std::move(decision), *grant);
  const bool runs = grant->state == GrantState::live;
  const auto ending = wished->value_or(grant->ending);
  const bool asked_for = *wished == Ending::cut;
  std::optional<CutReach> reach;
  const bool ran = !grant->boot_id.empty();
  if (ran && (asked_for || (runs && ending == Ending::cut))) reach = p.reach_of_cut(caller, *grant, asked_for);

  ChangeSet change;
  if (runs) p.end(*grant, EndReason::revoked, caller.principal.name, p.clock.now().utc, change);
  if (runs) change.put_grants.back().ending = ending;
  if (reach) {
    decision.grants = reach->grants;
    decision.grants.insert(decision.grants.end(), reach->forgotten.begin(), reach->forgotten.end());
    for (const auto each : decision.grants) {
      if (each == serial && runs) continue;
      change.put_grants.push_back(*p.ledger.grant(each));
      change.put_grants.back().ending = Ending::cut;
    }
  }
  auto detail = runs ? "Revoked; it would have run until " + format_time(grant->end) + "." : "It had already ended.";
  if (reach) detail += p.told(*reach);
  if (!runs && *wished == Ending::drain && grant->ending == Ending::cut) {
    detail += " It ended by cut, and what was cut stays cut.";
  }
  if (runs && ending == Ending::drain && grant->ending == Ending::cut) detail += " Its open connections live on.";
  change.audit.push_back(p.record(decision, Outcome::allowed, std::move(detail)));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;

  auto view = p.view_of(*p.ledger.grant(serial));
  view.cut = std::move(reach);
  if (view.cut) {
    const auto hidden = [&](const CutReach::Other& other) {
      if (const auto* each = p.ledger.grant(other.serial)) return !p.may_read(caller.principal, *each);
      return !p.may_read(caller.principal, p.ledger.standing().at(other.serial));
    };
    std::erase_if(view.cut->covered_by, hidden);
    std::erase_if(view.cut->may_include, hidden);
  }
  return view;
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
      return same_folded(port.machine, grant.machine_id) && port.port == grant.port &&
             (port.sources.empty() || port.sources == grant.sources);
    });
  };
  ChangeSet change;
  std::set<std::uint64_t> ending;
  for (const auto* grant : p.ledger.unended_under(*policy)) {
    const bool own = p.ledger.request(grant->request).requestor == caller.principal.name;
    if (named(*grant) && (all || own)) ending.merge(p.ending_with(*grant));
  }
  for (const auto serial : ending) {
    decision.grants.push_back(serial);
    p.end(*p.ledger.grant(serial), EndReason::revoked, caller.principal.name, p.clock.now().utc, change);
    decision.machines.push_back(p.ledger.grant(serial)->machine_id);
  }
  for (const auto& port : asked->ports) decision.machines.push_back(port.machine);
  change.audit.push_back(
      p.record(decision, Outcome::allowed, std::to_string(decision.grants.size()) + " grant(s) revoked."));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;
  std::vector<GrantView> views;
  for (const auto serial : decision.grants) views.push_back(p.view_of(*p.ledger.grant(serial)));
  return views;
}

}  // namespace postern::core
