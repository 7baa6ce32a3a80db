/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Notes services that answer although no policy guards them. Asked about SYN-ACKs only, which are rare; and what strangers
 * can fill (the peers, by forged sources of their SYNs) stands apart from what only machines can (the answers). */
#ifndef POSTERN_EXPOSURE_BPF_H
#define POSTERN_EXPOSURE_BPF_H

#include "service.bpf.h"

static __always_inline _Bool is_port_watched(__be16 port_be)
{
	const __u32 port = host16(port_be);
	const __u32 word = port / 64;
	const __u64 *bits = bpf_map_lookup_elem(&watched_ports, &word);

	return bits && *bits >> (port % 64) & 1;
}

static __always_inline void note(void *map, const void *key, __u64 now_boot_ns)
{
	const struct gate_answer first = { .first_boot_ns = now_boot_ns, .last_boot_ns = now_boot_ns, .count = 1 };
	struct gate_answer *known = bpf_map_lookup_elem(map, key);

	if (!known) {
		bpf_map_update_elem(map, key, &first, BPF_NOEXIST);
		return;
	}
	known->last_boot_ns = now_boot_ns;
	known->count++;
}

__noinline int note_machine(const struct packet *packet, __u64 now_boot_ns)
{
	struct gate_answer_key key = {};

	if (!packet)
		return 0;
	__builtin_memcpy(key.address, packet->destination.bytes, sizeof(key.address));
	key.port_be = packet->destination_port_be;
	key.family = packet->family;
	note(&answers, &key, now_boot_ns);
	return 0;
}

__noinline int note_peer(const struct packet *packet, __u64 now_boot_ns)
{
	struct gate_answer_peer_key key = {};

	if (!packet)
		return 0;
	__builtin_memcpy(key.address, packet->destination.bytes, sizeof(key.address));
	__builtin_memcpy(key.peer, packet->source.bytes, sizeof(key.peer));
	key.port_be = packet->destination_port_be;
	key.family = packet->family;
	note(&answer_peers, &key, now_boot_ns);
	return 0;
}

/* A SYN-ACK from a watched port, turned around. */
static __always_inline void note_answer(const struct packet *packet)
{
	const __u64 now_boot_ns = bpf_ktime_get_boot_ns();

	note_machine(packet, now_boot_ns);
	note_peer(packet, now_boot_ns);
}

#endif
