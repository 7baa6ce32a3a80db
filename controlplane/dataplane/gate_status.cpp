// SPDX-License-Identifier: Apache-2.0
// Sums over the CPUs and the loader's notes.
#include "controlplane/dataplane/gate_status.hpp"

#include <string>

#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"
#include "loader/attach_record.hpp"

namespace postern::dataplane {

namespace {

core::Result<gate_counter> sum(const loader::BpfMap<__u32, gate_counter>& map, __u32 index) {
  const auto values = map.lookup_per_cpu(index);
  if (!values) return gate_error(values.error());
  gate_counter total{};
  for (const gate_counter& value : *values) {
    total.packets += value.packets;
    total.bytes += value.bytes;
  }
  return total;
}

struct Name {
  const char* name;
  __u32 number;
  bool pass;
};

constexpr Name reasons[] = {
#define POSTERN_REASON(name, number, verdict, text) {#name, number, (verdict) == GATE_PASS},
    GATE_REASONS(POSTERN_REASON)
#undef POSTERN_REASON
};

constexpr Name tallies[] = {
#define POSTERN_TALLY(name, number, text) {#name, number, false},
    GATE_TALLIES(POSTERN_TALLY)
#undef POSTERN_TALLY
};

template <std::size_t Size>
core::Result<std::vector<core::ReasonCount>> read_counts(const loader::BpfMap<__u32, gate_counter>& map,
                                                         const Name (&names)[Size]) {
  std::vector<core::ReasonCount> counts;
  for (const Name& name : names) {
    const auto total = sum(map, name.number);
    if (!total) return total.error();
    counts.push_back({name.name, name.pass, total->packets, total->bytes});
  }
  return counts;
}

}  // namespace

core::Result<core::GateStatus> read_status(const loader::MapSet& maps, const loader::Instance& instance) {
  core::GateStatus status;
  status.instance = instance.name;
  const auto config = maps.config.lookup(0);
  if (!config) return gate_error(config.error());
  const gate_config settings = config->value_or(gate_config{});
  status.abi = settings.abi;
  if (settings.unconfirmed_boot_ns != 0) status.unconfirmed_until = deadline(settings.unconfirmed_boot_ns);
  for (const loader::AttachRecord& record : loader::read_attach_records(instance))
    status.interfaces.push_back(record.interface + " (" + to_string(record.mode) + ", " + to_string(record.way) + ")");
  auto by_reason = read_counts(maps.counters, reasons);
  if (!by_reason) return by_reason.error();
  auto by_tally = read_counts(maps.tallies, tallies);
  if (!by_tally) return by_tally.error();
  status.reasons = *std::move(by_reason);
  status.tallies = *std::move(by_tally);
  return status;
}

}  // namespace postern::dataplane
