// SPDX-License-Identifier: Apache-2.0
// The journey of a request for access, told in one function: Parts::admit. What waits, for somebody's leave (answering.cpp)
// or for its start (waiting.cpp), is recorded and answered only; it is opened as this function opens. The order of its checks is the contract's
// (nobody without rights learns what exists); the order of its effects is invariant I7: recorded, opened, answered.
#include "controlplane/core/access.hpp"

#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/request_digest.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
std::string sentence_of(const Grant& grant) {
  std::vector<std::string> sources;
  for (const auto& source : grant.sources) sources.push_back(to_string(source));
  return std::string(grant.machine_id.substr(grant.machine_id.rfind('/') + 1)) + " port " + std::to_string(grant.port) +
         " to " + joined(sources) + " until " + format_time(grant.end);
}

Result<RequestView> Gatekeeper::initiate(const Caller& caller, const PolicyId& id, const AccessDraft& draft) {
  return parts_->admit(caller, &id, draft);
}

Result<RequestView> Gatekeeper::request(const Caller& caller, const AccessDraft& draft) {
  if (draft.break_glass) return parts_->break_glass(caller, draft);
  return parts_->admit(caller, nullptr, draft);
}

// `named`: the policy of the path; null if it is to be found from the machines and ports.
Result<RequestView> Gatekeeper::Parts::admit(const Caller& caller, const PolicyId* named, const AccessDraft& draft) {
  const Now now = clock.now();
  Decision decision{caller, "access.initiate", named ? named->path() : ""};

  if (auto error = may_not_initiate(caller, named, draft)) return refuse(decision, *error);
  if (draft.unreadable) return refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});

  const auto digest = randomness.sha256_hex(digest_text(draft));
  const auto* repeated = ledger.repeat_of(caller.principal.name, caller.client_request_id, digest,
                                          named ? named->key() : "", now.utc - repeat_window);
  if (repeated) return answer_again(*repeated);

  auto asked = read_access(draft, caller.address, now.utc, named ? MachineTerms::ids : MachineTerms::ids_and_names);
  if (!asked) return refuse(decision, asked.error());

  const auto policy = policy_for(caller, named, *asked);
  if (!policy) return refuse(decision, policy.error());
  decision.policy = (*policy)->id.path();

  auto grants = grants_inside(**policy, *asked, asked->start.value_or(now.utc));
  if (!grants) return refuse(decision, grants.error());
  for (const auto& grant : *grants) decision.machines.push_back(grant.machine_id);
  follow_clock();
  if (auto error = cannot_open(*grants, *asked)) return refuse(decision, *error);
  const auto begins = wants_approval(**policy, *grants) ? GrantState::pending
                      : asked->start                    ? GrantState::scheduled
                                                        : GrantState::live;
  const bool opens = begins == GrantState::live;
  if (auto full = opens ? std::nullopt : too_many_waiting(caller, **policy)) return refuse(decision, *full);
  if (auto away = opens ? gate_away() : std::nullopt) return refuse(decision, *away);

  for (auto& grant : *grants) grant.state = begins;
  std::vector<Grant> replaced;
  const auto change = opening(decision, **policy, *asked, *grants, digest, now, replaced);
  if (auto recorded = commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return refuse(decision, recorded.error());
  }
  if (!opens) return view_of(ledger.request(change.put_requests.front().id));
  if (auto open = put_in_force(); !open) return take_back(decision, change, replaced, open.error());
  if (together) together->openings.push_back({together->call, decision, change, replaced});
  return view_of(ledger.request(change.put_requests.front().id));
}

// The decision was made and recorded then; only the answer may have been lost.
Result<RequestView> Gatekeeper::Parts::answer_again(const Request& request) {
  if (auto open = put_in_force(); !open) return open.error();
  if (together) together->repeats.push_back(together->call);
  return view_of(request);
}

std::optional<Error> Gatekeeper::Parts::may_not_initiate(const Caller& caller, const PolicyId* named,
                                                         const AccessDraft& draft) const {
  if (!named) {
    if (allows_anywhere(caller.principal, actions::policy_initiate)) return std::nullopt;
    return lacks(caller, actions::policy_initiate, "/");
  }
  auto error = forbidden(caller, actions::policy_initiate, named->path());
  if (!error || draft.machines.empty()) return error;
  // A role may be given for single machines: then every machine asked for must lie in it. It is a right over policies that
  // name them; of any other, the caller does not learn whether there is one.
  const auto* policy = ledger.policy(*named);
  for (const auto& machine : draft.machines) {
    if (!machine.id || !allows(caller.principal, actions::policy_initiate, *machine.id)) return error;
    if (!policy || !core::find_machine(*policy, *machine.id)) return error;
  }
  return std::nullopt;
}

