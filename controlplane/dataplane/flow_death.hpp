// SPDX-License-Identifier: Apache-2.0
// When a remembered connection is over, as the programs judge it (bpf/track.bpf.h, bpf/record.bpf.h): the sweeper may
// remove exactly what they would no longer follow. Pure.
#pragma once

#include <cstdint>

#include "bpf/abi/maps.h"

namespace postern::dataplane {

struct SweepTime {
  std::uint64_t coarse_ns = 0;  // CLOCK_MONOTONIC_COARSE
  std::uint64_t boot_ns = 0;    // CLOCK_BOOTTIME
};

// `record` is what stands in the flow's slot, whoever's it is. An idle time of 0 in `config` is not configured: such
// flows are left to the programs.
bool is_dead_established(std::uint8_t protocol, const gate_flow& flow, const gate_record& record,
                         const gate_config& config, const SweepTime& now);
// Its longest session time is over: no packet passes by it any more.
bool is_overlong(const gate_flow& flow, const SweepTime& now);
// The client has gone on after its SYN, and no packet of the machine has left by a guarded interface: its answers go another
// way, so the flow lives only as long as its grant.
bool is_one_way(std::uint8_t protocol, const gate_flow& flow);

bool is_dead_half_open(std::uint8_t protocol, const gate_flow& flow, const gate_record& record,
                       const gate_config& config, const SweepTime& now);

// Why a dead established flow is over.
gate_flow_end how_it_ended(const gate_flow& flow, const gate_record& record, const SweepTime& now);

}  // namespace postern::dataplane
