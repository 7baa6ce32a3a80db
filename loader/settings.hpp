// SPDX-License-Identifier: Apache-2.0
// What the loader writes into the maps: the configuration record (idle times, the confirmation's end) and failsafe
// sources. Nothing of policies or grants.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bpf/abi/maps.h"
#include "loader/map_set.hpp"

namespace postern::loader {

std::uint64_t boot_time_ns();  // CLOCK_BOOTTIME

// What is not said stays as it was; in new maps: idle times as Linux conntrack's, and for each grant an eighth of the
// established flows.
struct FlowLimits {
  std::optional<std::chrono::milliseconds> tcp_idle, tcp_half_open_idle, udp_idle;  // 1 s to 30 days
  std::optional<std::uint32_t> per_grant;                                           // established flows; at least 1
};

gate_config default_config();  // confirmed; no cap for each grant
// Writes `unconfirmed_boot_ns` (0: confirmed) and the limits. What the flows that stand there depend on stays as it is.
LoaderResult<void> write_config(const MapSet& maps, std::uint64_t unconfirmed_boot_ns, const FlowLimits& limits = {});
LoaderResult<gate_config> read_config(const MapSet& maps);

// "192.0.2.7", "2001:db8::/32", "::ffff:192.0.2.7"; host bits are masked.
LoaderResult<gate_prefix_key> parse_failsafe(std::string_view text);
// Adds a source of the loader's; true if it was not there. An entry of posternd's stays posternd's.
LoaderResult<bool> add_failsafe(const MapSet& maps, const gate_prefix_key& source);
// Removes a source if it is the loader's, and the config's flag with the last one.
LoaderResult<void> remove_failsafe(const MapSet& maps, const gate_prefix_key& source);

// The SSH client's address, from SSH_CONNECTION of this process or, since sudo drops it, of one it descends from.
std::optional<std::string> ssh_client();

}  // namespace postern::loader
