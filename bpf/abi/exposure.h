/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Services that answer from watched ports and that no policy guards. Egress notes their SYN-ACKs; nothing of it bears on
 * what passes. All three maps may be lost without harm. */
#ifndef POSTERN_ABI_EXPOSURE_H
#define POSTERN_ABI_EXPOSURE_H

#include "base.h"

/* Map `watched_ports`: an array of __u64, a bit for each TCP port in host order. posternd writes. */
#define GATE_WATCHED_PORTS_WORDS 1024

/* Map `answers`: who answered. */
struct gate_answer_key {
	__u8 address[16]; /* IPv4: the first four bytes */
	__be16 port_be;
	__u8 family; /* GATE_IPV4 or GATE_IPV6 */
	__u8 padding;
};
GATE_ASSERT_SIZE(gate_answer_key, 20);

/* Map `answer_peers`: and whom. */
struct gate_answer_peer_key {
	__u8 address[16];
	__u8 peer[16];
	__be16 port_be;
	__u8 family;
	__u8 padding;
};
GATE_ASSERT_SIZE(gate_answer_peer_key, 36);

struct gate_answer {
	__u64 first_boot_ns;
	__u64 last_boot_ns;
	__u64 count; /* SYN-ACKs, about: two CPUs may count one */
};
GATE_ASSERT_SIZE(gate_answer, 24);

#endif
