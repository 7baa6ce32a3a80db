// SPDX-License-Identifier: Apache-2.0
// Opens the maps, notices when they are others, and hands each call to the part that does it.
#include "controlplane/dataplane/map_dataplane.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>

#include <cerrno>
#include <utility>

#include "controlplane/dataplane/answers.hpp"
#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/event_bytes.hpp"
#include "controlplane/dataplane/explain.hpp"
#include "controlplane/dataplane/failure.hpp"
#include "controlplane/dataplane/flow_sweeper.hpp"
#include "controlplane/dataplane/gate_status.hpp"
#include "controlplane/dataplane/grant_records.hpp"
#include "controlplane/dataplane/plan_writer.hpp"
#include "controlplane/dataplane/projection.hpp"
#include "loader/instance.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

namespace {

constexpr std::size_t events_per_call = 1024;  // of each ring

std::uint64_t clock_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(time.tv_nsec);
}

loader::Instance instance_of(const DataplaneOptions& options) {
  return {options.run_dir, options.instance};
}

// One daemon for a gate, also if another has a store and a socket of its own. A new gate has a new folder.
core::Result<loader::Fd> lock_maps(const loader::Instance& instance) {
  const std::filesystem::path path = loader::map_folder(instance.bpffs());
  loader::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return gate_error(loader::system_error("opening " + path.string(), errno));
  if (::flock(folder.get(), LOCK_EX | LOCK_NB) == 0) return folder;
  if (errno != EWOULDBLOCK) return gate_error(loader::system_error("locking " + path.string(), errno));
  return gate_error("another posternd rules the gate " + instance.name + " (`fuser " + path.string() +
                    "` shows it); one of the two must be stopped");
}

}  // namespace

struct MapDataplane::Opened {
  Opened(loader::Fd lock, std::unique_ptr<loader::MapSet> set, loader::LoaderResult<loader::RingSet> opened_rings,
         GrantRecords array, Adoption& adoption, std::size_t flows_per_sweep)
      : rings(std::move(opened_rings)),
        sole_writer(std::move(lock)),
        maps(std::move(set)),
        records(std::move(array)),
        writer(*maps, records, adoption),
        sweeper(*maps, records, flows_per_sweep) {}

  loader::LoaderResult<loader::RingSet> rings;  // a gate whose events cannot be read still guards
  loader::Fd sole_writer;                       // the lock, as long as this is open
  std::unique_ptr<loader::MapSet> maps;         // on the heap: the records refer to it
  GrantRecords records;
  PlanWriter writer;
  FlowSweeper sweeper;
};

MapDataplane::MapDataplane(DataplaneOptions options)
    : options_(std::move(options)),
      adoption_(options_.adoption_socket.empty() ? instance_of(options_).folder() / "adopt.sock"
                                                 : options_.adoption_socket),
      snapshot_(options_.snapshot),
      routes_(instance_of(options_)) {}
MapDataplane::~MapDataplane() = default;

core::Result<MapDataplane::Opened*> MapDataplane::open() {
  opened_.reset();
  auto maps = loader::MapSet::open(instance_of(options_).bpffs());
  if (!maps) return gate_error(maps.error());
  auto set = std::make_unique<loader::MapSet>(*std::move(maps));
  // Until then the loader fills them, from the boot snapshot.
  const auto configured = set->config.lookup(0);
  if (!configured) return gate_error(configured.error());
  if (configured->value_or(gate_config{}).abi == 0)
    return gate_error("postern-loader is still making the maps of gate " + options_.instance +
                      "; if it was killed, `postern-loader attach` again");
  auto lock = lock_maps(instance_of(options_));
  if (!lock) return lock.error();
  auto records = GrantRecords::open(*set);
  if (!records) return records.error();
  opened_ = std::make_unique<Opened>(*std::move(lock), std::move(set),
                                     loader::RingSet::open(instance_of(options_).bpffs()), *std::move(records),
                                     adoption_, options_.flows_per_sweep);
  ++openings_;
  return opened_.get();
}

// After a detach our descriptors still name the old maps, which no program reads any more: to write there would be
// to answer "open" while nothing opens.
core::Result<void> MapDataplane::still_named() const {
  if (!opened_) return gate_error("the maps of gate " + options_.instance + " have not been read yet");
  const auto pinned = loader::BpfMap<__u32, gate_config>::open(
      (loader::map_folder(instance_of(options_).bpffs()) / "config").string(), BPF_MAP_TYPE_ARRAY);
  if (!pinned) return gate_error(pinned.error());
  if (pinned->info().id == opened_->maps->config.info().id) return {};
  return gate_error("the gate " + options_.instance + " was loaded anew: its maps must be filled again");
}

core::Result<MapDataplane::Opened*> MapDataplane::current() {
  if (auto same = still_named(); !same) {
    opened_.reset();
    return same.error();
  }
  return opened_.get();
}

