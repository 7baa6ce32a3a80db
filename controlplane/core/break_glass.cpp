// SPDX-License-Identifier: Apache-2.0
// Break-glass: an admin arms somebody else, for a time and a scope, to get in past the rules; who did is reviewed by a
// third. What the armed person does with it is told in break_glass_use.cpp.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/principal_name.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t armed_max = 100, warnings_told = 5;

Error no_such(const std::string& what, std::uint64_t id) {
  return {ErrorCode::break_glass_not_found, "There is no " + what + " " + std::to_string(id) + ".", "", {}};
}

std::string scope_of(const ArmingDraft& draft) {
  return draft.scope && draft.scope->starts_with("/") ? *draft.scope : "/";
}

}  // namespace

// By both clocks: neither a wall clock set back nor one that forgot the year lengthens it.
bool Gatekeeper::Parts::is_armed(const Arming& arming) const {
  if (arming.disarmed || latest_time() >= arming.end) return false;
  const bool this_boot = arming.boot_id == ledger.timeline().boot_id;
  return !this_boot || clock.now().boot < arming.boot_start + (arming.end - arming.start);
}

ArmingView Gatekeeper::Parts::view_of(const Arming& arming) const {
  ArmingView view{arming, is_armed(arming), {}};
  for (const auto& [request, use] : ledger.uses())
    if (use.arming == arming.id) view.uses.push_back(use);
  return view;
}

// Whoever may arm could let himself in: so nobody arms himself, in whatever spelling.
Result<ArmingView> Gatekeeper::arm(const Caller& caller, const ArmingDraft& draft) {
  auto& p = *parts_;
  const Now now = p.clock.now();
  const Decision decision{caller, "breakglass.arm"};
  if (auto error = p.forbidden(caller, actions::break_glass_write, scope_of(draft))) return p.refuse(decision, *error);
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  auto arming = read_arming(draft, now.utc);
  if (!arming) return p.refuse(decision, arming.error());
  if (may_be_one(arming->principal, caller.principal.name))
    return p.refuse(decision, {ErrorCode::authorization_failed, "Nobody arms himself: somebody else has to.", "", {}});
  if (auto doubt = p.clock_not_believed()) return p.refuse(decision, *doubt);
  const auto& armings = p.ledger.armings();
  const auto armed = std::count_if(armings.begin(), armings.end(), [&](const auto& each) { return p.is_armed(each.second); });
  if (static_cast<std::size_t>(armed) >= armed_max) {
    return p.refuse(decision, {ErrorCode::capacity_exhausted,
                               std::to_string(armed_max) + " people are armed already; disarm some first.", "", {}});
  }
  arming->id = armings.empty() ? 1 : armings.rbegin()->first + 1;
  arming->armed_by = caller.principal.name;
  arming->boot_id = p.ledger.timeline().boot_id;
  arming->boot_start = now.boot;
  ChangeSet change;
  change.put_armings.push_back(*arming);
  change.audit.push_back(p.record(decision, Outcome::allowed,
                                  "Break-glass " + std::to_string(arming->id) + " armed for " + in_quotes(arming->principal) +
                                      " over " + in_quotes(arming->scope) + " until " + format_time(arming->end) +
                                      ", grants of at most " + format_duration(arming->grant_max) + ". Reason: " + arming->reason));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  return p.view_of(p.ledger.armings().at(arming->id));
}

// His own, and those within whose scope he may read them.
Result<std::vector<ArmingView>> Gatekeeper::list_break_glass(const Caller& caller) {
  auto& p = *parts_;
  const auto& who = caller.principal;
  std::vector<ArmingView> views;
  for (const auto& [id, arming] : p.ledger.armings()) {
    if (p.is_for(arming, who) || p.allows(who, actions::break_glass_read, arming.scope)) views.push_back(p.view_of(arming));
  }
  if (views.empty() && !p.allows_anywhere(who, actions::break_glass_read)) {
    if (auto error = p.refused_read(caller, "breakglass.list", actions::break_glass_read, "/")) return *error;
  }
  return views;
}

// Null where the caller may know of none; an error where he may not ask.
Result<const Arming*> Gatekeeper::Parts::arming_for(const Caller& caller, std::string_view action, std::uint64_t id) const {
  const auto& who = caller.principal;
  const auto found = ledger.armings().find(id);
  const bool visible = found != ledger.armings().end() && (allows(who, actions::break_glass_read, found->second.scope) ||
                                                           allows(who, action, found->second.scope));
  if (!visible) {
    if (!allows_anywhere(who, action)) return lacks(caller, action, "/");
    return static_cast<const Arming*>(nullptr);
  }
  if (auto error = forbidden(caller, action, found->second.scope)) return *error;
  return &found->second;
}

