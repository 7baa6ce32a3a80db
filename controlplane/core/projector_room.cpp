// SPDX-License-Identifier: Apache-2.0
// Ids, slots and room: what the projector alone keeps.
#include <algorithm>
#include <vector>

#include "controlplane/core/projector.hpp"

namespace postern::core {
namespace {

bool is_ipv4(const ServiceKey& key) {
  return key.address.address.family == Family::ipv4;
}

bool is_exact(const ServiceKey& key) {
  return key.address.length == (is_ipv4(key) ? 32 : 128);
}

Error full(const std::string& what, std::size_t capacity) {
  return {ErrorCode::capacity_exhausted,
          "The gate has no room for more " + what + " (" + std::to_string(capacity) + " at most); nothing was changed.",
          "",
          {}};
}

}  // namespace

// Never-used ids first; those of services that went only where the gate would not count for a higher one.
std::uint32_t Projector::id_of(const ServiceKey& key) {
  if (const auto known = ids_.find(key); known != ids_.end()) return known->second;
  std::uint32_t id = last_id_ + 1;
  if (id >= dataplane_.capacity().counted_services && !free_ids_.empty()) {
    id = free_ids_.front();
    free_ids_.pop_front();
  } else {
    last_id_ = id;
  }
  return ids_[key] = id;
}

std::optional<ServiceKey> Projector::service_with(std::uint32_t id) const {
  const auto found = std::find_if(ids_.begin(), ids_.end(), [&](const auto& each) { return each.second == id; });
  return found == ids_.end() ? std::nullopt : std::optional(found->first);
}

// Never-used slots first, then those of the grants that ended longest ago: a flow may still carry an ended grant's
// slot, and would take the new grant's serial there for a sign that its own has ended.
std::uint32_t Projector::slot_of(std::uint64_t serial) {
  if (const auto known = slots_.find(serial); known != slots_.end()) return known->second;
  std::uint32_t slot = fresh_slot_;
  if (const auto own = retired_slots_.find(serial); own != retired_slots_.end()) {  // the clock is believed again
    slot = unretire(std::find_if(retired_.begin(), retired_.end(),
                                 [&](const Retired& retired) { return retired.slot == own->second; }));
  } else if (!holes_.empty()) {
    slot = *holes_.begin();
    holes_.erase(holes_.begin());
  } else if (fresh_slot_ < dataplane_.capacity().records) {
    ++fresh_slot_;
  } else if (const auto oldest = std::find_if(retired_.begin(), retired_.end(),
                                              [&](const Retired& retired) { return is_reusable(retired); });
             oldest != retired_.end()) {
    slot = unretire(oldest);
  } else {
    ++fresh_slot_;
  }
  slots_[serial] = slot;
  return slot;
}

// A grant may end, or end otherwise, long after it has let go of its slot (it was cut later, or ended while the clock was
// not believed): its record is there until the slot is given away.
std::optional<std::uint32_t> Projector::slot_held_by(std::uint64_t serial, const Grant* grant) const {
  if (const auto known = slots_.find(serial); known != slots_.end()) return known->second;
  if (!grant) return std::nullopt;
  const auto found = retired_slots_.find(serial);
  return found == retired_slots_.end() ? std::nullopt : std::optional(found->second);
}

// A serial has one slot; in maps that were written by somebody else it may have more, of which the first counts.
void Projector::retire(std::uint64_t serial, std::uint32_t slot) {
  const auto record = mirror_.records.find(slot);
  const bool cut = record != mirror_.records.end() && record->second.state != RecordState::draining;
  retired_.push_back({serial, slot, cut ? std::optional(dataplane_.flow_walks()) : std::nullopt});
  if (!slots_.contains(serial)) retired_slots_.try_emplace(serial, slot);
}

std::uint32_t Projector::unretire(std::deque<Retired>::const_iterator retired) {
  const auto slot = retired->slot;
  if (const auto known = retired_slots_.find(retired->serial); known != retired_slots_.end() && known->second == slot)
    retired_slots_.erase(known);
  retired_.erase(retired);
  return slot;
}

// Of a grant that was cut after it had ended.
void Projector::note_late_cut(std::uint64_t serial) {
  const auto slot = retired_slots_.find(serial);
  if (slot == retired_slots_.end() || mirror_.records.at(slot->second).state != RecordState::cut) return;
  for (auto& retired : retired_) {
    if (retired.slot == slot->second) retired.cut_at = dataplane_.flow_walks();
  }
}

// The walk that was under way when it was cut may have passed by its flows.
bool Projector::is_reusable(const Retired& retired) const {
  return !retired.cut_at || dataplane_.flow_walks() >= *retired.cut_at + 2;
}

std::optional<GrantUse> Projector::use_of(std::uint64_t serial) const {
  const auto slot = slots_.find(serial);
  if (slot == slots_.end()) return std::nullopt;
  return dataplane_.use_of(slot->second, serial);
}

void Projector::read_mirror(Projection maps, const Ledger& ledger) {
  mirror_ = std::move(maps);
  count_all();
  take_ids();
  take_slots(ledger);
}

void Projector::take_ids() {
  ids_.clear();
  std::set<std::uint32_t> seen{0};
  for (const auto& [key, service] : mirror_.services) {
    if (seen.insert(service.id).second) ids_[key] = service.id;  // two of one id: a broken map; the second gets its own
    last_id_ = std::max(last_id_, service.id);
  }
  for (const auto& [key, entry] : mirror_.entries) {
    seen.insert(key.service);
    last_id_ = std::max(last_id_, key.service);
  }
  free_ids_.clear();
  std::uint32_t next = 1;
  for (const auto id : seen) {
    for (; next < id && free_ids_.size() < dataplane_.capacity().counted_services; ++next) free_ids_.push_back(next);
    next = id + 1;
  }
}

void Projector::take_slots(const Ledger& ledger) {
  slots_.clear();
  holes_.clear();
  retired_.clear();
  retired_slots_.clear();
  fresh_slot_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> ended;
  for (const auto& [slot, record] : mirror_.records) {
    for (; fresh_slot_ < slot; ++fresh_slot_) holes_.insert(fresh_slot_);
    fresh_slot_ = slot + 1;
    const bool live = ledger.deadline(record.serial).has_value();
    if (!live || !slots_.try_emplace(record.serial, slot).second) ended.emplace_back(record.serial, slot);
  }
  std::sort(ended.begin(), ended.end());
  for (const auto& [serial, slot] : ended) retire(serial, slot);
}

// After a change is in force: the ids and slots of what is gone.
void Projector::let_go(const Ledger& ledger, const Touched& touched) {
  for (const auto serial : touched.grants) {
    if (ledger.deadline(serial)) continue;
    if (const auto held = slots_.extract(serial)) {
      retire(serial, held.mapped());
    } else if (const Grant* grant = ledger.grant(serial); grant && grant->ending == Ending::cut) {
      note_late_cut(serial);
    }
  }
  for (const auto& key : touched.services) {
    const auto id = ids_.find(key);
    if (id == ids_.end() || mirror_.services.contains(key)) continue;
    free_ids_.push_back(id->second);
    ids_.erase(id);
  }
}

std::size_t& Projector::Counts::of(const ServiceKey& key) {
  if (!is_exact(key)) return service_prefixes;
  return is_ipv4(key) ? services_v4 : services_v6;
}

std::size_t& Projector::Counts::of(const EntryKey& key) {
  return key.source.address.family == Family::ipv4 ? entries_v4 : entries_v6;
}

void Projector::count_all() {
  counts_ = {};
  for (const auto& [key, service] : mirror_.services) ++counts_.of(key);
  for (const auto& [key, entry] : mirror_.entries) ++counts_.of(key);
}

void Projector::count(const Step& step) {
  if (const auto* put = std::get_if<PutService>(&step); put && !mirror_.services.contains(put->key)) {
    ++counts_.of(put->key);
  } else if (const auto* erase = std::get_if<EraseService>(&step); erase && mirror_.services.contains(erase->key)) {
    --counts_.of(erase->key);
  } else if (const auto* entry = std::get_if<PutEntry>(&step); entry && !mirror_.entries.contains(entry->key)) {
    ++counts_.of(entry->key);
  } else if (const auto* gone = std::get_if<EraseEntry>(&step); gone && mirror_.entries.contains(gone->key)) {
    --counts_.of(gone->key);
  }
}

Result<void> Projector::fits(const Ledger& ledger) const {
  if (auto error = too_many_lengths(ledger)) return *error;
  if (auto error = no_room(ledger)) return *error;
  return {};
}

std::optional<Error> Projector::too_many_lengths(const Ledger& ledger) const {
  for (const auto& key : ledger.services().touched().services) {
    const auto* service = ledger.services().find(key);
    if (!service || service->lengths.size() <= prefix_lengths_max) continue;
    const auto held = mirror_.services.find(key);
    const bool grows = held == mirror_.services.end() || held->second.prefix_lengths.size() < service->lengths.size();
    if (!grows) continue;
    return Error{ErrorCode::capacity_exhausted,
                 "Live grants of " + to_string(key.address) + " port " + std::to_string(key.port) +
                     " would have sources of more than 16 different prefix lengths; ask for a source of a length that "
                     "is in use already.",
                 "",
                 {}};
  }
  return std::nullopt;
}

// Counts what the change puts beside what is there: puts come before erases, so both must fit for a moment.
std::optional<Error> Projector::no_room(const Ledger& ledger) const {
  const auto& touched = ledger.services().touched();
  const auto room = dataplane_.capacity();
  Counts peak = counts_;
  std::set<Prefix> new_addresses;
  for (const auto& key : touched.services) {
    const auto* service = ledger.services().find(key);
    if (!service || service->owners == 0 || mirror_.services.contains(key)) continue;
    ++(!is_exact(key) ? peak.service_prefixes : is_ipv4(key) ? peak.services_v4 : peak.services_v6);
    if (!mirror_.addresses.contains(key.address)) new_addresses.insert(key.address);
  }
  for (const auto& [key, source] : touched.entries) {
    const auto* service = ledger.services().find(key);
    if (!service || service->owners == 0 || !service->claims.contains(source)) continue;
    const auto id = ids_.find(key);
    if (id != ids_.end() && mirror_.entries.contains({id->second, source})) continue;
    ++(is_ipv4(key) ? peak.entries_v4 : peak.entries_v6);
  }
  const auto new_records =
      static_cast<std::size_t>(std::count_if(touched.grants.begin(), touched.grants.end(), [&](std::uint64_t serial) {
        return ledger.deadline(serial) && !slots_.contains(serial);
      }));
  const std::size_t unused = room.records > fresh_slot_ ? room.records - fresh_slot_ : 0;
  // Only what grows is held against its limit: ending grants must work on a gate that is over-full.
  if (peak.services_v4 > std::max(room.services_v4, counts_.services_v4))
    return full("IPv4 services", room.services_v4);
  if (peak.services_v6 > std::max(room.services_v6, counts_.services_v6))
    return full("IPv6 services", room.services_v6);
  if (peak.service_prefixes > std::max(room.service_prefixes, counts_.service_prefixes)) {
    return full("services on address blocks", room.service_prefixes);
  }
  if (!new_addresses.empty() && mirror_.addresses.size() + new_addresses.size() > room.addresses) {
    return full("guarded addresses", room.addresses);
  }
  if (peak.entries_v4 > std::max(room.entries_v4, counts_.entries_v4))
    return full("IPv4 grant entries", room.entries_v4);
  if (peak.entries_v6 > std::max(room.entries_v6, counts_.entries_v6))
    return full("IPv6 grant entries", room.entries_v6);
  if (new_records <= unused + holes_.size()) return std::nullopt;
  const auto reusable = static_cast<std::size_t>(
      std::count_if(retired_.begin(), retired_.end(), [&](const Retired& retired) { return is_reusable(retired); }));
  if (new_records > unused + holes_.size() + reusable) return full("live grants", room.records);
  return std::nullopt;
}

}  // namespace postern::core
