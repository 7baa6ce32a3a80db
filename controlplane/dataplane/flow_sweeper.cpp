// SPDX-License-Identifier: Apache-2.0
// The walk over established_v4, established_v6, half_open_v4, half_open_v6, learning_v4, learning_v6.
#include "controlplane/dataplane/flow_sweeper.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "controlplane/dataplane/event_bytes.hpp"
#include "controlplane/dataplane/failure.hpp"

namespace postern::dataplane {

namespace {
constexpr std::uint32_t batch = 2048;
constexpr int stages = 6;
constexpr std::uint64_t walks_between_telling = 60;
constexpr std::size_t told_again_max = 2000;
}  // namespace

core::Result<std::size_t> FlowSweeper::sweep(const SweepTime& now) {
  auto removed = walk_on(now);
  if (!removed) begin_anew();
  return removed;
}

void FlowSweeper::begin_anew() {
  cursor_.restart();
  stage_ = 0;
  started_ = false;
  one_way_so_far_ = 0;
  counts_.clear();
  learned_ = 0;
  told_ = 0;
}

core::Result<std::size_t> FlowSweeper::walk_on(const SweepTime& now) {
  const auto configured = maps_.config.lookup(0);
  if (!configured) return gate_error(configured.error());
  const gate_config config = configured->value_or(gate_config{});
  const auto established = [&](std::uint8_t protocol, const gate_flow& flow, const gate_record& record) {
    return is_dead_established(protocol, flow, record, config, now);
  };
  const auto half_open = [&](std::uint8_t protocol, const gate_flow& flow, const gate_record& record) {
    return is_dead_half_open(protocol, flow, record, config, now);
  };
  std::size_t removed = 0, budget = flows_per_call_;
  while (budget > 0) {
    const auto swept = stage_ == 0   ? sweep_table(maps_.established_v4, established, budget, &now)
                       : stage_ == 1 ? sweep_table(maps_.established_v6, established, budget, &now)
                       : stage_ == 2 ? sweep_table(maps_.half_open_v4, half_open, budget, nullptr)
                       : stage_ == 3 ? sweep_table(maps_.half_open_v6, half_open, budget, nullptr)
                       : stage_ == 4 ? sweep_table(maps_.learning_v4, half_open, budget, nullptr)
                                     : sweep_table(maps_.learning_v6, half_open, budget, nullptr);
    started_ = true;
    if (!swept) return swept.error();
    removed += *swept;
    if (!cursor_.done()) continue;
    cursor_.restart();
    if (++stage_ == 2)
      if (auto counted = recount(); !counted) return counted.error();
    if (stage_ < stages) continue;
    ++walks_;
    one_way_ = one_way_so_far_;
    begin_anew();
    break;
  }
  return removed;
}

template <class Map, class Dead>
core::Result<std::size_t> FlowSweeper::sweep_table(const Map& map, Dead dead, std::size_t& budget,
                                                   const SweepTime* established) {
  std::vector<typename Map::key_type> keys;
  std::vector<typename Map::value_type> flows;
  const auto wanted = static_cast<std::uint32_t>(std::min<std::size_t>(budget, batch));
  if (auto read = map.read_batch(cursor_, keys, flows, wanted); !read) return gate_error(read.error());
  budget -= std::min(budget, std::max<std::size_t>(keys.size(), 1));
  std::size_t removed = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (dead(keys[i].protocol, flows[i], records_.get(flows[i].slot))) {
      const auto gone = remove_if_dead(map, keys[i], dead);
      if (!gone) return gone.error();
      if (*gone) {
        ++removed;
        if (established && ((*gone)->flags & (GATE_FLOW_LEARNED | GATE_FLOW_ENDED)) == 0) {
          const auto end = how_it_ended(**gone, records_.get((*gone)->slot), *established);
          tell_end(keys[i], **gone, end, *established);
        }
        continue;
      }
    }
    if (established && is_overlong(flows[i], *established)) {
      if (auto told = end_overlong(map, keys[i], *established); !told) return told.error();
    } else if (established) {
      count(flows[i]);
      if (tells_of(flows[i])) seen_.push_back(seeing(keys[i], flows[i], established->boot_ns));
    } else if (is_one_way(keys[i].protocol, flows[i])) {
      ++one_way_so_far_;
    }
  }
  return removed;
}

