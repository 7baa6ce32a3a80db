/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two flow tables: keys, look-ups, and the move from half-open to established. Which packets move a flow is
 * decided in track.bpf.h. Outgoing packets have been turned around: source is always the client. */
#ifndef POSTERN_FLOW_TABLE_BPF_H
#define POSTERN_FLOW_TABLE_BPF_H

#include "record.bpf.h"

static __always_inline struct gate_flow_key_v4 flow_key_v4(const struct packet *packet)
{
	const struct gate_flow_key_v4 key = {
		.client = packet->source.v4,
		.machine = packet->destination.v4,
		.client_port_be = packet->source_port_be,
		.machine_port_be = packet->destination_port_be,
		.protocol = packet->protocol,
	};

	return key;
}

static __always_inline struct gate_flow_key_v6 flow_key_v6(const struct packet *packet)
{
	struct gate_flow_key_v6 key = {
		.client_port_be = packet->source_port_be,
		.machine_port_be = packet->destination_port_be,
		.protocol = packet->protocol,
	};

	__builtin_memcpy(key.client, packet->source.bytes, sizeof(key.client));
	__builtin_memcpy(key.machine, packet->destination.bytes, sizeof(key.machine));
	return key;
}

static __always_inline struct gate_flow *find_established(const struct packet *packet)
{
	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		return bpf_map_lookup_elem(&established_v4, &key);
	}
	const struct gate_flow_key_v6 key = flow_key_v6(packet);
	return bpf_map_lookup_elem(&established_v6, &key);
}

static __always_inline struct gate_flow *find_half_open(const struct packet *packet)
{
	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		return bpf_map_lookup_elem(&half_open_v4, &key);
	}
	const struct gate_flow_key_v6 key = flow_key_v6(packet);
	return bpf_map_lookup_elem(&half_open_v6, &key);
}

static __always_inline void store_half_open(const struct packet *packet, const struct gate_flow *flow)
{
	long failed;

	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		failed = bpf_map_update_elem(&half_open_v4, &key, flow, BPF_ANY);
	} else {
		const struct gate_flow_key_v6 key = flow_key_v6(packet);
		failed = bpf_map_update_elem(&half_open_v6, &key, flow, BPF_ANY);
	}
	tally(failed ? gate_tally_half_open_failed : gate_tally_half_open_created);
}

static __always_inline _Bool store_established(const struct packet *packet, const struct gate_flow *flow)
{
	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		return !bpf_map_update_elem(&established_v4, &key, flow, BPF_ANY);
	}
	const struct gate_flow_key_v6 key = flow_key_v6(packet);
	return !bpf_map_update_elem(&established_v6, &key, flow, BPF_ANY);
}

static __always_inline void delete_half_open(const struct packet *packet)
{
	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		bpf_map_delete_elem(&half_open_v4, &key);
	} else {
		const struct gate_flow_key_v6 key = flow_key_v6(packet);
		bpf_map_delete_elem(&half_open_v6, &key);
	}
}

static __always_inline void delete_established(const struct packet *packet, const struct gate_flow *flow)
{
	const __u32 slot = flow->slot;
	const __u64 serial = flow->serial;
	long failed;

	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		failed = bpf_map_delete_elem(&established_v4, &key);
	} else {
		const struct gate_flow_key_v6 key = flow_key_v6(packet);
		failed = bpf_map_delete_elem(&established_v6, &key);
	}
	if (failed) /* another CPU was faster */
		return;
	release_usage(slot, serial);
	tally(gate_tally_established_deleted);
}

/* Moves a half-open flow to the established ones, over a dead predecessor if there is one. 0: no room, or the grant is at
 * its cap; the flow stays half-open and the next packet tries again. Two CPUs may do this at once: the second
 * replaces what the first stored and gives its count back. */
static __always_inline _Bool establish(const struct packet *packet, struct gate_flow *half)
{
	const struct gate_flow *old;
	__u64 old_serial = 0;
	__u32 old_slot = 0;

	if (!claim_usage(half->slot, half->serial, SETTING(established_per_grant_max, 0))) {
		tally(gate_tally_established_failed);
		return 0;
	}
	old = find_established(packet);
	if (old) {
		old_serial = old->serial;
		old_slot = old->slot;
	}
	if (!store_established(packet, half)) {
		release_usage(half->slot, half->serial);
		tally(gate_tally_established_failed);
		return 0;
	}
	if (old)
		release_usage(old_slot, old_serial);
	delete_half_open(packet);
	tally(gate_tally_established_created);
	return 1;
}

#endif