core::Result<core::Projection> MapDataplane::read() {
  const auto opened = open();
  if (!opened) return opened.error();
  if (auto settled = (*opened)->writer.settle_flags(); !settled) return settled.error();
  static_cast<void>(watch_ports(*(*opened)->maps, options_.watched_ports));  // a gate that notes nothing still guards
  auto projection = read_projection(*(*opened)->maps, (*opened)->records);
  if (projection) snapshot_.read(*projection);
  return projection;
}

core::Capacity MapDataplane::capacity() const {
  if (!opened_) return {};
  const loader::MapSet& maps = *opened_->maps;
  core::Capacity capacity;
  capacity.services_v4 = maps.services_v4.info().max_entries;
  capacity.services_v6 = maps.services_v6.info().max_entries;
  capacity.service_prefixes = maps.service_prefixes.info().max_entries;
  capacity.addresses = maps.guarded_addresses.info().max_entries;
  capacity.entries_v4 = maps.grants_v4.info().max_entries;
  capacity.entries_v6 = maps.grants_v6.info().max_entries;
  capacity.records = maps.grant_records.info().max_entries;
  capacity.counted_services = maps.service_counters.info().max_entries;
  capacity.failsafe_sources = maps.failsafe_sources.info().max_entries;
  return capacity;
}

core::Result<void> MapDataplane::apply(const core::Plan& plan) {
  const auto opened = current();
  if (!opened) return opened.error();
  if (auto written = (*opened)->writer.write(plan); !written) {
    snapshot_.lost();
    return written;
  }
  snapshot_.applied(plan);
  // The gate guards now, whether this succeeds or not; standing() tells, sweep_flows() tries again.
  static_cast<void>(snapshot_.save());
  return {};
}

// Opens the maps for itself: were it to keep new ones, apply() would write to maps that nobody has reconciled.
core::Result<core::GateStatus> MapDataplane::status() {
  const loader::Instance instance = instance_of(options_);
  const auto maps = loader::MapSet::open(instance.bpffs());
  if (!maps) return gate_error(maps.error());
  auto status = read_status(*maps, instance);
  if (status && opened_) status->one_way_connections = opened_->sweeper.one_way();
  return status;
}

core::Result<void> MapDataplane::standing() const {
  if (auto same = still_named(); !same) return same;
  if (auto stands = check_standing(*opened_->maps, instance_of(options_)); !stands) return stands;
  if (const auto& saved = snapshot_.outcome(); !saved)
    return gate_error("it does, but after a reboot it would guard by an older list: " + saved.error().message);
  return {};
}

core::Result<core::Verdict> MapDataplane::explain(const core::Probe& probe, core::BootTime at) {
  const auto opened = current();
  if (!opened) return opened.error();
  return run_explain(*(*opened)->maps, instance_of(options_), probe, at);
}

core::Result<std::size_t> MapDataplane::sweep_flows() {
  const auto opened = current();
  if (!opened) return opened.error();
  static_cast<void>(snapshot_.save());
  return (*opened)->sweeper.sweep({clock_ns(CLOCK_MONOTONIC_COARSE), clock_ns(CLOCK_BOOTTIME)});
}

std::uint64_t MapDataplane::flow_walks() const {
  return opened_ ? opened_->sweeper.walks() : 0;
}

core::Result<std::size_t> MapDataplane::read_events(core::EventSink& sink) {
  if (!opened_) return std::size_t{0};
  std::size_t count = 0;
  for (const core::FlowEvent& closed : opened_->sweeper.take_closed()) {
    sink.take(closed);
    ++count;
  }
  for (const core::FlowEvent& seen : opened_->sweeper.take_seen()) {
    sink.take(seen);
    ++count;
  }
  if (!opened_->rings) return gate_error(opened_->rings.error());
  const auto hand_over = [&sink](const auto& record) { sink.take(event(record)); };
  const auto flows = opened_->rings->flow_events.read(events_per_call, hand_over);
  if (!flows) return gate_error(flows.error());
  const auto drops = opened_->rings->drop_events.read(events_per_call, hand_over);
  if (!drops) return gate_error(drops.error());
  return count + *flows + *drops;
}

std::optional<core::GrantUse> MapDataplane::use_of(std::uint32_t slot, std::uint64_t serial) const {
  if (!opened_ || slot >= opened_->records.size()) return std::nullopt;
  const gate_usage usage = opened_->records.usage(slot);
  if (usage.serial != serial) return std::nullopt;
  core::GrantUse use{usage.admitted, usage.established, std::nullopt};
  if (usage.last_admitted_boot_ns != 0) use.last_admitted = deadline(usage.last_admitted_boot_ns);
  return use;
}

core::Result<std::vector<core::ServiceCount>> MapDataplane::service_counts() {
  const auto opened = current();
  if (!opened) return opened.error();
  return read_service_counts(*(*opened)->maps);
}

core::Result<std::vector<core::Answer>> MapDataplane::answers() {
  const auto opened = current();
  if (!opened) return opened.error();
  return read_answers(*(*opened)->maps);
}

int MapDataplane::event_readiness() const {
  return opened_ && opened_->rings ? opened_->rings->readiness.get() : -1;
}

}  // namespace postern::dataplane
