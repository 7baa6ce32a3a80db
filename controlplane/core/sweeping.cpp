// SPDX-License-Identifier: Apache-2.0
// Start, the passing of time, and repair after errors. The kernel stops admitting by itself: here it is only recorded
// and tidied up.
#include <algorithm>

#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {
namespace {

constexpr std::size_t ended_per_sweep = 10000;  // one transaction's worth: the rest follows at once
constexpr std::chrono::milliseconds clock_drift_ignored{10};

}  // namespace

Gatekeeper::Parts::Parts(Settings with, Clock& its_clock, Randomness& its_randomness, Store& its_store,
                         Dataplane& its_dataplane)
    : settings(std::move(with)),
      clock(its_clock),
      randomness(its_randomness),
      store(its_store),
      dataplane(its_dataplane),
      projector(its_dataplane, settings),
      event_epoch(std::to_string(clock.now().utc.time_since_epoch() / std::chrono::milliseconds(1))) {}

Gatekeeper::Gatekeeper(Settings settings, Clock& clock, Randomness& randomness, Store& store, Dataplane& dataplane)
    : parts_(std::make_unique<Parts>(std::move(settings), clock, randomness, store, dataplane)) {}

Gatekeeper::~Gatekeeper() = default;

Result<void> Gatekeeper::start() {
  auto& p = *parts_;
  auto snapshot = p.store.load();
  if (!snapshot) return Error{ErrorCode::store_failed, "The store cannot be read: " + snapshot.error().message, "", {}};
  p.newest_record = snapshot->newest_record;
  // Records that a wrong clock wrote must not make it believed: no grant that would be replayed starts in the future.
  for (const auto& grant : snapshot->grants) {
    if (grant.state != GrantState::live) continue;
    p.newest_record = std::max(p.newest_record.value_or(grant.start), grant.counted_from());
  }
  p.last_serial = snapshot->last_serial;
  p.last_request = snapshot->last_request;
  p.last_generation = snapshot->last_policy_generation;
  p.ledger.load(*std::move(snapshot), p.measure());
  p.started = true;
  p.keep_time();  // ready() tells if the maps are out of reach, sweep() tries again
  return {};
}

Result<void> Gatekeeper::ready() const {
  const auto& p = *parts_;
  if (!p.started) return Error{ErrorCode::service_unavailable, "The store has not been read yet.", "", {}};
  if (!p.projector.in_step()) {
    return Error{ErrorCode::service_unavailable, "The gate is away; this is tried again every second. " + p.gate_trouble, "", {}};
  }
  if (auto standing = p.dataplane.standing(); !standing) {
    return Error{ErrorCode::service_unavailable, "The gate does not guard as it should: " + standing.error().message, "", {}};
  }
  if (!p.postponed.empty()) {
    return Error{ErrorCode::service_unavailable, "The store does not take records; this is retried.", "", {}};
  }
  if (auto doubt = p.clock_not_believed()) return *doubt;
  return {};
}

std::optional<BootTime> Gatekeeper::next_deadline() const {
  const auto& p = *parts_;
  std::optional<BootTime> next = p.retry_at;
  const auto sooner = [&](BootTime time) { next = next ? std::min(*next, time) : time; };
  const auto& due = p.ledger.by_deadline();
  // While an error is being waited out, what is over-due waits with it.
  const bool waits = p.retry_at && !due.empty() && due.begin()->first <= p.clock.now().boot;
  if (!due.empty() && !waits) sooner(due.begin()->first);
  const auto& time = p.ledger.timeline();
  const Now now = p.clock.now();
  const auto waits_for = [&](const std::set<std::pair<UtcTime, std::uint64_t>>& coming) {
    if (coming.empty() || !time.believed) return;
    const auto at = now.boot + (coming.begin()->first - now.utc);
    if (!p.retry_at || at > now.boot) sooner(at);
  };
  waits_for(p.ledger.by_start());
  waits_for(p.ledger.by_lapse());
  if (p.started && !time.believed) {
    sooner(BootTime(p.newest_record->time_since_epoch() - clock_doubt + time.boot_minus_utc));
  }
  return next;
}

void Gatekeeper::sweep() {
  auto& p = *parts_;
  if (!p.started) return;
  p.retry_at.reset();
  if (!p.write_postponed()) p.retry_soon();
  p.follow_clock();
  p.keep_time();
  p.ledger.forget_ended_before(p.clock.now().utc - ended_kept);
  p.look_at_exposure(false);
}

void Gatekeeper::clock_changed() {
  auto& p = *parts_;
  if (!p.started) return;
  p.follow_clock();
  p.keep_time();
}

void Gatekeeper::Parts::keep_time() {
  expire_due();
  lapse_due();
  start_due();
  (void)put_in_force();
}

// A step is used before it is noticed: a request or a sweep may come first, and must not reckon with the old offset.
void Gatekeeper::Parts::follow_clock() {
  const auto before = ledger.timeline();
  const auto after = measure();
  const auto drift = after.boot_minus_utc - before.boot_minus_utc;
  if (std::chrono::abs(drift) < clock_drift_ignored && after.believed == before.believed) return;
  ledger.set_timeline(after);
}

// While the clock is not believed, what ended before the newest record has still ended.
UtcTime Gatekeeper::Parts::latest_time() const {
  const auto now = clock.now().utc;
  return ledger.timeline().believed ? now : std::max(now, *newest_record);
}

Timeline Gatekeeper::Parts::measure() const {
  const Now now = clock.now();
  const bool believed = !newest_record || now.utc + clock_doubt >= *newest_record;
  return {now.boot.time_since_epoch() - now.utc.time_since_epoch(), clock.boot_id(), believed};
}

std::optional<Error> Gatekeeper::Parts::clock_not_believed() const {
  if (ledger.timeline().believed) return std::nullopt;
  return Error{ErrorCode::service_unavailable,
               "The gateway's clock says " + format_time(clock.now().utc) +
                   ", which is older than the newest record (" + format_time(*newest_record) +
                   "); nothing is opened until it is set.",
               "",
               {}};
}

void Gatekeeper::Parts::expire_due() {
  const Now now = clock.now();
  const auto serials = ledger.due(now.boot, ended_per_sweep);
  if (serials.empty()) return;
  const Caller sweeper{{std::string(own_name), {}}, std::nullopt, "", ""};
  ChangeSet change;
  for (const auto serial : serials) {
    const auto& grant = *ledger.grant(serial);
    end(grant, EndReason::expired, "", now.utc, change);
    change.audit.push_back(
        record({sweeper, "grant.expire", ledger.request(grant.request).policy.path(), {grant.machine_id}, {serial}},
               Outcome::allowed, "The end " + format_time(grant.end) + " was reached."));
  }
  if (!commit(change)) retry_soon();
}

void Gatekeeper::Parts::end(const Grant& grant, EndReason reason, const std::string& by, UtcTime now,
                            ChangeSet& change) const {
  Grant ended = grant;
  ended.state = GrantState::ended;
  ended.end_reason = reason;
  ended.ended_at = now;
  ended.ended_by = by;
  change.put_grants.push_back(std::move(ended));
}

}  // namespace postern::core
