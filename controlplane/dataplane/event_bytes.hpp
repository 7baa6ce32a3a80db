// SPDX-License-Identifier: Apache-2.0
// The records of bpf/abi/events.h, and flows that the sweeper removes, as the domain's events. Pure but for the names of
// interfaces.
#pragma once

#include "bpf/abi/maps.h"
#include "controlplane/core/events.hpp"

namespace postern::dataplane {

core::DropEvent event(const gate_drop_event& bytes);
core::FlowEvent event(const gate_flow_event& bytes);
core::FlowEvent closing(const gate_flow_key_v4& key, const gate_flow& flow, gate_flow_end end, std::uint64_t now_boot_ns);
core::FlowEvent closing(const gate_flow_key_v6& key, const gate_flow& flow, gate_flow_end end, std::uint64_t now_boot_ns);
// Of a flow that is open.
core::FlowEvent seeing(const gate_flow_key_v4& key, const gate_flow& flow, std::uint64_t now_boot_ns);
core::FlowEvent seeing(const gate_flow_key_v6& key, const gate_flow& flow, std::uint64_t now_boot_ns);

}  // namespace postern::dataplane
