// SPDX-License-Identifier: Apache-2.0
// Who may get where, from roles and policies; the rest the store counts.
#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {
namespace {

constexpr std::chrono::hours review_period{24 * 90};
constexpr std::chrono::hours use_noted_every{1};

}  // namespace

void Gatekeeper::keep_reviews(ReviewStore& store) {
  parts_->review_store = &store;
}

void Gatekeeper::Parts::note_use(const Token& token) {
  const UtcTime now = clock.now().utc;
  auto& noted = token_uses[token.id];
  if (now - noted < use_noted_every && now >= noted) return;
  noted = now;
  token_uses_new[token.id] = now;
}

// Called now and then; what cannot be written is tried again.
void Gatekeeper::Parts::write_token_uses() {
  if (!review_store || token_uses_new.empty()) return;
  if (review_store->note_token_uses(token_uses_new)) token_uses_new.clear();
}

void Gatekeeper::Parts::add_rights(const Principal& principal, const std::string& by, Review& review) const {
  for (const auto& [key, policy] : ledger.policies()) {
    for (const auto& machine : policy.machines) {
      const auto may = [&](std::string_view action) {
        return allows(principal, action, policy.id.path()) || allows(principal, action, machine.machine_id);
      };
      const bool writes = may(actions::policy_write);
      if (!writes && !may(actions::policy_initiate)) continue;
      review.rights_cut = review.rights.size() >= review_lines_max;
      if (review.rights_cut) return;
      ReviewedRight right{principal.name, by, machine.machine_id, policy.id.path(), {}, writes};
      for (const auto& rule : machine.ports) right.ports.push_back(rule.number);
      review.rights.push_back(std::move(right));
    }
  }
}

Result<Review> Gatekeeper::review(const Caller& caller, std::optional<UtcTime> from, std::optional<UtcTime> to) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "audit.review", actions::audit_read, "/")) return *error;
  const UtcTime now = p.clock.now().utc;
  Review review;
  review.to = to.value_or(now);
  review.from = from.value_or(review.to - review_period);
  if (review.from >= review.to)
    return Error{ErrorCode::invalid_input, "The review's period must begin before it ends.", "from", {}};
  std::map<std::string, UtcTime> uses;
  if (p.review_store) {
    auto facts = p.review_store->review(review.from, review.to, now);
    if (!facts) return facts.error();
    review.facts = *std::move(facts);
    const auto written = p.review_store->token_uses();
    if (!written) return written.error();
    uses = *written;
  }
  for (const auto& [id, time] : p.token_uses_new) uses[id] = time;
  for (const auto& user : p.settings.users) p.add_rights(user.principal, user.by, review);
  for (const auto& [id, arming] : p.ledger.armings())
    if (p.is_armed(arming)) p.add_rights({arming.principal, {{"requester", arming.scope}}}, "break-glass " + std::to_string(id), review);
  for (const auto& [id, token] : p.ledger.tokens()) {
    const bool expired = token.expires && *token.expires <= now;
    if (!expired) p.add_rights(token.principal, "token " + id, review);
    const auto used = uses.find(id);
    review.tokens.push_back({token, used == uses.end() ? std::nullopt : std::optional(used->second), expired});
  }
  for (const auto& [serial, rule] : p.ledger.standing()) review.standing.push_back(rule);
  return review;
}

}  // namespace postern::core
