// SPDX-License-Identifier: Apache-2.0
// A running grant is given more time: judged like a request made now, by the rule as it is now; recorded, moved, answered.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/drafts.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {

Result<GrantView> Gatekeeper::extend(const Caller& caller, std::uint64_t serial, const ExtensionDraft& draft) {
  auto& p = *parts_;
  const Now now = p.clock.now();
  Decision decision{caller, "grant.extend"};
  if (serial != 0) decision.grants = {serial};
  const auto* grant = p.ledger.grant(serial);
  if (grant) {
    decision.policy = p.ledger.request(grant->request).policy.path();
    decision.machines = {grant->machine_id};
  }
  // What the caller may not see answers like a number that there is not.
  if (grant && !p.may_read(caller.principal, *grant) && p.may_not_extend(caller, grant)) grant = nullptr;
  if (auto error = p.may_not_extend(caller, grant)) return p.refuse(decision, *error);
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  const auto end = read_extension(draft, now.utc);
  if (!end) return p.refuse(decision, end.error());
  if (!grant) {
    return p.refuse(decision,
                    {ErrorCode::grant_not_found, "There is no grant " + std::to_string(serial) + ".", "", {}});
  }
  p.follow_clock();
  const auto longer = p.extended(*grant, *end, draft.end_time ? "endTimeUtc" : "duration", now);
  if (!longer) return p.refuse(decision, longer.error());
  if (auto away = p.gate_away()) return p.refuse(decision, *away);

  const Grant before = *grant;
  ChangeSet change;
  change.put_grants.push_back(*longer);
  change.audit.push_back(p.record(decision, Outcome::allowed,
                                  "Extended from " + format_time(before.end) + " to " + format_time(longer->end) + "."));
  if (auto recorded = p.commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return p.refuse(decision, recorded.error());
  }
  if (auto moved = p.put_in_force(); !moved) return p.take_back_extension(decision, before, *longer, moved.error());
  return p.view_of(*p.ledger.grant(serial));
}

// Who asked for it needs the right to ask still; for another's it takes the right to end it, too. `grant` null: there is
// none that the caller may know of.
std::optional<Error> Gatekeeper::Parts::may_not_extend(const Caller& caller, const Grant* grant) const {
  const auto& who = caller.principal;
  if (!grant) {
    if (allows_anywhere(who, actions::policy_initiate)) return std::nullopt;
    return lacks(caller, actions::policy_initiate, "/");
  }
  const auto& request = ledger.request(grant->request);
  if (!allows(who, actions::policy_initiate, *grant)) return lacks(caller, actions::policy_initiate, request.policy.path());
  if (request.requestor == who.name || may_revoke_any(who, *grant)) return std::nullopt;
  return lacks(caller, actions::policy_revoke, request.policy.path());
}

// The grant with its new end, counted from now. What is over is not brought back.
Result<Grant> Gatekeeper::Parts::extended(const Grant& grant, UtcTime end, const std::string& place, const Now& now) const {
  const auto number = "Grant " + std::to_string(grant.serial);
  const auto refused = [](ErrorCode code, std::string message, const std::string& target = "") {
    Error error{code, std::move(message), target, {}};
    if (!target.empty()) error.faults.push_back({error.message, target});
    return error;
  };
  if (grant.state != GrantState::live) return refused(ErrorCode::conflict, number + " does not run; request again.");
  if (auto doubt = clock_not_believed()) return *doubt;
  const auto deadline = ledger.deadline(grant.serial);
  if (!deadline || *deadline <= now.boot) return refused(ErrorCode::conflict, number + " is over; request again.");

  const auto& request = ledger.request(grant.request);
  const auto* policy = ledger.policy(request.policy);
  const auto* rule = policy && policy->generation == request.policy_generation
                         ? find_rule(*policy, grant.machine_id, grant.port)
                         : nullptr;
  if (!rule) return refused(ErrorCode::conflict, "The rule of grant " + std::to_string(grant.serial) + " is gone.");
  if (ledger.uses().contains(grant.request)) {
    return refused(ErrorCode::conflict, number + " came by break-glass, which says for how long: request again.");
  }
  if (rule->approval == Approval::approve) {
    return refused(ErrorCode::conflict, "Somebody has to approve what opens port " + std::to_string(grant.port) +
                                            ", also for longer: request again; " + folded(number) + " runs on meanwhile.");
  }
  if (end - now.utc > rule->max_duration + end_tolerance) {
    return refused(ErrorCode::not_subset_of_policy,
                   "The end lies later than the " + format_duration(rule->max_duration) +
                       " from now that the policy allows for port " + std::to_string(grant.port) + ".",
                   place);
  }
  Grant longer = grant;
  longer.end = std::min<UtcTime>(end, now.utc + rule->max_duration);
  if (longer.end < grant.end) {
    return refused(ErrorCode::invalid_input,
                   number + " runs until " + format_time(grant.end) + " already; an extension does not shorten it.", place);
  }
  longer.extended = now.utc;
  longer.boot_id = ledger.timeline().boot_id;
  longer.boot_start = now.boot;
  if (!lets_wait(*policy, request, longer)) {
    return refused(ErrorCode::not_subset_of_policy,
                   "The policy no longer allows what " + folded(number) + " opens as it was asked for; request again.");
  }
  return longer;
}

// As take_back: what could not be carried out ends when it would have ended.
Error Gatekeeper::Parts::take_back_extension(const Decision& decision, const Grant& before, const Grant& longer,
                                             const Error& why) {
  ChangeSet change;
  change.put_grants.push_back(before);
  Decision taking = decision;
  taking.operation = "grant.taken_back";
  change.audit.push_back(record(taking, Outcome::failed, why.message));
  change.audit.back().code = std::string(wire_name(ErrorCode::gate_failed));
  insist(std::move(change));
  std::string text = "The grant was not extended: it ends at " + format_time(before.end) + " as before.";
  if (!put_in_force()) {
    text = "The grant was not extended, but the gate could not be brought to what it was: it may be open until that succeeds, "
           "which is tried every second, at the latest until " + format_time(longer.end) + ".";
  }
  if (!postponed.empty()) {
    text += " That it is taken back could not be recorded yet; if the daemon stops before it is, the extension will be in force "
            "when it starts again.";
  }
  return {ErrorCode::gate_failed, text + " " + why.message, "", {}};
}

}  // namespace postern::core
