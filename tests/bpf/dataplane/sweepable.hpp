// SPDX-License-Identifier: Apache-2.0
// A sweeper on real maps, and flows for it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>

#include "controlplane/dataplane/flow_sweeper.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"

namespace postern::test {

inline constexpr std::uint64_t second = 1'000'000'000;
inline constexpr dataplane::SweepTime now{1'000'000 * second, 2'000'000 * second};
inline constexpr std::uint64_t long_ago = 500'000 * second;

inline gate_config settings() {
  gate_config config{};
  config.abi = GATE_ABI;
  config.tcp_half_open_idle_ns = 60 * second;
  config.tcp_established_idle_ns = 432'000 * second;
  config.tcp_closed_linger_ns = 120 * second;
  config.udp_half_open_idle_ns = 30 * second;
  config.udp_established_idle_ns = 120 * second;
  return config;
}

inline gate_record live_record() {
  return {7, now.boot_ns + second, 0, GATE_RECORD_LIVE, GATE_ENDING_DRAIN};
}

// Seen on both sides a second ago, under grant 7 in slot 3.
inline gate_flow fresh_flow() {
  gate_flow flow{};
  flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now.coarse_ns - second;
  flow.opened_coarse_ns = long_ago;
  flow.serial = 7;
  flow.slot = 3;
  return flow;
}

inline gate_flow_key_v4 key_v4(std::uint32_t n, std::uint8_t protocol = IPPROTO_TCP) {
  gate_flow_key_v4 key{};
  key.client = htonl(0x0a000000 + n);
  key.machine_port_be = htons(22);
  key.protocol = protocol;
  return key;
}

inline gate_flow_key_v6 key_v6(std::uint8_t protocol) {
  gate_flow_key_v6 key{};
  key.client[0] = 0x20;
  key.protocol = protocol;
  return key;
}

// As a daemon finds them that starts after another: tests write to the slots below 64.
inline dataplane::GrantRecords opened(const loader::MapSet& maps) {
  REQUIRE(maps.grant_usage.update(63, gate_usage{1, 0, 0, 0}));
  return *dataplane::GrantRecords::open(maps);
}

struct Sweepable {
  explicit Sweepable(std::size_t flows_per_call = 16384)
      : records(opened(maps)), sweeper(maps, records, flows_per_call) {
    REQUIRE(maps.config.update(0, settings()));
  }
  std::size_t sweep() {
    const auto removed = sweeper.sweep(now);
    INFO((removed ? std::string() : removed.error().message));
    REQUIRE(removed);
    return *removed;
  }
  PinnedGate gate;
  loader::MapSet maps = gate.open();
  dataplane::GrantRecords records;
  dataplane::FlowSweeper sweeper;
};

}  // namespace postern::test
