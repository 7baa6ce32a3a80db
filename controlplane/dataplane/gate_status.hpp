// SPDX-License-Identifier: Apache-2.0
// What `status` shows of the packet path: counters with the names of bpf/abi/reasons.h, and what the loader noted.
#pragma once

#include "controlplane/core/ports.hpp"
#include "loader/instance.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

// An error if some packets are not judged: a program or an interface is gone, or nobody confirmed the attach.
core::Result<void> check_standing(const loader::MapSet& maps, const loader::Instance& instance);
core::Result<core::GateStatus> read_status(const loader::MapSet& maps, const loader::Instance& instance);

// What became of packets to each service that is counted.
core::Result<std::vector<core::ServiceCount>> read_service_counts(const loader::MapSet& maps);

}  // namespace postern::dataplane
