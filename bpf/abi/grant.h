/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who may come in, and until when: the grant maps and the array of grant records. */
#ifndef POSTERN_ABI_GRANT_H
#define POSTERN_ABI_GRANT_H

#include "base.h"

/* Maps `grants_v4`, `grants_v6`. The service id stands for (address, port, protocol), which keeps keys short. */
struct gate_grant_key_v4 {
	__u32 service;
	__be32 source; /* masked to its prefix length */
	__u8 prefix_length;
	__u8 padding[3];
};
GATE_ASSERT_SIZE(gate_grant_key_v4, 12);

struct gate_grant_key_v6 {
	__u32 service;
	__u8 source[16]; /* masked to its prefix length */
	__u8 prefix_length;
	__u8 padding[3];
};
GATE_ASSERT_SIZE(gate_grant_key_v6, 24);

/* A deadline that never comes (standing rules). */
#define GATE_NO_DEADLINE (~0ULL)

enum gate_grant_flags {
	GATE_GRANT_STANDING = 1 << 0, /* a standing rule, not a request's grant */
};

/* Admits while now < deadline_boot_ns. Several live grants may share a key: the one with the latest deadline is
 * named here. `service` repeats the key's: an element that was freed and re-used under a reader does not match. */
struct gate_grant {
	__u64 deadline_boot_ns;
	__u64 serial;
	__u32 slot; /* index of the grant's record */
	__u32 flags; /* enum gate_grant_flags */
	__u32 service;
	__u32 reserved;
};
GATE_ASSERT_SIZE(gate_grant, 32);

enum gate_record_state {
	GATE_RECORD_VACANT = 0,
	GATE_RECORD_LIVE = 1,
	GATE_RECORD_DRAINING = 2, /* ended or revoked: no new connection, established flows live on */
	GATE_RECORD_CUT = 3,      /* the flows it admitted end with it */
};

enum gate_ending {
	GATE_ENDING_DRAIN = 0,
	GATE_ENDING_CUT = 1,
};

/* Map `grant_records`, an mmap-able array by slot. A writer that re-uses a slot first writes VACANT, then all
 * fields, then the state; a reader that finds another serial than its flow carries treats the grant as ended. */
struct gate_record {
	__u64 serial;
	__u64 deadline_boot_ns;
	__u64 session_max_ns; /* longest life of a flow; 0: none */
	__u32 state;          /* enum gate_record_state */
	__u32 ending;         /* enum gate_ending: what happens to flows at the deadline */
};
GATE_ASSERT_SIZE(gate_record, 32);

/* Map `grant_usage`, an array by slot, counted by the programs. Established flows are recounted by the sweeper. Map
 * `learned_usage`, an array of one: `established` learned flows, likewise. */
struct gate_usage {
	__u64 serial;
	__u64 established;
	__u64 admitted; /* new connections that the grant let in */
	__u64 last_admitted_boot_ns; /* 0: never */
};
GATE_ASSERT_SIZE(gate_usage, 32);

#endif
