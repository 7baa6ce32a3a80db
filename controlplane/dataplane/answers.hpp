// SPDX-License-Identifier: Apache-2.0
// Services that were seen answering without a policy, and the ports that are watched for that.
#pragma once

#include <vector>

#include "controlplane/core/ports.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

core::Result<void> watch_ports(const loader::MapSet& maps, const std::vector<std::uint16_t>& ports);  // these and no others
core::Result<std::vector<core::Answer>> read_answers(const loader::MapSet& maps);

}  // namespace postern::dataplane
