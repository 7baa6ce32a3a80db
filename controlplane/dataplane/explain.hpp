// SPDX-License-Identifier: Apache-2.0
// Asks the read-only program (pinned among the maps) what would become of a packet, by BPF_PROG_TEST_RUN on the live
// maps: nothing is sent, counted or remembered.
#pragma once

#include "controlplane/core/ports.hpp"
#include "loader/instance.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

core::Result<core::Verdict> run_explain(const loader::MapSet& maps, const loader::Instance& instance,
                                        const core::Probe& probe, core::BootTime at);

}  // namespace postern::dataplane
