// SPDX-License-Identifier: Apache-2.0
// See snapshot_keeper.hpp.
#include "controlplane/dataplane/snapshot_keeper.hpp"

#include <type_traits>

#include "controlplane/core/reconcile.hpp"
#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"
#include "loader/boot_snapshot.hpp"

namespace postern::dataplane {

namespace {

template <class Step>
constexpr bool changes_what_is_guarded =
    std::is_same_v<Step, core::PutService> || std::is_same_v<Step, core::EraseService> ||
    std::is_same_v<Step, core::PutAddress> || std::is_same_v<Step, core::EraseAddress> ||
    std::is_same_v<Step, core::PutFailsafe> || std::is_same_v<Step, core::EraseFailsafe>;

// A grant changes the prefix lengths of its service, which the snapshot leaves out.
bool only_lengths(const core::Projection& guarded, const core::Step& step) {
  const auto* put = std::get_if<core::PutService>(&step);
  if (!put) return false;
  const auto held = guarded.services.find(put->key);
  return held != guarded.services.end() && held->second.id == put->service.id &&
         held->second.enforce == put->service.enforce && held->second.failsafe == put->service.failsafe;
}

loader::Snapshot records_of(const core::Projection& guarded) {
  loader::Snapshot records;
  for (const auto& [key, service] : guarded.services) {
    const gate_service bytes = service_value(service);
    records.push_back({loader::SnapshotKind::service, bytes.id, bytes.flags, 0, service_prefix_key(key)});
  }
  for (const auto& [address, entry] : guarded.addresses) {
    const gate_address bytes = address_value(entry);
    records.push_back({loader::SnapshotKind::address, 0, bytes.flags, bytes.services, prefix_key(address)});
  }
  for (const core::Prefix& source : guarded.failsafe_sources)
    records.push_back({loader::SnapshotKind::failsafe, 0, 0, 0, prefix_key(source)});
  return records;
}

}  // namespace

void SnapshotKeeper::read(const core::Projection& maps) {
  if (path_.empty()) return;
  guarded_ = {};
  guarded_.services = maps.services;
  guarded_.addresses = maps.addresses;
  guarded_.failsafe_sources = maps.failsafe_sources;
  known_ = true;
  dirty_ = false;
  settled_ = false;
}

void SnapshotKeeper::applied(const core::Plan& plan) {
  if (!known_) return;
  dirty_ = dirty_ || !std::exchange(settled_, true);
  for (const core::Step& step : plan) {
    const bool matters =
        std::visit([](const auto& it) { return changes_what_is_guarded<std::decay_t<decltype(it)>>; }, step);
    if (!matters) continue;
    dirty_ = dirty_ || !only_lengths(guarded_, step);
    core::play(step, guarded_);
  }
}

core::Result<void> SnapshotKeeper::save() {
  if (!dirty_) return outcome_;
  outcome_ = dataplane::outcome(loader::write_snapshot(path_, records_of(guarded_)));
  dirty_ = !outcome_;
  return outcome_;
}

}  // namespace postern::dataplane
