// SPDX-License-Identifier: Apache-2.0
// Sums over the CPUs and the loader's notes.
#include "controlplane/dataplane/gate_status.hpp"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"
#include "loader/attach_record.hpp"
#include "loader/interface.hpp"
#include "loader/tc_hook.hpp"

namespace postern::dataplane {

namespace {

std::uint64_t boot_time_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

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

// While a loader is at work, programs and records are not of one moment.
bool loader_at_work(const loader::Instance& instance) {
  const loader::Fd folder(::open(instance.folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.valid() && ::flock(folder.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

core::Result<void> check_interface(const loader::AttachRecord& record, bool at_work) {
  if (record.network_namespace != loader::network_namespace()) return {};  // out of our sight
  const std::string again = "; `postern-loader attach --interface " + record.interface + "` guards it again";
  const loader::Interface interface { loader::interface_name(record.index), record.index };
  if (interface.name.empty())
    return gate_error("the interface " + record.interface + " is gone, or was made anew" + again + ", `postern-loader detach " +
                      "--interface " + record.interface + "` forgets it.");
  __u32 program = 0;
  const bool known = bpf_xdp_query_id(record.index, 0, &program) == 0;
  if (known && program == 0)
    return gate_error("its program is gone from the interface " + record.interface + again + ".");
  if (known && !at_work && record.way == loader::Way::link && record.ingress_program != 0 && program != record.ingress_program)
    return gate_error("another program (id " + std::to_string(program) + ") stands in its place on the interface " +
                      record.interface + ": take that off" + again + ".");
  const auto egress = loader::egress_program(interface);
  if (!egress)
    return gate_error("its filter is gone from the egress hook of the interface " + record.interface +
                      ", so no flow is learnt" + again + ".");
  if (!at_work && record.egress_program != 0 && *egress != record.egress_program)
    return gate_error("another program (id " + std::to_string(*egress) + ") stands in its place at the egress hook of the " +
                      "interface " + record.interface + again + ".");
  return {};
}

}  // namespace

core::Result<void> check_standing(const loader::MapSet& maps, const loader::Instance& instance) {
  const auto config = maps.config.lookup(0);
  if (!config) return gate_error(config.error());
  const std::uint64_t until = config->value_or(gate_config{}).unconfirmed_boot_ns;
  if (until != 0 && until <= boot_time_ns())
    return gate_error("nobody confirmed the attach in time, so everything passes; `postern-loader confirm` or `detach`.");
  const bool at_work = loader_at_work(instance);
  const auto records = loader::read_attach_records(instance);
  if (records.empty()) return gate_error("it is on no interface; `postern-loader attach` puts it there.");
  for (const loader::AttachRecord& record : records) {
    const auto stands = check_interface(record, at_work);
    if (stands) continue;
    const auto newer = loader::read_attach_record(instance, record.interface);
    if (!newer || !check_interface(*newer, loader_at_work(instance))) return stands;
  }
  return {};
}

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

core::Result<std::vector<core::ServiceCount>> read_service_counts(const loader::MapSet& maps) {
  std::vector<std::pair<core::ServiceKey, gate_service>> services;
  const auto collect = [&](const auto& key, const gate_service& value) {
    services.emplace_back(service_key(key), value);
  };
  if (auto walked = maps.services_v4.for_each(collect); !walked) return gate_error(walked.error());
  if (auto walked = maps.services_v6.for_each(collect); !walked) return gate_error(walked.error());
  if (auto walked = maps.service_prefixes.for_each(collect); !walked) return gate_error(walked.error());
  std::vector<core::ServiceCount> counts;
  for (const auto& [key, service] : services) {
    if (service.id >= maps.service_counters.info().max_entries) continue;
    const auto values = maps.service_counters.lookup_per_cpu(service.id);
    if (!values) return gate_error(values.error());
    core::ServiceCount& count =
        counts.emplace_back(core::ServiceCount{key, (service.flags & GATE_SERVICE_ENFORCE) != 0, 0, 0, 0});
    for (const gate_service_counter& value : *values) {
      count.dropped += value.dropped;
      count.would_be_dropped += value.would_be;
      count.admitted += value.admitted;
    }
  }
  std::sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
  return counts;
}

}  // namespace postern::dataplane
