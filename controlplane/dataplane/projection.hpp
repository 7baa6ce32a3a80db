// SPDX-License-Identifier: Apache-2.0
// The whole of the maps as the domain sees it.
#pragma once

#include "controlplane/core/ports.hpp"
#include "controlplane/dataplane/grant_records.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

// Reads by batches; a million entries take about a second. The loader's own failsafe sources are left out.
core::Result<core::Projection> read_projection(const loader::MapSet& maps, const GrantRecords& records);

}  // namespace postern::dataplane
