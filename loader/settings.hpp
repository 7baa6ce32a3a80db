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

// Idle times as Linux conntrack's; confirmed; no cap for each grant.
gate_config default_config();
// Writes the defaults, and `unconfirmed_boot_ns` (0: confirmed). What the flows that stand there depend on stays as it is.
LoaderResult<void> write_config(const MapSet& maps, std::uint64_t unconfirmed_boot_ns);
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