// With `cut` the grants that came by it end at once, and what they let in with them.
Result<ArmingView> Gatekeeper::disarm(const Caller& caller, std::uint64_t id, bool cut) {
  auto& p = *parts_;
  Decision decision{caller, "breakglass.disarm"};
  const auto found = p.arming_for(caller, actions::break_glass_delete, id);
  if (!found) return p.refuse(decision, found.error());
  if (!*found) return p.refuse(decision, no_such("break-glass", id));
  Arming arming = **found;
  const bool was_armed = p.is_armed(arming);
  const auto now = p.clock.now().utc;
  ChangeSet change;
  if (!arming.disarmed) {
    arming.disarmed = now;
    arming.disarmed_by = caller.principal.name;
    change.put_armings.push_back(arming);
  }
  for (const auto& use : p.view_of(arming).uses) {
    if (!cut || !p.ledger.requests().contains(use.request)) continue;
    for (const auto serial : p.ledger.grants_of(use.request)) {
      const auto& grant = *p.ledger.grant(serial);
      const bool runs = grant.state == GrantState::live;
      if (!runs && grant.ending == Ending::cut) continue;
      if (runs) {
        p.end(grant, EndReason::revoked, caller.principal.name, now, change);
      } else {
        change.put_grants.push_back(grant);
      }
      change.put_grants.back().ending = Ending::cut;
      decision.grants.push_back(serial);
      decision.machines.push_back(grant.machine_id);
    }
  }
  auto detail = "Break-glass " + std::to_string(id) + " of " + in_quotes(arming.principal) +
                (was_armed ? " disarmed." : " was not armed any more.");
  if (!decision.grants.empty()) detail += " Cuts what grant " + joined(decision.grants) + " let in.";
  change.audit.push_back(p.record(decision, Outcome::allowed, std::move(detail)));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;
  return p.view_of(p.ledger.armings().at(id));
}

Result<BreakGlassUse> Gatekeeper::review_break_glass(const Caller& caller, std::uint64_t request, const ReviewDraft& draft) {
  auto& p = *parts_;
  Decision decision{caller, "breakglass.review"};
  const auto found = p.ledger.uses().find(request);
  const auto arming = p.arming_for(caller, actions::break_glass_review, found == p.ledger.uses().end() ? 0 : found->second.arming);
  if (!arming) return p.refuse(decision, arming.error());
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  const auto note = read_review(draft);
  if (!note) return p.refuse(decision, note.error());
  if (!*arming) return p.refuse(decision, no_such("use of break-glass in request", request));
  auto use = found->second;
  decision.grants = use.grants;
  if (may_be_one(use.principal, caller.principal.name)) {
    return p.refuse(decision, {ErrorCode::authorization_failed, "Nobody reviews what he did himself.", "", {}});
  }
  if (use.reviewed) {
    return p.refuse(decision, {ErrorCode::conflict, in_quotes(use.reviewed_by) + " has reviewed it already.", "", {}});
  }
  use.reviewed = p.clock.now().utc;
  use.reviewed_by = caller.principal.name;
  use.note = *note;
  ChangeSet change;
  change.put_uses.push_back(use);
  change.audit.push_back(p.record(decision, Outcome::allowed,
                                  "Reviewed: request " + std::to_string(request) + " of " + in_quotes(use.principal) +
                                      " under break-glass " + std::to_string(use.arming) + ". " + use.note));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  return use;
}

std::vector<std::string> Gatekeeper::Parts::break_glass_warnings() const {
  std::vector<std::string> sentences;
  for (const auto& [request, use] : ledger.uses()) {
    if (use.reviewed) continue;
    sentences.push_back("Break-glass was used by " + in_quotes(use.principal) + " at " + format_time(use.time) + " (request " +
                        std::to_string(request) + ") and nobody has reviewed it.");
  }
  for (const auto& [id, arming] : ledger.armings()) {
    if (!is_armed(arming)) continue;
    sentences.push_back("Break-glass is armed for " + in_quotes(arming.principal) + " until " + format_time(arming.end) + ".");
  }
  if (sentences.size() > warnings_told) {
    const auto more = sentences.size() - warnings_told;
    sentences.resize(warnings_told);
    sentences.push_back("There is more of break-glass: " + std::to_string(more) + ".");
  }
  return sentences;
}

}  // namespace postern::core
