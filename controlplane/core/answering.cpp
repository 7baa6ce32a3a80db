// SPDX-License-Identifier: Apache-2.0
// Requests that somebody else must agree to: shown, approved, denied. What is approved is what was asked for; it is judged
// anew, since rules, clock and gate may have changed while it waited.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/drafts.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/principal_name.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {

Result<RequestView> Gatekeeper::approve(const Caller& caller, std::uint64_t id) {
  auto& p = *parts_;
  const Now now = p.clock.now();
  Decision decision{caller, "request.approve"};
  p.follow_clock();
  const auto request = p.to_be_answered(decision, id);
  if (!request) return p.refuse(decision, request.error());
  auto grants = p.judged_anew(**request, now);
  if (!grants) return p.refuse(decision, grants.error());
  if (auto error = p.cannot_open(*grants)) return p.refuse(decision, *error);
  const bool opens = grants->front().start <= now.utc;
  if (auto away = opens ? p.gate_away() : std::nullopt) return p.refuse(decision, *away);

  ChangeSet change;
  std::vector<Grant> replaced;
  change.put_requests.push_back(**request);
  change.put_requests.front().answered_by = caller.principal.name;
  for (auto& grant : *grants) {
    grant.state = GrantState::scheduled;
    if (opens) p.begin(grant, (*request)->requestor, now, change, replaced);
    change.put_grants.push_back(std::move(grant));
  }
  change.audit.push_back(p.record(decision, Outcome::allowed,
                                  "Approved what " + in_quotes((*request)->requestor) + " asked for. " +
                                      Parts::told(**request, change.put_grants, replaced)));
  if (auto recorded = p.commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return p.refuse(decision, recorded.error());
  }
  if (auto open = opens ? p.put_in_force() : Result<void>(); !open) return p.take_back(decision, change, replaced, open.error());
  return p.view_of(p.ledger.request(id));
}

Result<RequestView> Gatekeeper::deny(const Caller& caller, std::uint64_t id, const DenialDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "request.deny"};
  const auto request = p.to_be_answered(decision, id);
  const bool unknown = !request && request.error().code == ErrorCode::request_not_found;
  if (!request && !unknown) return p.refuse(decision, request.error());
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  const auto reason = read_denial(draft);
  if (!reason) return p.refuse(decision, reason.error());
  if (unknown) return p.refuse(decision, request.error());

  ChangeSet change;
  change.put_requests.push_back(**request);
  change.put_requests.front().answered_by = caller.principal.name;
  change.put_requests.front().answer_reason = *reason;
  for (const auto serial : decision.grants) {
    p.end(*p.ledger.grant(serial), EndReason::revoked, caller.principal.name, p.clock.now().utc, change);
  }
  change.audit.push_back(p.record(decision, Outcome::allowed,
                                  "Denied what " + in_quotes((*request)->requestor) + " asked for." +
                                      (reason->empty() ? "" : " Reason: " + *reason)));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  return p.view_of(p.ledger.request(id));
}

Result<const Request*> Gatekeeper::Parts::to_be_answered(Decision& decision, std::uint64_t id) const {
  const auto& caller = decision.caller;
  const auto found = ledger.requests().find(id);
  const auto* request = found == ledger.requests().end() ? nullptr : &found->second;
  if (request) {
    decision.policy = request->policy.path();
    decision.grants = ledger.grants_of(id);
    for (const auto serial : decision.grants) decision.machines.push_back(ledger.grant(serial)->machine_id);
  }
  // What the caller may not see answers like a number that there is not.
  if (!request || !may_know(caller.principal, *request)) {
    if (!allows_anywhere(caller.principal, actions::policy_approve)) return lacks(caller, actions::policy_approve, "/");
    return Error{ErrorCode::request_not_found, "There is no request " + std::to_string(id) + ".", "", {}};
  }
  if (!may_answer(caller.principal, *request)) return lacks(caller, actions::policy_approve, request->policy.path());
  if (may_be_one(request->requestor, caller.principal.name)) {
    return Error{ErrorCode::authorization_failed,
                 "Nobody answers his own request, whatever his role: somebody else must. To withdraw it, revoke its grants.",
                 "",
                 {}};
  }
  const auto conflict = [&](const std::string& what) {
    return Error{ErrorCode::conflict, "Request " + std::to_string(id) + " does not wait for an answer" + what, "", {}};
  };
  if (!is_pending(*request)) {
    return conflict(request->answered_by.empty() ? "." : ": " + in_quotes(request->answered_by) + " has given one.");
  }
  if (clock.now().utc >= *request->answer_by) return conflict(" any more: it lapsed at " + format_time(*request->answer_by) + ".");
  return request;
}

