// SPDX-License-Identifier: Apache-2.0
// Dumps of the maps into core::Projection.
#include "controlplane/dataplane/projection.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"

namespace postern::dataplane {

namespace {

// Elements come in the hash's order; sorted first, they enter the map at its end without a search.
template <class Key, class Value>
class Collected {
 public:
  template <class Map, class Decode>
  std::optional<core::Error> add(const Map& map, Decode decode) {
    auto walked = map.for_each([&](const auto& key, const auto& value) { items_.push_back(decode(key, value)); });
    if (!walked) return gate_error(walked.error());
    return std::nullopt;
  }
  void move_to(std::map<Key, Value>& to) {
    std::sort(items_.begin(), items_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& item : items_) to.emplace_hint(to.end(), std::move(item));
  }

 private:
  std::vector<std::pair<Key, Value>> items_;
};

std::optional<core::Error> read_services(const loader::MapSet& maps, core::Projection& into) {
  const auto decode = [](const auto& key, const gate_service& value) {
    return std::pair(service_key(key), service_entry(value));
  };
  Collected<core::ServiceKey, core::ServiceEntry> services;
  if (auto failed = services.add(maps.services_v4, decode)) return failed;
  if (auto failed = services.add(maps.services_v6, decode)) return failed;
  if (auto failed = services.add(maps.service_prefixes, decode)) return failed;
  services.move_to(into.services);
  return std::nullopt;
}

std::optional<core::Error> read_entries(const loader::MapSet& maps, core::Projection& into) {
  const auto decode = [](const auto& key, const gate_grant& value) { return std::pair(entry_key(key), entry(value)); };
  Collected<core::EntryKey, core::Entry> entries;
  if (auto failed = entries.add(maps.grants_v4, decode)) return failed;
  if (auto failed = entries.add(maps.grants_v6, decode)) return failed;
  entries.move_to(into.entries);
  return std::nullopt;
}

void read_records(const GrantRecords& records, core::Projection& into) {
  for (std::uint32_t slot = 0; slot < records.size(); ++slot) {
    const gate_record record = records.get(slot);
    if (record.state == GATE_RECORD_VACANT) continue;
    into.records.emplace_hint(
        into.records.end(), slot,
        core::RecordEntry{record.serial, deadline(record.deadline_boot_ns),
                          static_cast<core::RecordState>(record.state), static_cast<core::Ending>(record.ending),
                          std::chrono::nanoseconds(record.session_max_ns)});
  }
}

std::optional<core::Error> read_ports(const loader::MapSet& maps, core::Projection& into) {
  const auto walked = maps.guarded_ports.for_each([&](__u32 word, __u64 bits) {
    const bool udp = word >= GATE_GUARDED_PORTS_UDP_WORD;
    const __u32 first = (word - (udp ? GATE_GUARDED_PORTS_UDP_WORD : 0)) * 64;
    for (; bits != 0; bits &= bits - 1)
      into.ports.emplace(udp ? core::Protocol::udp : core::Protocol::tcp,
                         static_cast<std::uint16_t>(first + static_cast<__u32>(std::countr_zero(bits))));
  });
  if (!walked) return gate_error(walked.error());
  return std::nullopt;
}

std::optional<core::Error> read_addresses(const loader::MapSet& maps, core::Projection& into) {
  auto walked = maps.guarded_addresses.for_each([&](const gate_prefix_key& key, const gate_address& value) {
    into.addresses.emplace(prefix(key), address_entry(value));
  });
  if (!walked) return gate_error(walked.error());
  walked = maps.failsafe_sources.for_each([&](const gate_prefix_key& key, const gate_failsafe& value) {
    if (value.owner == GATE_FAILSAFE_ADMIN) into.failsafe_sources.insert(prefix(key));
  });
  if (!walked) return gate_error(walked.error());
  return std::nullopt;
}

}  // namespace

core::Result<core::Projection> read_projection(const loader::MapSet& maps, const GrantRecords& records) {
  core::Projection projection;
  if (auto failed = read_services(maps, projection)) return *failed;
  if (auto failed = read_entries(maps, projection)) return *failed;
  read_records(records, projection);
  if (auto failed = read_addresses(maps, projection)) return *failed;
  if (auto failed = read_ports(maps, projection)) return *failed;
  return projection;
}

}  // namespace postern::dataplane
