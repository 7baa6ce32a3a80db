// SPDX-License-Identifier: Apache-2.0
// See recording_dataplane.hpp.
#include "tests/support/recording_dataplane.hpp"

#include <algorithm>

namespace postern::tests {
namespace {

using namespace core;

constexpr const char* step_names[] = {"PutRecord",   "PutEntry",      "PutService",        "PutAddress",
                                      "SetPort",     "EraseEntry",    "EraseService",      "EraseAddress",
                                      "PutFailsafe", "EraseFailsafe", "RaiseCutGeneration"};

std::string text(const ServiceKey& key) {
  return to_string(key.address) + ":" + std::to_string(key.port) + "/" + std::string(wire_name(key.protocol));
}

bool names_live_record(const Projection& maps, const Entry& entry) {
  const auto record = maps.records.find(entry.slot);
  return record != maps.records.end() && record->second.serial == entry.serial &&
         record->second.state == RecordState::live;
}

}  // namespace

Verdicts verdicts_of(const Projection& maps) {
  Verdicts verdicts;
  for (const auto& [key, service] : maps.services) {
    if (maps.ports.contains({key.protocol, key.port})) {
      verdicts.guarded.insert(key);
      if (service.enforce) verdicts.enforced.insert(key);
    }
    for (auto entry = maps.entries.lower_bound({service.id, {}}); entry != maps.entries.end(); ++entry) {
      if (entry->first.service != service.id) break;
      if (!service.prefix_lengths.contains(entry->first.source.length)) continue;
      verdicts.admitted[{key, entry->first.source}] = entry->second;
    }
  }
  return verdicts;
}

Result<Projection> RecordingDataplane::read() {
  if (fails()) return Error{ErrorCode::gate_failed, "no such map", "", {}};
  fuse_.done();
  return maps;
}

Result<void> RecordingDataplane::apply(const Plan& plan) {
  const auto before = maps;
  auto after = maps;
  for (const auto& step : plan) carry_out(step, after);
  for (const auto& step : plan) {
    if (fails()) return Error{ErrorCode::gate_failed, "map update failed", "", {}};
    carry_out(step, maps);
    ++steps;
    if (std::holds_alternative<RaiseCutGeneration>(step)) ++cut_generation;
    judge(before, after, step);
    fuse_.done();
  }
  return {};
}

std::optional<GrantUse> RecordingDataplane::use_of(std::uint32_t slot, std::uint64_t serial) const {
  const auto record = maps.records.find(slot);
  if (record == maps.records.end() || record->second.serial != serial) return std::nullopt;
  const auto use = uses.find(serial);
  return use == uses.end() ? GrantUse{} : use->second;
}

Result<std::vector<ServiceCount>> RecordingDataplane::service_counts() {
  std::vector<ServiceCount> counts;
  for (const auto& [key, service] : maps.services) counts.push_back({key, service.enforce, 0, 0, 0});
  return counts;
}

void RecordingDataplane::carry_out(const Step& step, Projection& on) {
  if (const auto* record = std::get_if<PutRecord>(&step)) {
    on.records.erase(record->slot);
    if (record->record.state != RecordState::vacant) on.records.emplace(record->slot, record->record);
  } else if (const auto* entry = std::get_if<PutEntry>(&step)) {
    on.entries[entry->key] = entry->entry;
  } else if (const auto* service = std::get_if<PutService>(&step)) {
    on.services[service->key] = service->service;
  } else if (const auto* address = std::get_if<PutAddress>(&step)) {
    on.addresses[address->address] = address->entry;
  } else if (const auto* port = std::get_if<SetPort>(&step)) {
    if (port->guarded) on.ports.emplace(port->protocol, port->port);
    if (!port->guarded) on.ports.erase({port->protocol, port->port});
  } else if (const auto* gone_entry = std::get_if<EraseEntry>(&step)) {
    on.entries.erase(gone_entry->key);
  } else if (const auto* gone_service = std::get_if<EraseService>(&step)) {
    on.services.erase(gone_service->key);
  } else if (const auto* gone_address = std::get_if<EraseAddress>(&step)) {
    on.addresses.erase(gone_address->address);
  } else if (const auto* failsafe = std::get_if<PutFailsafe>(&step)) {
    on.failsafe_sources.insert(failsafe->source);
  } else if (const auto* gone_failsafe = std::get_if<EraseFailsafe>(&step)) {
    on.failsafe_sources.erase(gone_failsafe->source);
  }
}

void RecordingDataplane::judge(const Projection& before, const Projection& after, const Step& step) {
  const auto when = " after step " + std::to_string(steps) + " (" + step_names[step.index()] + ")";
  judge_verdicts(verdicts_of(before), verdicts_of(after), when);
  judge_tables(before, when);
}

void RecordingDataplane::judge_verdicts(const Verdicts& before, const Verdicts& after, const std::string& when) {
  const auto now = verdicts_of(maps);
  for (const auto& key : before.guarded) {
    if (after.guarded.contains(key) && !now.guarded.contains(key))
      violations.push_back("I1 gap in guarding " + text(key) + when);
  }
  for (const auto& key : before.enforced) {
    if (after.enforced.contains(key) && !now.enforced.contains(key))
      violations.push_back("I1 gap in enforcing " + text(key) + when);
  }
  for (const auto& [place, entry] : now.admitted) {
    const auto old = before.admitted.find(place), next = after.admitted.find(place);
    BootTime latest{};
    if (old != before.admitted.end()) latest = std::max(latest, old->second.deadline);
    if (next != after.admitted.end()) latest = std::max(latest, next->second.deadline);
    if (entry.deadline > latest) violations.push_back("I1 opened for a moment " + text(place.first) + when);
    if (committed && !committed(entry.serial))
      violations.push_back("I7 open but not committed " + text(place.first) + when);
  }
  for (const auto& [place, entry] : after.admitted) {
    const auto current = now.admitted.find(place);
    const bool open = current != now.admitted.end();
    if (const auto old = before.admitted.find(place); old != before.admitted.end()) {
      const auto least = std::min(old->second.deadline, entry.deadline);
      if (!open || current->second.deadline < least)
        violations.push_back("I3 closed for a moment " + text(place.first) + when);
    }
    const bool newly_guarded = now.guarded.contains(place.first) && !before.guarded.contains(place.first);
    if (newly_guarded && !open)
      violations.push_back("guarded before its grants were there " + text(place.first) + when);
  }
}

void RecordingDataplane::judge_tables(const Projection& before, const std::string& when) {
  std::set<std::uint32_t> ids;
  for (const auto& [key, service] : maps.services) {
    if (service.id == 0 || !ids.insert(service.id).second) violations.push_back("service id twice " + text(key) + when);
    if (service.prefix_lengths.size() > 16) violations.push_back("too many prefix lengths " + text(key) + when);
  }
  const auto was_admitted = verdicts_of(before).admitted;
  for (const auto& [place, entry] : verdicts_of(maps).admitted) {
    if (names_live_record(maps, entry)) continue;
    const auto old = was_admitted.find(place);
    const bool was_so = old != was_admitted.end() && !names_live_record(before, old->second);
    if (!was_so) violations.push_back("entry without its live record " + text(place.first) + when);
  }
  const auto v4 =
      static_cast<std::size_t>(std::count_if(maps.entries.begin(), maps.entries.end(), [](const auto& each) {
        return each.first.source.address.family == Family::ipv4;
      }));
  const bool over_full = v4 > room.entries_v4 || maps.entries.size() - v4 > room.entries_v6 ||
                         maps.addresses.size() > room.addresses ||
                         maps.services.size() > room.services_v4 + room.services_v6 + room.service_prefixes;
  if (over_full) violations.push_back("a map over-full" + when);
  for (const auto& [slot, record] : maps.records) {
    if (slot >= room.records) violations.push_back("slot out of range" + when);
  }
}

}  // namespace postern::tests
