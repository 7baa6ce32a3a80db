/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets whose ports cannot be judged: malformed ones, tunnels, fragments. They are judged by the destination address:
 * to one that has services they drop unless something lets them through, elsewhere they are left alone (I5, I8). */
#ifndef POSTERN_ADDRESS_BPF_H
#define POSTERN_ADDRESS_BPF_H

#include "failsafe.bpf.h"
#include "fragment.bpf.h"

static __always_inline struct gate_address *find_guarded_address(const struct packet *packet)
{
	struct gate_prefix_key key;

	write_prefix_key(&key, packet->family, &packet->destination);
	return bpf_map_lookup_elem(&guarded_addresses, &key);
}

__noinline enum gate_reason judge_by_address(const struct packet *packet, struct judgement *judgement)
{
	const struct gate_address *address;

	if (!packet || !judgement)
		return gate_reason_malformed;
	address = find_guarded_address(packet);
	if (!address) {
		if (packet->kind == PACKET_TUNNEL)
			return gate_reason_portless;
		return packet->kind == PACKET_LATER_FRAGMENT ? gate_reason_unguarded : gate_reason_unreadable_unguarded;
	}
	judgement->enforces = address->flags & GATE_ADDRESS_ENFORCE;
	if (packet->kind == PACKET_MALFORMED)
		return gate_reason_malformed;
	if (is_failsafe_source(packet))
		return gate_reason_failsafe;
	if (packet->kind == PACKET_TUNNEL)
		return address->flags & GATE_ADDRESS_TUNNELS ? gate_reason_portless : gate_reason_tunnel;
	if (packet->kind == PACKET_LATER_FRAGMENT)
		return follow_fragment(packet, judgement);
	return gate_reason_fragment_tiny;
}

#endif
