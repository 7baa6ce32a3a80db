// SPDX-License-Identifier: Apache-2.0
// From the ledger to the maps: few keys for one change, all of them for a repair.
#include "controlplane/core/projector.hpp"

#include <algorithm>

#include "controlplane/core/reconcile.hpp"

namespace postern::core {
namespace {

bool guarded(const Service* service) {
  return service && service->owners > 0;
}

// What becomes of the record of a grant that is not live.
RecordEntry ended_record(const RecordEntry& held, const Grant* grant) {
  RecordEntry record = held;
  if (grant) {
    record.ending = grant->ending;  // a revocation may have overruled the rule, or the rule have changed
    record.session_max = grant->max_session;
    record.state = grant->ending == Ending::cut ? RecordState::cut : RecordState::draining;
  } else if (held.state == RecordState::live) {  // a standing rule, or the ledger has forgotten it
    record.state = held.ending == Ending::cut ? RecordState::cut : RecordState::draining;
  }
  return record;
}

bool is_live(const Ledger& ledger, std::uint64_t serial) {
  return ledger.deadline(serial).has_value();
}

RecordEntry live_record(const Ledger& ledger, std::uint64_t serial) {
  if (const auto found = ledger.standing().find(serial); found != ledger.standing().end()) {
    const auto& rule = found->second.rule;
    return {serial, BootTime::max(), RecordState::live, rule.ending, rule.max_session};
  }
  const auto& grant = *ledger.grant(serial);
  return {serial, *ledger.deadline(serial), RecordState::live, grant.ending, grant.max_session};
}

template <class Map, class Key>
void copy_held(const Map& mirror, const Key& key, Map& held) {
  if (const auto found = mirror.find(key); found != mirror.end()) held.insert(*found);
}

}  // namespace

Result<void> Projector::apply(Ledger& ledger) {
  if (!in_step_) return repair(ledger);
  const auto touched = ledger.services().take_touched();
  const auto change = difference(ledger, touched);
  if (auto done = execute(plan_between(change.held, change.desired)); !done) return done;
  let_go(ledger, touched);
  return {};
}

Result<void> Projector::repair(Ledger& ledger) {
  in_step_ = false;
  auto maps = dataplane_.read();
  if (!maps) return Error{ErrorCode::gate_failed, "The gate's maps cannot be read: " + maps.error().message, "", {}};
  ledger.services().take_touched();
  read_mirror(*std::move(maps), ledger);
  auto desired = everything(ledger);
  auto plan = plan_between(mirror_, desired);
  // A cut may have been written and not announced before the failure: then its flows have not looked yet.
  const bool any_cut = std::any_of(mirror_.records.begin(), mirror_.records.end(),
                                   [](const auto& each) { return each.second.state == RecordState::cut; });
  if (any_cut) plan.push_back(RaiseCutGeneration{});
  if (auto done = write(plan); !done) return done;
  mirror_ = std::move(desired);  // as playing the plan would make it
  count_all();
  in_step_ = true;
  return {};
}

Result<void> Projector::execute(const Plan& plan) {
  if (auto done = write(plan); !done) return done;
  for (const auto& step : plan) {
    count(step);
    play(step, mirror_);
  }
  return {};
}

Result<void> Projector::write(const Plan& plan) {
  // An empty plan too: so each sweep notices that the gate went, or was loaded anew with empty maps.
  if (auto done = dataplane_.apply(plan); !done) {
    in_step_ = false;
    return Error{ErrorCode::gate_failed, "The gate's maps cannot be written: " + done.error().message, "", {}};
  }
  return {};
}

Projector::Difference Projector::difference(const Ledger& ledger, const Touched& touched) {
  Difference result;
  for (const auto serial : touched.grants) {
    const bool live = is_live(ledger, serial);
    const auto slot = live ? slot_of(serial) : slot_held_by(serial, ledger.grant(serial));
    if (!slot) continue;
    copy_held(mirror_.records, *slot, result.held.records);
    result.desired.records[*slot] =
        live ? live_record(ledger, serial) : ended_record(mirror_.records.at(*slot), ledger.grant(serial));
  }
  for (const auto& key : touched.services) {
    copy_held(mirror_.services, key, result.held.services);
    copy_held(mirror_.addresses, key.address, result.held.addresses);
    const std::pair port(key.protocol, key.port);
    copy_held(mirror_.ports, port, result.held.ports);
    if (const auto* service = ledger.services().find(key); guarded(service)) {
      result.desired.services[key] = service_entry(key, *service);
    }
    if (const auto count = ledger.services().at_address(key.address))
      result.desired.addresses[key.address] = {ledger.services().enforced_at(key.address), count};
    if (ledger.services().at_port(key.protocol, key.port) > 0) result.desired.ports.insert(port);
  }
  for (const auto& [key, source] : touched.entries) {
    if (const auto id = ids_.find(key); id != ids_.end()) {
      copy_held(mirror_.entries, EntryKey{id->second, source}, result.held.entries);
    }
    const auto* service = ledger.services().find(key);
    if (!guarded(service)) continue;
    if (const auto claims = service->claims.find(source); claims != service->claims.end()) {
      result.desired.entries[{id_of(key), source}] = entry_of(claims->second);
    }
  }
  const std::set<Prefix> failsafe(settings_.failsafe_sources.begin(), settings_.failsafe_sources.end());
  if (failsafe != mirror_.failsafe_sources) {
    result.held.failsafe_sources = mirror_.failsafe_sources;
    result.desired.failsafe_sources = failsafe;
  }
  return result;
}

Projection Projector::everything(const Ledger& ledger) {
  Projection desired;
  for (const auto& [slot, record] : mirror_.records) {
    if (!is_live(ledger, record.serial) || slot_of(record.serial) != slot) {
      desired.records[slot] = ended_record(record, ledger.grant(record.serial));
    }
  }
  // In order as far as it can be told: what stands at the end is put there without a search.
  auto& records = desired.records;
  for (const auto& [deadline, serial] : ledger.by_deadline()) {
    const auto& grant = *ledger.grant(serial);
    records.insert_or_assign(records.end(), slot_of(serial),
                             RecordEntry{serial, deadline, RecordState::live, grant.ending, grant.max_session});
  }
  for (const auto& [serial, rule] : ledger.standing()) desired.records[slot_of(serial)] = live_record(ledger, serial);
  for (const auto& [key, service] : ledger.services().all()) {
    if (!guarded(&service)) continue;
    desired.services[key] = service_entry(key, service);
    desired.addresses[key.address] = {ledger.services().enforced_at(key.address),
                                      ledger.services().at_address(key.address)};
    desired.ports.insert({key.protocol, key.port});
    for (const auto& [source, claims] : service.claims)
      desired.entries.insert_or_assign(desired.entries.end(), EntryKey{id_of(key), source}, entry_of(claims));
  }
  desired.failsafe_sources.insert(settings_.failsafe_sources.begin(), settings_.failsafe_sources.end());
  return desired;
}

ServiceEntry Projector::service_entry(const ServiceKey& key, const Service& service) {
  ServiceEntry entry{id_of(key), service.enforcers > 0, is_failsafe(key), {}};
  for (const auto& [length, keys] : service.lengths) entry.prefix_lengths.insert(length);
  return entry;
}

Entry Projector::entry_of(const std::set<Claim>& claims) {
  const auto& last = *claims.rbegin();
  return {last.deadline, last.serial, slot_of(last.serial), last.standing};
}

bool Projector::is_failsafe(const ServiceKey& key, const Settings& settings) {
  return std::any_of(settings.failsafe_services.begin(), settings.failsafe_services.end(), [&](const ServiceKey& f) {
    return f.port == key.port && (f.protocol == key.protocol || f.protocol == Protocol::any) &&
           f.address.contains(key.address);
  });
}

}  // namespace postern::core