// Judged again on what stands there now: since the batch was read a packet may have revived it, or another grant
// taken it over. What a packet does in the microsecond after that is lost; the flow is picked up again if it may be.
template <class Map, class Dead>
core::Result<std::optional<gate_flow>> FlowSweeper::remove_if_dead(const Map& map, const typename Map::key_type& key,
                                                                   Dead dead) {
  const auto flow = map.lookup(key);
  if (!flow) return gate_error(flow.error());
  if (!*flow || !dead(key.protocol, **flow, records_.get((*flow)->slot))) return std::optional<gate_flow>();
  const auto gone = map.erase(key);
  if (!gone) return gate_error(gone.error());
  return *gone ? *flow : std::nullopt;
}

// It stays only to be refused: nobody is using it, and it must not use up its grant's cap. That its end was told is
// written into the flow itself, so that the programs, and a daemon that starts anew, neither tell it nor count it off
// again. What a packet writes between look-up and update is lost; at worst a connection that was opened anew on the
// very tuple in that instant is refused, none is admitted.
template <class Map>
core::Result<void> FlowSweeper::end_overlong(const Map& map, const typename Map::key_type& key, const SweepTime& now) {
  const auto read = map.lookup(key);
  if (!read) return gate_error(read.error());
  if (!*read || !is_overlong(**read, now) || ((*read)->flags & GATE_FLOW_ENDED) != 0) return {};
  gate_flow flow = **read;
  flow.flags |= GATE_FLOW_ENDED;
  if (const auto written = map.update(key, flow, BPF_EXIST); !written) {
    if (written.error().errno_value == ENOENT) return {};  // a packet was faster, and its program has told
    return gate_error(written.error());
  }
  tell_end(key, flow, GATE_FLOW_END_CUT, now);
  return {};
}

template <class Key>
void FlowSweeper::tell_end(const Key& key, const gate_flow& flow, gate_flow_end end, const SweepTime& now) {
  closed_.push_back(closing(key, flow, end, now.boot_ns));
  const std::uint64_t last = std::max(flow.client.last_seen_coarse_ns, flow.machine.last_seen_coarse_ns);
  if (last != 0 && last <= now.coarse_ns) closed_.back().last = closed_.back().time - std::chrono::nanoseconds(now.coarse_ns - last);
}

bool FlowSweeper::tells_of(const gate_flow& flow) {
  if ((flow.flags & (GATE_FLOW_LEARNED | GATE_FLOW_ENDED)) != 0 || walks_ % walks_between_telling != 0) return false;
  return walks_ == 0 || ++told_ <= told_again_max;
}

void FlowSweeper::count(const gate_flow& flow) {
  if ((flow.flags & GATE_FLOW_LEARNED) != 0) ++learned_;
  if (flow.serial == 0 || flow.slot >= records_.size()) return;
  Count& count = counts_[flow.slot];
  if (flow.serial < count.serial) return;  // of the slot's earlier grant: serials rise
  if (flow.serial > count.serial) count = {flow.serial, 0};
  ++count.flows;
}

// The programs add and subtract while this runs, so a count may be off by what happened during the walk; the next walk
// sets it right again. It bounds how many flows a grant may have, nothing else.
core::Result<void> FlowSweeper::recount() {
  const auto counts = std::exchange(counts_, {});
  for (std::uint32_t slot = 0; slot < records_.used_end(); ++slot) {
    const gate_usage usage = records_.usage(slot);
    if (usage.serial == 0) continue;
    const auto found = counts.find(slot);
    const bool counted = found != counts.end() && found->second.serial == usage.serial;
    const std::uint64_t flows = counted ? found->second.flows : 0;
    if (usage.established != flows) records_.correct_usage(slot, usage, flows);
  }
  const auto learned = maps_.learned_usage.lookup(0);
  if (!learned) return gate_error(learned.error());
  gate_usage usage = learned->value_or(gate_usage{});
  const std::uint64_t flows = std::exchange(learned_, 0);
  if (usage.established == flows) return {};
  usage.established = flows;
  return outcome(maps_.learned_usage.update(0, usage));
}

}  // namespace postern::dataplane
