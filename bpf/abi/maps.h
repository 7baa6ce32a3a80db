/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Names of the pinned maps: the same in the objects, below v<ABI>/ on the instance's bpffs, and in user space.
 * X(name, key type, value type); definitions and who writes what stand in bpf/maps.bpf.h. */
#ifndef POSTERN_ABI_MAPS_H
#define POSTERN_ABI_MAPS_H

#include "control.h"
#include "events.h"
#include "exposure.h"
#include "flow.h"
#include "grant.h"
#include "reasons.h"
#include "service.h"

#define GATE_MAPS(X)                                                     \
	X(guarded_ports, __u32, __u64)                                   \
	X(services_v4, struct gate_service_key_v4, struct gate_service)  \
	X(services_v6, struct gate_service_key_v6, struct gate_service)  \
	X(service_prefixes, struct gate_prefix_key, struct gate_service) \
	X(guarded_addresses, struct gate_prefix_key, struct gate_address) \
	X(failsafe_sources, struct gate_prefix_key, struct gate_failsafe) \
	X(grants_v4, struct gate_grant_key_v4, struct gate_grant)        \
	X(grants_v6, struct gate_grant_key_v6, struct gate_grant)        \
	X(grant_records, __u32, struct gate_record)                      \
	X(grant_usage, __u32, struct gate_usage)                         \
	X(half_open_v4, struct gate_flow_key_v4, struct gate_flow)       \
	X(half_open_v6, struct gate_flow_key_v6, struct gate_flow)       \
	X(learning_v4, struct gate_flow_key_v4, struct gate_flow)        \
	X(learning_v6, struct gate_flow_key_v6, struct gate_flow)        \
	X(learned_usage, __u32, struct gate_usage)                       \
	X(established_v4, struct gate_flow_key_v4, struct gate_flow)     \
	X(established_v6, struct gate_flow_key_v6, struct gate_flow)     \
	X(fragments, struct gate_fragment_key, struct gate_fragment)     \
	X(counters, __u32, struct gate_counter)                          \
	X(tallies, __u32, struct gate_counter)                           \
	X(service_counters, __u32, struct gate_service_counter)          \
	X(drop_budget, __u32, struct gate_drop_budget)                   \
	X(config, __u32, struct gate_config)                             \
	X(control, __u32, struct gate_control)                           \
	X(watched_ports, __u32, __u64)                                   \
	X(answers, struct gate_answer_key, struct gate_answer)           \
	X(answer_peers, struct gate_answer_peer_key, struct gate_answer)

/* Ring buffers.  X(name, record type) */
#define GATE_RINGS(X)                        \
	X(drop_events, struct gate_drop_event) \
	X(flow_events, struct gate_flow_event)

#endif
