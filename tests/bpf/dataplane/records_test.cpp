// SPDX-License-Identifier: Apache-2.0
// A slot that changes hands under a reader who reads as the programs do (deadline, state, serial): it never finds a
// live grant with another one's deadline (I2).
#include <atomic>
#include <thread>

#include "controlplane/dataplane/grant_records.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"

using namespace postern;

namespace {

constexpr std::uint64_t deadline_of(std::uint64_t serial) {
  return serial * 1000 + 7;
}

core::RecordEntry entry_of(std::uint64_t serial, core::RecordState state) {
  return {serial, core::BootTime(std::chrono::nanoseconds(deadline_of(serial))), state, core::Ending::drain};
}

}  // namespace

TEST_CASE("a reader never finds a live grant with another one's deadline") {
  test::PinnedGate gate;
  const auto maps = gate.open();
  auto records = *dataplane::GrantRecords::open(maps);
  auto seen_by_programs = *dataplane::MappedArray<gate_record>::open(maps.grant_records);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> live{0};
  std::uint64_t wrong = 0;
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      gate_record& record = seen_by_programs[3];
      const std::uint64_t carried = dataplane::observe(record.serial);  // what a flow let in just now carries
      // A flow can be let in by a record only once that is live.
      if (dataplane::observe(record.state) != GATE_RECORD_LIVE || dataplane::observe(record.serial) != carried) continue;
      const std::uint64_t deadline = dataplane::observe(record.deadline_boot_ns);
      const std::uint32_t state = dataplane::observe(record.state);
      if (state != GATE_RECORD_LIVE || dataplane::observe(record.serial) != carried) continue;
      ++live;
      if (deadline != deadline_of(carried)) ++wrong;
    }
  });
  // Longer on a busy host, until the reader has had its turn.
  for (std::uint64_t serial = 1; serial <= 2'000'000 || (live < 1000 && serial <= 2'000'000'000); ++serial) {
    if (!records.put(3, entry_of(serial, core::RecordState::live))) break;
  }
  stop = true;
  reader.join();
  CHECK(wrong == 0);
  CHECK(live >= 1000);
}
