// SPDX-License-Identifier: Apache-2.0
// The journey of a request for access, told in one function: Parts::admit. The order of its checks is the contract's
// (nobody without rights learns what exists); the order of its effects is invariant I7: recorded, opened, answered.
#include "controlplane/core/access.hpp"

#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/request_digest.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

std::string sentence_of(const Grant& grant) {
  std::vector<std::string> sources;
  for (const auto& source : grant.sources) sources.push_back(to_string(source));
  return std::string(grant.machine_id.substr(grant.machine_id.rfind('/') + 1)) + " port " + std::to_string(grant.port) +
         " to " + joined(sources) + " until " + format_time(grant.end);
}

}  // namespace

Result<RequestView> Gatekeeper::initiate(const Caller& caller, const PolicyId& id, const AccessDraft& draft) {
  return parts_->admit(caller, &id, draft);
}

Result<RequestView> Gatekeeper::request(const Caller& caller, const AccessDraft& draft) {
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

  auto grants = grants_inside(**policy, *asked, now.utc);
  if (!grants) return refuse(decision, grants.error());
  for (const auto& grant : *grants) decision.machines.push_back(grant.machine_id);
  if (auto error = cannot_open(*grants, *asked)) return refuse(decision, *error);
  if (auto away = gate_away()) return refuse(decision, *away);
  follow_clock();

  std::vector<Grant> replaced;
  const auto change = opening(decision, **policy, *asked, *grants, digest, now, replaced);
  if (auto recorded = commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return refuse(decision, recorded.error());
  }
  if (auto open = put_in_force(); !open) return take_back(decision, change, replaced, open.error());
  return view_of(ledger.request(change.put_requests.front().id));
}

// The decision was made and recorded then; only the answer may have been lost.
Result<RequestView> Gatekeeper::Parts::answer_again(const Request& request) {
  if (auto open = put_in_force(); !open) return open.error();
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

// One grant for each port, the caller's own earlier ones for the same port and sources ended in the same breath.
ChangeSet Gatekeeper::Parts::opening(const Decision& decision, const Policy& policy, const AskedAccess& asked,
                                     const std::vector<Grant>& grants, const std::string& digest, const Now& now,
                                     std::vector<Grant>& replaced) {
  const auto& caller = decision.caller;
  ChangeSet change;
  change.put_requests.push_back({++last_request, policy.id, policy.generation, now.utc, caller.principal.name,
                                 asked.justification, caller.client_request_id, digest});
  Decision made = decision;
  std::vector<std::string> opened, ended;
  for (Grant grant : grants) {
    grant.serial = ++last_serial;
    grant.request = last_request;
    grant.boot_id = ledger.timeline().boot_id;
    grant.boot_start = now.boot;
    for (const auto* earlier : ledger.live_twins(caller.principal.name, grant)) {
      if (grant.protocol != Protocol::any && grant.protocol != earlier->protocol) continue;  // it opens something else
      replaced.push_back(*earlier);
      ended.push_back(std::to_string(earlier->serial));
      end(*earlier, EndReason::replaced, caller.principal.name, now.utc, change);
    }
    made.grants.push_back(grant.serial);
    opened.push_back(sentence_of(grant));
    change.put_grants.push_back(std::move(grant));
  }
  auto detail = "Opens " + joined(opened) + ".";
  if (!ended.empty()) detail += " Replaces grant " + joined(ended) + ".";
  if (!asked.justification.empty()) detail += " Justification: " + asked.justification;
  change.audit.push_back(record(made, Outcome::allowed, std::move(detail)));
  return change;
}

// What was recorded could not be opened: nothing of it may stay open, and what it was to replace lives on.
Error Gatekeeper::Parts::take_back(const Decision& decision, const ChangeSet& opened,
                                   const std::vector<Grant>& replaced, const Error& why) {
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
  insist(std::move(change));
  std::string text = "The request was not carried out and nothing was opened.";
  if (!put_in_force()) {
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
