// SPDX-License-Identifier: Apache-2.0
// What is asked for and not open yet: how much of it there may be, how it is withdrawn, lapses, and starts when its time has
// come. Nothing of it is in the maps before.
#include <algorithm>
#include <set>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t started_per_sweep = 100;  // requests; each is a transaction of its own: the rest follows at once

const Caller& sweeper() {
  static const Caller caller{{std::string(own_name), {}}, std::nullopt, "", ""};
  return caller;
}

}  // namespace

// What runs is bounded by the gate's room, what waits only by this.
std::optional<Error> Gatekeeper::Parts::too_many_waiting(const Caller& caller, const Policy& policy) const {
  const auto [of_person, of_policy] = ledger.waiting(caller.principal.name, policy.id);
  const auto full = [](std::size_t most, const std::string& whose) {
    return Error{ErrorCode::conflict,
                 std::to_string(most) + " requests " + whose +
                     " wait for an answer or for their start, and more may not: withdraw one, or ask when one is done.",
                 "",
                 {}};
  };
  if (of_person >= waiting_of_person_max) return full(waiting_of_person_max, "of yours");
  if (of_policy >= waiting_of_policy_max) return full(waiting_of_policy_max, "under this policy");
  return std::nullopt;
}

// Nobody need answer what could not open any more as it was asked for.
UtcTime Gatekeeper::Parts::earlier_lapse(const Request& request, const AskedAccess& asked, const Grant& grant) const {
  auto lapse = request.answer_by.value_or(request.start + settings.approval_ttl);
  if (!grant.by_duration) lapse = std::min(lapse, asked.start.value_or(grant.end));
  return lapse;
}

std::set<std::uint64_t> Gatekeeper::Parts::ending_with(const Grant& grant) const {
  if (grant.state != GrantState::pending) return {grant.serial};
  const auto& all = ledger.grants_of(grant.request);
  return {all.begin(), all.end()};
}

// Running grants and waiting ones that the policy as it is put now does not allow.
std::set<std::uint64_t> Gatekeeper::Parts::ending_under(const Policy& before, const Policy& policy) const {
  std::set<std::uint64_t> ending;
  for (const auto* grant : ledger.unended_under(before)) {
    const bool stays = grant->waits() ? lets_wait(policy, ledger.request(grant->request), *grant) : survives(*grant, policy);
    if (!stays) ending.merge(ending_with(*grant));
  }
  return ending;
}

Result<GrantView> Gatekeeper::Parts::withdraw(Decision decision, const Grant& grant) {
  const auto serial = grant.serial;
  const auto ending = ending_with(grant);
  decision.grants.assign(ending.begin(), ending.end());
  ChangeSet change;
  for (const auto each : ending) {
    decision.machines.push_back(ledger.grant(each)->machine_id);
    end(*ledger.grant(each), EndReason::revoked, decision.caller.principal.name, clock.now().utc, change);
  }
  change.audit.push_back(record(decision, Outcome::allowed,
                                grant.state == GrantState::pending
                                    ? "Withdrawn, with its whole request, before anybody answered it."
                                    : "Revoked before it started at " + format_time(grant.start) + "."));
  if (auto recorded = commit(change); !recorded) return recorded.error();
  return view_of(*ledger.grant(serial));
}

void Gatekeeper::Parts::lapse_due() {
  if (!ledger.timeline().believed) return;
  const auto now = clock.now().utc;
  ChangeSet change;
  for (const auto& [time, id] : ledger.by_lapse()) {
    if (time > now) break;
    const auto& request = ledger.request(id);
    Decision decision{sweeper(), "request.lapse", request.policy.path(), {}, ledger.grants_of(id)};
    for (const auto serial : decision.grants) {
      const auto& grant = *ledger.grant(serial);
      decision.machines.push_back(grant.machine_id);
      end(grant, EndReason::expired, "", now, change);
    }
    change.audit.push_back(record(decision, Outcome::allowed, "Nobody answered it until " + format_time(time) + "."));
  }
  if (!change.audit.empty() && !commit(change)) retry_soon();
}

void Gatekeeper::Parts::start_due() {
  if (!ledger.timeline().believed) return;
  const Now now = clock.now();
  std::set<std::uint64_t> requests;
  for (const auto& [start, serial] : ledger.by_start()) {
    if (start > now.utc || requests.size() >= started_per_sweep) break;
    requests.insert(ledger.grant(serial)->request);
  }
  if (requests.empty() || gate_away()) return;  // it is tried again when the gate is
  for (const auto id : requests) {
    if (!start_booked(ledger.request(id), now)) return retry_soon();
  }
}

// False if the store does not take it now. All that is booked by the request starts or nothing of it. What has no room when
// its time has come is not kept for later: it ends.
bool Gatekeeper::Parts::start_booked(const Request& request, const Now& now) {
  std::vector<Grant> booked, grants;
  ChangeSet over;
  for (const auto serial : ledger.grants_of(request.id)) {
    const auto& grant = *ledger.grant(serial);
    if (grant.state != GrantState::scheduled || grant.start > now.utc) continue;
    if (grant.end > now.utc) {
      booked.push_back(grant);
      continue;
    }
    end(grant, EndReason::expired, "", now.utc, over);
    over.audit.push_back(record({sweeper(), "grant.expire", request.policy.path(), {grant.machine_id}, {serial}},
                                Outcome::allowed, "Its end was reached before it could start."));
  }
  if (!over.audit.empty() && !commit(over)) return false;
  if (booked.empty()) return true;

  Decision decision{sweeper(), "grant.start", request.policy.path()};
  for (const auto& each : booked) {
    decision.grants.push_back(each.serial);
    decision.machines.push_back(each.machine_id);
    grants.push_back(each);
    grants.back().start = now.utc;
  }
  auto why = cannot_open(grants);
  if (!why) {
    ChangeSet change;
    std::vector<Grant> replaced;
    for (auto& grant : grants) {
      begin(grant, request.requestor, now, change, replaced);
      change.put_grants.push_back(std::move(grant));
    }
    change.audit.push_back(record(decision, Outcome::allowed,
                                  "Started as " + in_quotes(request.requestor) + " booked it. " +
                                      told(request, change.put_grants, replaced)));
    const auto done = commit(change);
    if (done) return true;
    if (done.error().code == ErrorCode::store_failed) return false;
    why = done.error();
  }
  ChangeSet failed;
  for (const auto& each : booked) end(each, EndReason::taken_back, "", now.utc, failed);
  failed.audit.push_back(record(decision, Outcome::failed, "It could not start: " + why->message));
  failed.audit.back().code = std::string(wire_name(why->code));
  return commit(failed).has_value();
}

}  // namespace postern::core
