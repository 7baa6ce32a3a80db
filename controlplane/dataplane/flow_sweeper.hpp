// SPDX-License-Identifier: Apache-2.0
// Walks the flow tables a bounded stretch at a time, removes dead flows, and after each full walk of the established
// ones sets every grant's count right, and that of what was learned. Keeps its place between calls; flows that come and go meanwhile are met on a
// later walk.
#pragma once

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "controlplane/core/events.hpp"
#include "controlplane/core/result.hpp"
#include "controlplane/dataplane/flow_death.hpp"
#include "controlplane/dataplane/grant_records.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

class FlowSweeper {
 public:
  // Maps and records must outlive it. `flows_per_call`: how many flows one call looks at, at most (about).
  FlowSweeper(const loader::MapSet& maps, GrantRecords& records, std::size_t flows_per_call = 16384)
      : maps_(maps), records_(records), flows_per_call_(flows_per_call) {}

  // How many flows were removed. Stops early where the walk of all six tables ends. After an error the walk begins anew.
  core::Result<std::size_t> sweep(const SweepTime& now);
  // True if the last call ended a walk: the next one begins anew.
  bool at_start() const { return stage_ == 0 && !started_; }
  std::uint64_t walks() const { return walks_; }  // that have ended
  // Of the half-open flows that the last whole walk left.
  std::size_t one_way() const { return one_way_; }
  // The established flows it has removed, or found over-long, since it was last asked, but those that were learned.
  std::vector<core::FlowEvent> take_closed() { return std::exchange(closed_, {}); }
  // All that are open, but the learned, as the first walk meets them; of every 60th walk after it, the first 2000: their
  // counters as they are now.
  std::vector<core::FlowEvent> take_seen() { return std::exchange(seen_, {}); }

 private:
  struct Count {
    std::uint64_t serial = 0, flows = 0;
  };
  core::Result<std::size_t> walk_on(const SweepTime& now);
  void begin_anew();
  template <class Map, class Dead>
  core::Result<std::size_t> sweep_table(const Map& map, Dead dead, std::size_t& budget, const SweepTime* established);
  template <class Map, class Dead>
  core::Result<std::optional<gate_flow>> remove_if_dead(const Map& map, const typename Map::key_type& key, Dead dead);
  template <class Map>
  core::Result<void> end_overlong(const Map& map, const typename Map::key_type& key, const SweepTime& now);
  template <class Key>
  void tell_end(const Key& key, const gate_flow& flow, gate_flow_end end, const SweepTime& now);
  void count(const gate_flow& flow);
  bool tells_of(const gate_flow& flow);
  core::Result<void> recount();

  const loader::MapSet& maps_;
  GrantRecords& records_;
  std::size_t flows_per_call_;
  int stage_ = 0;  // which table: established, half-open, learning, v4 and v6 of each
  bool started_ = false;
  std::uint64_t walks_ = 0;
  std::size_t one_way_ = 0, one_way_so_far_ = 0;
  std::vector<core::FlowEvent> closed_, seen_;
  std::size_t told_ = 0;  // of seen ones, in this walk
  loader::BatchCursor cursor_;
  std::unordered_map<std::uint32_t, Count> counts_;  // by slot, of this walk
  std::uint64_t learned_ = 0;                        // likewise
};

}  // namespace postern::dataplane
