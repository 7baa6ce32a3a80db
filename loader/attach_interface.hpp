// SPDX-License-Identifier: Apache-2.0
// One interface of an attach: what stands there now and whether it may be ours (the plan, nothing touched), then the
// programs put in place. Part of attach.cpp.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "loader/egress.hpp"
#include "loader/gate.hpp"
#include "loader/ingress.hpp"
#include "loader/interface.hpp"
#include "loader/undo.hpp"

namespace postern::loader {

struct InterfacePlan {
  Interface interface;
  Way way = Way::link;
  ModeChoice mode = ModeChoice::native;
  std::optional<AttachRecord> before;            // of this very interface
  std::optional<std::uint32_t> ingress, egress;  // our programs that stand there now
  bool stale_link = false;                       // a pin of an interface that is gone
  std::optional<GateObject> dispatched;          // dispatcher: an object of its own for each interface

  bool replaces() const { return ingress.has_value(); }
};

// To be called before planning: an interface that was renamed is known by its index.
LoaderResult<void> follow_rename(const Instance& instance, const Interface& interface, gid_t group);
// Refuses what another has taken, each with a sentence that says what to do.
LoaderResult<InterfacePlan> plan_interface(const Instance& instance, const Interface& interface, ModeChoice mode,
                                           bool dispatcher);

// The loaded programs, and the plans they were loaded for.
class LoadedGate {
 public:
  // Makes (or finds) the maps, loads egress and explain, and ingress as the plans need it.
  static LoaderResult<LoadedGate> load(const Instance& instance, const TableSizes& sizes,
                                       std::vector<InterfacePlan> plans);
  LoaderResult<void> pin_explain(const Instance& instance, gid_t group, Undo& undo) const;
  std::vector<InterfacePlan>& plans() { return plans_; }
  int egress_fd() const { return egress_->program_fd(); }
  int ingress_fd() const { return ingress_->program_fd(); }

 private:
  std::vector<InterfacePlan> plans_;
  std::optional<GateObject> egress_, explain_, ingress_;
};

// Egress first: from its first packet on ingress relies on what egress has learnt.
LoaderResult<AttachRecord> attach_interface(const Instance& instance, const LoadedGate& gate, const InterfacePlan& plan,
                                            gid_t group, Undo& undo, std::vector<std::string>& warnings);
// With a dispatcher the replaced program stands beside the new one until now.
LoaderResult<void> retire_replaced(const InterfacePlan& plan);

}  // namespace postern::loader
