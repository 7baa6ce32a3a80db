// SPDX-License-Identifier: Apache-2.0
// Requests for access that wait at the same time: each is decided as it would be alone (Parts::admit), seeing what the ones
// before it did; then all are recorded in one transaction, opened by one plan, and only then answered (decision 0007).
#include <algorithm>

#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {

std::optional<std::vector<Result<RequestView>>> Gatekeeper::admit_together(const std::vector<AccessCall>& calls) {
  auto& p = *parts_;
  if (!p.projector.in_step()) return std::nullopt;  // each would try to reach the gate first
  const auto past_the_rules = [](const AccessCall& call) { return !call.policy && call.draft.break_glass; };
  if (std::any_of(calls.begin(), calls.end(), past_the_rules)) return std::nullopt;
  auto results = p.decide_together(calls);
  const auto group = *std::exchange(p.together, std::nullopt);
  if (results.size() < calls.size()) {
    p.undo(group);
    return std::nullopt;
  }
  if (!group.changes.empty() && !p.commit(group)) return std::nullopt;
  if (auto open = p.put_in_force(); !open) p.take_back(group, open.error(), results);
  return results;
}

// Fewer than were asked for: a broken invariant ended it.
std::vector<Result<RequestView>> Gatekeeper::Parts::decide_together(const std::vector<AccessCall>& calls) {
  std::vector<Result<RequestView>> results;
  results.reserve(calls.size());
  together.emplace();
  try {
    for (const auto& call : calls) {
      together->call = results.size();
      results.push_back(admit(call.caller, call.policy ? &*call.policy : nullptr, call.draft));
    }
  } catch (...) {  // a broken invariant: whose it is shows when each is asked for by itself
  }
  return results;
}

void Gatekeeper::Parts::undo(const Together& group) {
  for (auto undo = group.undos.rbegin(); undo != group.undos.rend(); ++undo) ledger.revert(*undo);
}

// What only waits, for somebody's leave or for its start, is none of the openings. The latest first: what an earlier one
// opened may have been replaced by a later one, lives again, and is then taken back.
void Gatekeeper::Parts::take_back(const Together& group, const Error& why, std::vector<Result<RequestView>>& results) {
  std::vector<ChangeSet> changes;
  for (auto each = group.openings.rbegin(); each != group.openings.rend(); ++each)
    changes.push_back(taking_back(each->decision, each->change, each->replaced, why));
  insist(std::move(changes));
  const bool closed = put_in_force().has_value();
  for (const auto& opening : group.openings) results[opening.call] = not_carried_out(opening.change, closed, why);
  for (const auto call : group.repeats) results[call] = why;
}

}  // namespace postern::core
