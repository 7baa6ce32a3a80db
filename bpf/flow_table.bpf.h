/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two flow tables: keys, look-ups, and the move from half-open to established. Which packets move a flow is
 * decided in track.bpf.h. Outgoing packets have been turned around: source is always the client. */
#ifndef POSTERN_FLOW_TABLE_BPF_H
#define POSTERN_FLOW_TABLE_BPF_H

#include "events.bpf.h"
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

static __always_inline __u64 flow_tuple(const struct packet *packet)
{
	const struct gate_config *settings = config_record();

	if (!settings)
		return 0;
	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		return gate_flow_tuple_v4(&key, settings->flow_seeds);
	}
	const struct gate_flow_key_v6 key = flow_key_v6(packet);
	return gate_flow_tuple_v6(&key, settings->flow_seeds);
}

/* Was what has been read of the entry so far this flow's? Its element may have been freed and used for another one
 * meanwhile, whose grant lives or whose record says nothing of a cut: so whatever lets a packet pass asks this last.
 * What is written after that may still go to another flow, once: it moves its counters or its idle time, and admits
 * nobody. */
static __always_inline _Bool is_still_of(const struct gate_flow *flow, const struct packet *packet)
{
	barrier();
	return READ_ONCE(flow->tuple) == flow_tuple(packet);
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

/* A flow that is half-open, or else one that is being learned. */
static __always_inline struct gate_flow *find_half_open(const struct packet *packet)
{
	struct gate_flow *flow;

	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		flow = bpf_map_lookup_elem(&half_open_v4, &key);
		return flow ? flow : bpf_map_lookup_elem(&learning_v4, &key);
	}
	const struct gate_flow_key_v6 key = flow_key_v6(packet);
	flow = bpf_map_lookup_elem(&half_open_v6, &key);
	return flow ? flow : bpf_map_lookup_elem(&learning_v6, &key);
}

static __always_inline void store_half_open(const struct packet *packet, const struct gate_flow *flow)
{
	long failed;

	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		failed = flow->flags & GATE_FLOW_LEARNED ? bpf_map_update_elem(&learning_v4, &key, flow, BPF_ANY)
							 : bpf_map_update_elem(&half_open_v4, &key, flow, BPF_ANY);
	} else {
		const struct gate_flow_key_v6 key = flow_key_v6(packet);
		failed = flow->flags & GATE_FLOW_LEARNED ? bpf_map_update_elem(&learning_v6, &key, flow, BPF_ANY)
							 : bpf_map_update_elem(&half_open_v6, &key, flow, BPF_ANY);
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

static __always_inline void delete_half_open(const struct packet *packet, _Bool learned)
{
	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		if (learned)
			bpf_map_delete_elem(&learning_v4, &key);
		else
			bpf_map_delete_elem(&half_open_v4, &key);
	} else {
		const struct gate_flow_key_v6 key = flow_key_v6(packet);
		if (learned)
			bpf_map_delete_elem(&learning_v6, &key);
		else
			bpf_map_delete_elem(&half_open_v6, &key);
	}
}

static __always_inline enum gate_flow_end how_it_ended(const struct gate_flow *flow, enum gate_flow_end otherwise)
{
	if ((flow->client.flags | flow->machine.flags) & GATE_SIDE_RST)
		return GATE_FLOW_END_RESET;
	if (flow->client.flags & flow->machine.flags & GATE_SIDE_FIN)
		return GATE_FLOW_END_FINISHED;
	return flow->machine.flags & GATE_SIDE_REOPENED ? GATE_FLOW_END_REPLACED : otherwise;
}

static __always_inline long erase_established(const struct packet *packet)
{
	if (packet->family == GATE_IPV4) {
		const struct gate_flow_key_v4 key = flow_key_v4(packet);
		return bpf_map_delete_elem(&established_v4, &key);
	}
	const struct gate_flow_key_v6 key = flow_key_v6(packet);
	return bpf_map_delete_elem(&established_v6, &key);
}

static __always_inline void delete_established(const struct packet *packet, const struct gate_flow *flow)
{
	const __u32 flags = flow->flags;
	const __u32 slot = flow->slot;
	const __u64 serial = flow->serial;
	const struct flow_news closed =
		RESERVE_FLOW_EVENT(packet, flow, GATE_FLOW_CLOSED, how_it_ended(flow, GATE_FLOW_END_IDLE));

	if (erase_established(packet)) { /* another CPU was faster */
		discard_flow_event(closed);
		return;
	}
	submit_flow_event(closed);
	release_usage(flags, slot, serial);
	tally(gate_tally_established_deleted);
}

/* Stored a moment ago by another CPU, for another packet of the same flow. */
static __always_inline _Bool is_same_flow(const struct gate_flow *old, const struct gate_flow *half)
{
	return old->opened_boot_ns == half->opened_boot_ns && old->serial == half->serial;
}

/* Moves a half-open flow to the established ones, over a dead predecessor if there is one. 0: no room, or the grant, or
 * what was learned, is at its cap; the flow stays half-open and the next packet tries again. Two CPUs may do this at
 * once: the second replaces what the first stored and gives its count back. Static: a global function's arguments are
 * plain memory to the verifier, and before 6.2 that cannot be stored in a map. */
static __noinline int establish(const struct packet *packet, struct gate_flow *half)
{
	struct flow_news closed = {0, NEWS_NONE};
	const struct gate_flow *old;
	_Bool is_new = 1;
	__u64 old_serial = 0;
	__u32 old_slot = 0, old_flags = 0;

	if (!packet || !half)
		return 0;
	if (!claim_place(half)) {
		tally(gate_tally_established_failed);
		return 0;
	}
	old = find_established(packet);
	if (old) {
		old_serial = old->serial;
		old_slot = old->slot;
		old_flags = old->flags;
		is_new = !is_same_flow(old, half);
		if (is_new)
			closed = RESERVE_FLOW_EVENT(packet, old, GATE_FLOW_CLOSED,
						    how_it_ended(old, GATE_FLOW_END_REPLACED));
	}
	if (!store_established(packet, half)) {
		discard_flow_event(closed);
		release_usage(half->flags, half->slot, half->serial);
		tally(gate_tally_established_failed);
		return 0;
	}
	submit_flow_event(closed);
	if (old)
		release_usage(old_flags, old_slot, old_serial);
	if (!is_still_of(half, packet)) { /* what was copied may be another flow's, whose grant is not its own */
		erase_established(packet);
		return 0;
	}
	if (is_new)
		submit_flow_event(RESERVE_FLOW_EVENT(packet, half, GATE_FLOW_OPENED, GATE_FLOW_END_NONE));
	delete_half_open(packet, half->flags & GATE_FLOW_LEARNED);
	tally(gate_tally_established_created);
	return 1;
}

#endif
