/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections the gate remembers: half-open (LRU, small; those of services that learn in a table of their own) and
 * established (hash, large), both directions; and verdicts of first fragments. */
#ifndef POSTERN_ABI_FLOW_H
#define POSTERN_ABI_FLOW_H

#include "base.h"

/* Maps `half_open_v4`, `learning_v4`, `established_v4` and their _v6 twins. Always seen from the client: ingress
 * packets have it as source, egress packets as destination. */
struct gate_flow_key_v4 {
	__be32 client;
	__be32 machine;
	__be16 client_port_be;
	__be16 machine_port_be;
	__u8 protocol;
	__u8 padding[3];
};
GATE_ASSERT_SIZE(gate_flow_key_v4, 16);

struct gate_flow_key_v6 {
	__u8 client[16];
	__u8 machine[16];
	__be16 client_port_be;
	__be16 machine_port_be;
	__u8 protocol;
	__u8 padding[3];
};
GATE_ASSERT_SIZE(gate_flow_key_v6, 40);

/* What one direction has shown. The client's side is written by ingress only, the machine's by egress only.
 * TCP sequence numbers are RFC 9293's, in host order, compared modulo 2^32. */
struct gate_flow_side {
	__u64 last_seen_coarse_ns;
	__u64 packets;
	__u64 bytes;    /* IP bytes, from the IP header's length */
	__u32 seq_first; /* first sequence number seen of this side (of its SYN: the number after it) */
	__u32 seq_next;  /* the number after the highest byte seen */
	__u32 ack;       /* highest acknowledgment this side sent: what it expects next from the peer */
	__u32 flags;     /* enum gate_side_flags */
};
GATE_ASSERT_SIZE(gate_flow_side, 40);

enum gate_side_flags {
	GATE_SIDE_SYN = 1 << 0,        /* its SYN (client) or SYN-ACK (machine) was seen: seq_first is exact */
	GATE_SIDE_ACK_VALID = 1 << 1,  /* ack holds a value */
	GATE_SIDE_ACKED_PEER = 1 << 2, /* it acknowledged bytes (or the SYN-ACK) that the gate saw the peer send */
	GATE_SIDE_FIN = 1 << 3,
	GATE_SIDE_RST = 1 << 4,        /* an RST that counts (RFC 5961): the flow is closed */
	GATE_SIDE_SENT_DATA = 1 << 5,
	GATE_SIDE_REOPENED = 1 << 6,   /* egress, on an established flow: the machine answered a new SYN on its tuple */
};

enum gate_flow_flags {
	GATE_FLOW_PICKED_UP = 1 << 0,      /* no SYN seen: found in mid-connection under a live grant */
	GATE_FLOW_MACHINE_OPENED = 1 << 1, /* the machine sent the SYN */
	GATE_FLOW_ADOPTED = 1 << 2,        /* seeded by the loader; was open before the port was guarded */
	GATE_FLOW_WATCHED = 1 << 3,        /* its grant ends in cut mode: its record is looked at on each packet */
	GATE_FLOW_LEARNED = 1 << 4, /* begun without a grant while its service learned; half-open: in `learning` */
	GATE_FLOW_ENDED = 1 << 5,   /* over-long: stays to be refused; its end is told, and it counts no more */
};

/* The two sides stand 64 bytes apart so that ingress and egress on two CPUs do not share a cache line of writes.
 * The middle is written when the flow is created or promoted, or takes another grant; then read only.
 *
 * An element of a hash may be freed and used again, for another flow, under a reader. So the value names its key, and
 * does so first: a copy that is under way changes this before anything else. A flow whose `tuple` is not that of its
 * key is as good as not there. Whoever puts one in (also the loader, when it adopts) sets it to gate_flow_tuple_v4()
 * or _v6(), with config.flow_seeds. */
struct gate_flow {
	__u64 tuple;
	struct gate_flow_side client;
	__u64 serial; /* of the grant that let it in; 0: none (machine-opened, adopted, learned) */
	__u64 opened_coarse_ns;
	__u64 opened_boot_ns;
	__u64 session_end_boot_ns; /* longest session time; 0: none. Without a grant it is then over like an idle one */
	__u32 slot;
	__u32 service;
	__u32 cut_generation; /* control.cut_generation when the record was last looked at */
	__u32 flags;          /* enum gate_flow_flags */
	__u64 reserved[2];
	struct gate_flow_side machine;
};
GATE_ASSERT_SIZE(gate_flow, 152);
GATE_ASSERT_OFFSET(gate_flow, tuple, 0);
GATE_ASSERT_OFFSET(gate_flow, machine, 112);
GATE_ASSERT(__builtin_offsetof(struct gate_flow, machine) - __builtin_offsetof(struct gate_flow, client) -
			    sizeof(struct gate_flow_side) >= 64,
	    "the two sides must stand at least 64 bytes apart");

/* A sum of products with secret factors (multilinear hashing): whoever does not know them finds no two flows that have
 * the same one but by luck, once in 2^32. Never 0. */
#define GATE_FLOW_SEEDS 10

static inline __u64 gate_flow_tuple_v4(const struct gate_flow_key_v4 *key, const __u64 *seeds)
{
	const __u64 ports = key->client_port_be * 65536ULL + key->machine_port_be;

	return (seeds[0] * key->client + seeds[1] * key->machine + seeds[2] * ports + seeds[3] * key->protocol) | 1;
}

static inline __u64 gate_flow_tuple_v6(const struct gate_flow_key_v6 *key, const __u64 *seeds)
{
	const __u64 ports = key->client_port_be * 65536ULL + key->machine_port_be;
	__u32 client[4], machine[4];

	__builtin_memcpy(client, key->client, sizeof(client));
	__builtin_memcpy(machine, key->machine, sizeof(machine));
	return (seeds[0] * client[0] + seeds[1] * client[1] + seeds[2] * client[2] + seeds[3] * client[3] +
		seeds[4] * machine[0] + seeds[5] * machine[1] + seeds[6] * machine[2] + seeds[7] * machine[3] +
		seeds[8] * ports + seeds[9] * key->protocol) | 1;
}

/* Map `fragments` (LRU, short-lived): what became of a first fragment. */
struct gate_fragment_key {
	__u8 source[16]; /* IPv4: the first four bytes */
	__u8 destination[16];
	__u32 id_be;
	__u8 protocol; /* IPv4 only (RFC 791); 0 for IPv6 (RFC 8200) */
	__u8 family;
	__u8 padding[2];
};
GATE_ASSERT_SIZE(gate_fragment_key, 40);

struct gate_fragment {
	__u64 seen_coarse_ns;
	__u32 reason;     /* enum gate_reason of the first fragment */
	__u32 data_end;   /* offset after the first fragment's last byte, in the reassembled payload */
};
GATE_ASSERT_SIZE(gate_fragment, 16);

#endif
