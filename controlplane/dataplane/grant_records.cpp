// SPDX-License-Identifier: Apache-2.0
// Writing and reading the arrays by slot.
#include "controlplane/dataplane/grant_records.hpp"

#include <algorithm>
#include <string>

#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"

namespace postern::dataplane {

core::Result<GrantRecords> GrantRecords::open(const loader::MapSet& maps) {
  auto records = MappedArray<gate_record>::open(maps.grant_records);
  if (!records) return records.error();
  auto usage = MappedArray<gate_usage>::open(maps.grant_usage);
  if (!usage) return usage.error();
  if (records->size() != usage->size()) return gate_error("maps grant_records and grant_usage differ in size");
  return GrantRecords(*std::move(records), *std::move(usage));
}

core::Result<void> GrantRecords::put(std::uint32_t slot, const core::RecordEntry& entry) {
  if (slot >= size())
    return core::Error{
        core::ErrorCode::capacity_exhausted,
        "slot " + std::to_string(slot) + " lies beyond the " + std::to_string(size()) + " records of map grant_records",
        "",
        {}};
  used_end_ = std::max(used_end_, slot + 1);
  gate_record& record = records_[slot];
  if (const __u64 serial = entry.serial; observe(record.serial) != serial) {
    publish(record.state, __u32{GATE_RECORD_VACANT});
    publish(usage_[slot].established, __u64{0});
    publish(usage_[slot].admitted, __u64{0});
    publish(usage_[slot].last_admitted_boot_ns, __u64{0});
    publish(usage_[slot].serial, serial);
    publish(record.serial, serial);
  }
  publish(record.session_max_ns, static_cast<__u64>(entry.session_max.count()));
  publish(record.deadline_boot_ns, __u64{deadline_ns(entry.deadline)});
  publish(record.ending, static_cast<__u32>(entry.ending));
  publish(record.state, static_cast<__u32>(entry.state));
  return {};
}

gate_record GrantRecords::get(std::uint32_t slot) const {
  if (slot >= size()) return {};
  gate_record& record = records_[slot];
  return {observe(record.serial), observe(record.deadline_boot_ns), observe(record.session_max_ns),
          observe(record.state), observe(record.ending)};
}

gate_usage GrantRecords::usage(std::uint32_t slot) const {
  gate_usage& usage = usage_[slot];
  return {observe(usage.serial), observe(usage.established), observe(usage.admitted),
          observe(usage.last_admitted_boot_ns)};
}

void GrantRecords::correct_usage(std::uint32_t slot, const gate_usage& seen, std::uint64_t flows) {
  __u64 expected = seen.established;
  std::atomic_ref<__u64>(usage_[slot].established).compare_exchange_strong(expected, flows);
}

}  // namespace postern::dataplane
