// SPDX-License-Identifier: Apache-2.0
// Reading how a gate stands, see status.hpp.
#include "loader/status.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "loader/egress.hpp"
#include "loader/gate.hpp"
#include "loader/ingress.hpp"
#include "loader/settings.hpp"

namespace postern::loader {
namespace {

InterfaceStatus read_interface(const Instance& instance, const AttachRecord& record) {
  InterfaceStatus status;
  status.record = record;
  if (record.network_namespace != network_namespace()) {
    status.elsewhere = network_namespace_lives(record.network_namespace);
    return status;
  }
  const Interface interface { interface_name(record.index), record.index };
  status.present = !interface.name.empty();
  status.name_now = interface.name;
  status.made_anew = !status.present && interface_index(record.interface) != 0;
  if (!status.present) return status;
  if (record.way == Way::dispatcher) {
    status.ingress = is_dispatched(interface, record.ingress_program);
  } else {
    // The links are root's; the group is told by what stands at the hook.
    const auto link = read_link(instance.ingress_link(record.interface));
    const auto hook = xdp_hook(interface);
    status.ingress = ::geteuid() == 0 ? link && link->interface_index == interface.index
                                      : hook && hook->program != 0 && hook->program == record.ingress_program;
  }
  const auto egress = egress_program(interface);
  status.egress = egress && is_ours(instance, *egress, record.egress_program);
  return status;
}

template <class Map>
LoaderResult<std::uint64_t> count_entries(const Map& map) {
  std::uint64_t entries = 0;
  auto walked = map.for_each([&entries](const auto&, const auto&) { ++entries; });
  if (!walked) return walked.error();
  return entries;
}

LoaderResult<void> read_tables(const MapSet& maps, std::vector<TableStatus>& tables) {
#define POSTERN_COUNT(map, key, value)                                                                     \
  if (const auto type = map_type(#map); type != BPF_MAP_TYPE_ARRAY && type != BPF_MAP_TYPE_PERCPU_ARRAY) { \
    const auto entries = count_entries(maps.map);                                                          \
    if (!entries) return entries.error();                                                                  \
    tables.push_back({#map, *entries, maps.map.info().max_entries});                                       \
  }
  GATE_MAPS(POSTERN_COUNT)
#undef POSTERN_COUNT
  return {};
}

LoaderResult<gate_counter> sum(const BpfMap<__u32, gate_counter>& map, __u32 index) {
  const auto values = map.lookup_per_cpu(index);
  if (!values) return values.error();
  gate_counter total{};
  for (const gate_counter& value : *values) {
    total.packets += value.packets;
    total.bytes += value.bytes;
  }
  return total;
}

LoaderResult<void> read_counters(const MapSet& maps, GateStatus& status) {
  const auto add = [](const BpfMap<__u32, gate_counter>& map, __u32 index, CounterStatus counter,
                      std::vector<CounterStatus>& into) -> LoaderResult<void> {
    const auto total = sum(map, index);
    if (!total) return total.error();
    counter.packets = total->packets;
    counter.bytes = total->bytes;
    if (counter.packets != 0) into.push_back(std::move(counter));
    return {};
  };
#define POSTERN_REASON(name, number, verdict, text) \
  if (auto read = add(maps.counters, number, {#name, text, (verdict) == GATE_DROP}, status.reasons); !read) return read;
  GATE_REASONS(POSTERN_REASON)
#undef POSTERN_REASON
#define POSTERN_TALLY(name, number, text) \
  if (auto read = add(maps.tallies, number, {#name, text}, status.tallies); !read) return read;
  GATE_TALLIES(POSTERN_TALLY)
#undef POSTERN_TALLY
  return {};
}

}  // namespace

bool GateStatus::whole() const {
  const bool standing = std::all_of(interfaces.begin(), interfaces.end(), [](const InterfaceStatus& it) {
    return it.elsewhere || (it.present && it.ingress && it.egress);
  });
  return attached() && standing && abi != 0 && !stands_open();
}

LoaderResult<GateStatus> read_status(const Instance& instance) {
  if (auto named = check_instance_name(instance.name); !named) return named.error();
  if (::access(instance.folder().c_str(), R_OK) != 0 && errno != ENOENT)
    return system_error("read " + instance.folder().string() + " (as root, or in the group of the gate)", errno);
  GateStatus status;
  status.instance = instance;
  status.now_boot_ns = boot_time_ns();
  for (const AttachRecord& record : read_attach_records(instance))
    status.interfaces.push_back(read_interface(instance, record));
  const auto abis = abis_present(instance);
  if (abis.empty()) return status;
  const auto maps = MapSet::open(instance.bpffs());
  if (!maps) return maps.error();
  const auto config = read_config(*maps);
  if (!config) return config.error();
  status.abi = GATE_ABI;
  status.unconfirmed_boot_ns = config->unconfirmed_boot_ns;
  if (auto read = read_tables(*maps, status.tables); !read) return read.error();
  if (auto read = read_counters(*maps, status); !read) return read.error();
  return status;
}

}  // namespace postern::loader
