// SPDX-License-Identifier: Apache-2.0
// The maps as a value. Plans are really carried out, step by step, and after each single step the double asks what a
// packet would meet at that moment: mistakes in a plan's order show as violations (I1, I3, I7).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "controlplane/core/ports.hpp"
#include "tests/support/fuse.hpp"

namespace postern::tests {

// What packets meet: which services are guarded, and who is admitted to them until when.
struct Verdicts {
  std::set<core::ServiceKey> guarded, enforced;
  std::map<std::pair<core::ServiceKey, core::Prefix>, core::Entry> admitted;
};
Verdicts verdicts_of(const core::Projection& maps);

class RecordingDataplane : public core::Dataplane {
 public:
  explicit RecordingDataplane(Fuse& fuse) : fuse_(fuse) {}

  core::Result<core::Projection> read() override;
  core::Capacity capacity() const override { return room; }
  core::Result<void> apply(const core::Plan& plan) override;
  core::Result<core::GateStatus> status() override {
    if (lasts == 0) return core::Error{core::ErrorCode::gate_failed, "no such map", "", {}};
    return core::GateStatus{};
  }
  core::Result<core::Verdict> explain(const core::Probe& probe, core::BootTime at) override {
    asked = {probe, at};
    return told;
  }
  core::Result<void> standing() const override { return {}; }
  core::Result<std::size_t> sweep_flows() override { return std::size_t{0}; }
  std::uint64_t flow_walks() const override { return walks; }
  core::Result<std::size_t> read_events(core::EventSink&) override { return std::size_t{0}; }
  std::optional<core::GrantUse> use_of(std::uint32_t slot, std::uint64_t serial) const override;
  core::Result<std::vector<core::ServiceCount>> service_counts() override;
  core::Result<std::vector<core::Answer>> answers() override { return heard; }
  core::Route route_to(const core::Prefix& address) override {
    const auto route = routes.find(address);
    return route == routes.end() ? core::Route{} : route->second;
  }

  void reboot() { maps = {}; }
  std::size_t lasts = SIZE_MAX;  // so many reads and steps more; then it fails by itself, whatever the store does

  core::Projection maps;
  core::Capacity room{100, 100, 100, 100, 1000, 1000, 1000, 100, 100};
  std::vector<std::string> violations;
  std::function<bool(std::uint64_t serial)> committed;  // set: only such grants may have entries
  std::pair<core::Probe, core::BootTime> asked;         // by explain …
  core::Verdict told;                                   // … which answers this
  std::size_t steps = 0;
  std::uint32_t cut_generation = 0;
  std::uint64_t walks = 0;
  std::map<std::uint64_t, core::GrantUse> uses;  // by serial
  std::map<core::Prefix, core::Route> routes;
  std::vector<core::Answer> heard;  // from watched ports that nobody guards

 private:
  void carry_out(const core::Step& step, core::Projection& on);
  void judge(const core::Projection& before, const core::Projection& after, const core::Step& step);
  void judge_verdicts(const Verdicts& before, const Verdicts& after, const std::string& when);
  void judge_tables(const core::Projection& before, const std::string& when);

  bool fails() { return fuse_.fails() || lasts == 0 || lasts-- == 0; }

  Fuse& fuse_;
};

}  // namespace postern::tests
