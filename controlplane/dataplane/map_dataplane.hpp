// SPDX-License-Identifier: Apache-2.0
// core::Dataplane over the gate's pinned maps: the only place where domain meets bytes. Opens the maps when they are
// first needed and again when the loader made new ones, so that the daemon may start before the gate; until then every
// call is a gate_failed with a sentence. Needs no right but those of the pins. All calls on one thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "controlplane/core/ports.hpp"
#include "controlplane/dataplane/adoption.hpp"
#include "controlplane/dataplane/kernel_routes.hpp"
#include "controlplane/dataplane/snapshot_keeper.hpp"

namespace postern::dataplane {

struct DataplaneOptions {
  std::filesystem::path run_dir = "/run/postern";
  std::string instance = "gate";        // the bpffs is run_dir/instance/bpf
  std::filesystem::path adoption_socket = {};  // run_dir/instance/adopt.sock if empty
  std::filesystem::path snapshot = {};  // of what is guarded, for the next boot; empty: none is written
  std::vector<std::uint16_t> watched_ports = {};  // whose unguarded answers are noted
  std::size_t flows_per_sweep = 16384;  // how many flows one sweep_flows() looks at
};

class MapDataplane final : public core::Dataplane {
 public:
  explicit MapDataplane(DataplaneOptions options);
  ~MapDataplane() override;

  // Refused while another has read these maps: two that write them would undo each other's work.
  core::Result<core::Projection> read() override;
  core::Capacity capacity() const override;  // all 0 while there is no gate
  // Errors: capacity_exhausted if a map is full, else gate_failed; also if the loader made new maps since the last
  // read(), which hold nothing yet.
  core::Result<void> apply(const core::Plan& plan) override;
  core::Result<core::GateStatus> status() override;
  core::Result<void> standing() const override;
  core::Result<core::Verdict> explain(const core::Probe& probe, core::BootTime at) override;
  core::Result<std::size_t> sweep_flows() override;
  // Why open sessions may not have been taken over the last time a port became guarded; empty if they were.
  std::string adoption_trouble() const { return adoption_.trouble(); }
  std::uint64_t flow_walks() const override;
  core::Result<std::size_t> read_events(core::EventSink& sink) override;
  std::optional<core::GrantUse> use_of(std::uint32_t slot, std::uint64_t serial) const override;
  core::Result<std::vector<core::ServiceCount>> service_counts() override;
  core::Result<std::vector<core::Answer>> answers() override;
  core::Route route_to(const core::Prefix& address) override { return routes_.to(address); }

  // Readable while there is something for read_events(); lent until read() is called again; -1 without a gate.
  int event_readiness() const;
  std::uint64_t openings() const { return openings_; }  // rises when the maps are opened anew

 private:
  struct Opened;
  core::Result<Opened*> open();
  core::Result<Opened*> current();         // opened, and still what the pins name
  core::Result<void> still_named() const;  // whether it would be

  DataplaneOptions options_;
  Adoption adoption_;
  std::unique_ptr<Opened> opened_;
  std::uint64_t openings_ = 0;
  SnapshotKeeper snapshot_;
  KernelRoutes routes_;
};

}  // namespace postern::dataplane
