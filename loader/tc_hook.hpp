// SPDX-License-Identifier: Apache-2.0
// What stands at an interface's tc hooks. Only asks, and needs no right: the daemon asks too.
#pragma once

#include <cstdint>
#include <optional>

#include "loader/interface.hpp"

namespace postern::loader {

// Our place among the egress filters.
inline constexpr std::uint32_t egress_priority = 1;
inline constexpr std::uint32_t egress_handle = 0x504f5354;  // "POST": not one that tc would pick by itself

// Id of the program that stands in our place on the interface; its owner is for the caller to see.
std::optional<std::uint32_t> egress_program(const Interface& interface);
bool has_clsact(const Interface& interface);
// Whether either clsact hook holds any filter. If the kernel does not tell, it is said to.
bool has_filters(const Interface& interface);
bool has_ingress_filters(const Interface& interface);

}  // namespace postern::loader