// One grant for each port; if they open now, the caller's own earlier ones end in the same breath.
ChangeSet Gatekeeper::Parts::opening(const Decision& decision, const Policy& policy, const AskedAccess& asked,
                                     const std::vector<Grant>& grants, const std::string& digest, const Now& now,
                                     std::vector<Grant>& replaced) {
  ChangeSet change;
  Request request{++last_request,     policy.id, policy.generation,   now.utc, decision.caller.principal.name,
                  asked.justification, decision.caller.client_request_id, digest};
  Decision made = decision;
  for (Grant grant : grants) {
    grant.serial = ++last_serial;
    grant.request = request.id;
    made.grants.push_back(grant.serial);
    if (grant.state == GrantState::pending) request.answer_by = earlier_lapse(request, asked, grant);
    if (grant.state == GrantState::live) begin(grant, request.requestor, now, change, replaced);
    change.put_grants.push_back(std::move(grant));
  }
  change.audit.push_back(record(made, Outcome::allowed, told(request, change.put_grants, replaced)));
  change.put_requests.push_back(std::move(request));
  return change;
}

// Whether the person asked for it, or for more of it, after he had asked for this one, which waited.
bool Gatekeeper::Parts::decided_later(const Grant& earlier, const Grant& waited) const {
  if (earlier.request > waited.request) return true;
  const auto asked = ledger.requests().find(waited.request);
  return asked != ledger.requests().end() && earlier.extended && *earlier.extended > asked->second.start;
}

// From now on it runs, in place of the same person's earlier ones for the same port and sources.
void Gatekeeper::Parts::begin(Grant& grant, const std::string& requestor, const Now& now, ChangeSet& change,
                              std::vector<Grant>& replaced) const {
  grant.state = GrantState::live;
  grant.boot_id = ledger.timeline().boot_id;
  grant.boot_start = now.boot;
  for (const auto* earlier : ledger.live_twins(requestor, grant)) {
    if (grant.protocol != Protocol::any && grant.protocol != earlier->protocol) continue;  // it opens something else
    if (decided_later(*earlier, grant)) continue;
    replaced.push_back(*earlier);
    end(*earlier, EndReason::replaced, requestor, now.utc, change);
  }
}

// What becomes of the request, for the record. `grants`: also those it ends.
std::string Gatekeeper::Parts::told(const Request& request, const std::vector<Grant>& grants,
                                    const std::vector<Grant>& replaced) {
  std::vector<std::string> ports, ended;
  const Grant* any = nullptr;
  for (const auto& grant : grants) {
    if (grant.state == GrantState::ended) continue;
    ports.push_back(sentence_of(grant));
    any = &grant;
  }
  for (const auto& grant : replaced) ended.push_back(std::to_string(grant.serial));
  std::string detail = "Opens " + joined(ports) + ".";
  if (any->state == GrantState::scheduled) detail = "From " + format_time(any->start) + " on: opens " + joined(ports) + ".";
  if (any->state == GrantState::pending) {
    detail = "Waits until " + format_time(*request.answer_by) + " for somebody to approve: opens " + joined(ports) + ".";
  }
  if (!ended.empty()) detail += " Replaces grant " + joined(ended) + ".";
  if (!request.justification.empty()) detail += " Justification: " + request.justification;
  return detail;
}

// What was recorded could not be opened: nothing of it may stay open, and what it was to replace lives on.
Error Gatekeeper::Parts::take_back(const Decision& decision, const ChangeSet& opened,
                                   const std::vector<Grant>& replaced, const Error& why) {
  insist(taking_back(decision, opened, replaced, why));
  return not_carried_out(opened, put_in_force().has_value(), why);
}

ChangeSet Gatekeeper::Parts::taking_back(const Decision& decision, const ChangeSet& opened,
                                         const std::vector<Grant>& replaced, const Error& why) const {
  ChangeSet change;
  Decision taking{decision.caller, "access.taken_back", decision.policy, decision.machines, {}};
  for (const auto& grant : opened.put_grants) {
    if (grant.state != GrantState::live) continue;
    taking.grants.push_back(grant.serial);
    end(grant, EndReason::taken_back, decision.caller.principal.name, clock.now().utc, change);
    change.put_grants.back().ending = Ending::cut;  // nobody was granted what may have come in meanwhile
  }
  change.put_grants.insert(change.put_grants.end(), replaced.begin(), replaced.end());
  change.audit.push_back(record(taking, Outcome::failed, why.message));
  change.audit.back().code = std::string(wire_name(ErrorCode::gate_failed));
  return change;
}

// `closed`: the maps are what they were.
Error Gatekeeper::Parts::not_carried_out(const ChangeSet& opened, bool closed, const Error& why) const {
  std::string text = "The request was not carried out and nothing was opened.";
  if (!closed) {
    UtcTime last{};
    for (const auto& grant : opened.put_grants)
      if (grant.state == GrantState::live) last = std::max(last, grant.end);
    text = "The request was not carried out, but the gate could not be brought to what it was: what was asked for may be open until that "
           "succeeds, which is tried every second, at the latest until " + format_time(last) + ".";
  }
  if (!postponed.empty()) {
    text += " That it is taken back could not be recorded yet; if the daemon stops before it is, the request will be in force when "
            "it starts again.";
  }
  return {ErrorCode::gate_failed, text + " " + why.message, "", {}};
}

}  // namespace postern::core
