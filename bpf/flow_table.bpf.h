/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two flow tables: keys, look-ups, and the move from half-open to established. Which packets move a flow is
 * decided in track.bpf.h. Outgoing packets have been turned around: source is always the client. */
#ifndef POSTERN_FLOW_TABLE_BPF_H
#define POSTERN_FLOW_TABLE_BPF_H

#include "record.bpf.h"

static __always_inline void write_flow_key(const struct packet *packet, union flow_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	if (packet->family == GATE_IPV4) {
		key->v4.client = packet->source.v4;
		key->v4.machine = packet->destination.v4;
		key->v4.client_port_be = packet->source_port_be;
		key->v4.machine_port_be = packet->destination_port_be;
		key->v4.protocol = packet->protocol;
	} else {
		__builtin_memcpy(key->v6.client, packet->source.bytes, sizeof(key->v6.client));
		__builtin_memcpy(key->v6.machine, packet->destination.bytes, sizeof(key->v6.machine));
		key->v6.client_port_be = packet->source_port_be;
		key->v6.machine_port_be = packet->destination_port_be;
		key->v6.protocol = packet->protocol;
	}
}

static __always_inline struct gate_flow *find_established(const struct packet *packet, const union flow_key *key)
{
	if (packet->family == GATE_IPV4)
		return bpf_map_lookup_elem(&established_v4, &key->v4);
	return bpf_map_lookup_elem(&established_v6, &key->v6);
}

static __always_inline struct gate_flow *find_half_open(const struct packet *packet, const union flow_key *key)
{
	if (packet->family == GATE_IPV4)
		return bpf_map_lookup_elem(&half_open_v4, &key->v4);
	return bpf_map_lookup_elem(&half_open_v6, &key->v6);
}

static __always_inline void store_half_open(const struct packet *packet, const union flow_key *key,
					    const struct gate_flow *flow)
{
	const long failed = packet->family == GATE_IPV4 ? bpf_map_update_elem(&half_open_v4, &key->v4, flow, BPF_ANY)
							: bpf_map_update_elem(&half_open_v6, &key->v6, flow, BPF_ANY);

	tally(failed ? gate_tally_half_open_failed : gate_tally_half_open_created);
}

static __always_inline void delete_half_open(const struct packet *packet, const union flow_key *key)
{
	if (packet->family == GATE_IPV4)
		bpf_map_delete_elem(&half_open_v4, &key->v4);
	else
		bpf_map_delete_elem(&half_open_v6, &key->v6);
}

static __always_inline void delete_established(const struct packet *packet, const union flow_key *key,
					       const struct gate_flow *flow)
{
	const __u32 slot = flow->slot;
	const __u64 serial = flow->serial;
	const long failed = packet->family == GATE_IPV4 ? bpf_map_delete_elem(&established_v4, &key->v4)
							: bpf_map_delete_elem(&established_v6, &key->v6);

	if (failed) /* another CPU was faster */
		return;
	release_usage(slot, serial);
	tally(gate_tally_established_deleted);
}

/* Moves a half-open flow to the established ones, over a dead predecessor if there is one. 0: no room, or the grant is at
 * its cap; the flow stays half-open and the next packet tries again. Two CPUs may do this at once: the second
 * replaces what the first stored and gives its count back. */
static __always_inline _Bool establish(const struct packet *packet, const struct judgement *judgement, struct gate_flow *half)
{
	const struct gate_flow *old;
	__u64 old_serial = 0;
	__u32 old_slot = 0;
	long failed;

	if (!claim_usage(half->slot, half->serial, SETTING(established_per_grant_max, 0))) {
		tally(gate_tally_established_failed);
		return 0;
	}
	old = find_established(packet, &judgement->key);
	if (old) {
		old_serial = old->serial;
		old_slot = old->slot;
	}
	failed = packet->family == GATE_IPV4
			 ? bpf_map_update_elem(&established_v4, &judgement->key.v4, half, BPF_ANY)
			 : bpf_map_update_elem(&established_v6, &judgement->key.v6, half, BPF_ANY);
	if (failed) {
		release_usage(half->slot, half->serial);
		tally(gate_tally_established_failed);
		return 0;
	}
	if (old)
		release_usage(old_slot, old_serial);
	delete_half_open(packet, &judgement->key);
	tally(gate_tally_established_created);
	return 1;
}

#endif