// The right over the policy, or over every machine that was asked for.
bool Gatekeeper::Parts::may_answer(const Principal& principal, const Request& request) const {
  if (allows(principal, actions::policy_approve, request.policy.path())) return true;
  const auto& serials = ledger.grants_of(request.id);
  return std::all_of(serials.begin(), serials.end(), [&](std::uint64_t serial) {
    return allows(principal, actions::policy_approve, ledger.grant(serial)->machine_id);
  });
}

bool Gatekeeper::Parts::may_know(const Principal& principal, const Request& request) const {
  const auto& serials = ledger.grants_of(request.id);
  return may_answer(principal, request) ||
         std::all_of(serials.begin(), serials.end(),
                     [&](std::uint64_t serial) { return may_read(principal, *ledger.grant(serial)); });
}

bool Gatekeeper::Parts::is_pending(const Request& request) const {
  const auto& serials = ledger.grants_of(request.id);
  return !serials.empty() && ledger.grant(serials.front())->state == GrantState::pending;
}

// Its grants as they would begin now. A duration counts from now, or from a start to come; an end time stays.
Result<std::vector<Grant>> Gatekeeper::Parts::judged_anew(const Request& request, const Now& now) const {
  const auto* policy = ledger.policy(request.policy);
  if (!policy || policy->generation != request.policy_generation) {
    return Error{ErrorCode::conflict, "The policy that it was asked under is gone; request again.", "", {}};
  }
  std::vector<Grant> grants;
  for (const auto serial : ledger.grants_of(request.id)) {
    Grant grant = *ledger.grant(serial);
    const auto length = grant.end - grant.start;
    grant.start = std::max(grant.start, now.utc);
    if (grant.by_duration) grant.end = grant.start + length;
    if (grant.end <= grant.start) {
      return Error{ErrorCode::conflict, "The end that was asked for is over (" + format_time(grant.end) + ").", "", {}};
    }
    if (!lets_wait(*policy, request, grant)) {
      return Error{ErrorCode::not_subset_of_policy,
                   "The policy no longer allows " + sentence_of(grant) + " as it was asked for; request again.",
                   "",
                   {}};
    }
    grants.push_back(std::move(grant));
  }
  return grants;
}

Result<RequestView> Gatekeeper::get_request(const Caller& caller, std::uint64_t id) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::policy_read)) {
    if (auto error = p.refused_read(caller, "request.get", actions::policy_read, "/")) return *error;
  }
  const auto found = p.ledger.requests().find(id);
  if (found == p.ledger.requests().end() || !p.may_know(caller.principal, found->second)) {
    return Error{ErrorCode::request_not_found, "There is no request " + std::to_string(id) + ".", "", {}};
  }
  return p.view_of(found->second);
}

Result<std::vector<RequestView>> Gatekeeper::list_requests(const Caller& caller, const RequestFilter& filter) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::policy_read)) {
    if (auto error = p.refused_read(caller, "request.list", actions::policy_read, "/")) return *error;
  }
  std::vector<RequestView> views;
  for (const auto& [id, request] : p.ledger.requests()) {
    if (!p.may_know(caller.principal, request)) continue;
    auto view = p.view_of(request);
    if (!filter.state || state_of(view) == *filter.state) views.push_back(std::move(view));
  }
  return views;
}

GrantState state_of(const RequestView& view) {
  for (const auto state : {GrantState::pending, GrantState::live, GrantState::scheduled}) {
    const auto is = [&](const Grant& grant) { return grant.state == state; };
    if (std::any_of(view.grants.begin(), view.grants.end(), is)) return state;
  }
  return GrantState::ended;
}

}  // namespace postern::core
