/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two records that steer the programs: `config`, written by the loader, and `control`, written by posternd;
 * each an array of one, each with one writer. And the answer of the read-only variant (explain). */
#ifndef POSTERN_ABI_CONTROL_H
#define POSTERN_ABI_CONTROL_H

#include "flow.h"

enum gate_config_flags {
	GATE_CONFIG_FAILSAFE_SOURCES = 1 << 0, /* the loader has put sources into failsafe_sources */
};

struct gate_config {
	__u32 abi;   /* GATE_ABI of the loader that wrote it; 0: not configured */
	__u32 flags; /* enum gate_config_flags */
	__u64 unconfirmed_boot_ns; /* from then on everything passes (`unconfirmed`); 0: confirmed */
	__u64 tcp_half_open_idle_ns;
	__u64 tcp_established_idle_ns;
	__u64 tcp_closed_linger_ns; /* after FIN from both sides, or an RST */
	__u64 udp_half_open_idle_ns;
	__u64 udp_established_idle_ns;
	__u64 fragment_idle_ns;
	__u32 established_per_grant_max; /* 0: no cap */
	__u32 drop_events_per_second; /* of each budget on each CPU at most; 0: GATE_DROP_EVENTS_PER_SECOND */
	__u64 udp_without_grant_session_ns; /* longest life of an adopted or learned UDP flow */
	__u32 learned_max; /* established flows that were learned, of both families together; 0: GATE_LEARNED_MAX */
	__u32 reserved;
	__u64 flow_seeds[GATE_FLOW_SEEDS]; /* random and secret, the same for as long as the maps live */
};
GATE_ASSERT_SIZE(gate_config, 168);

/* What holds where config.tcp_established_idle_ns is 0, and the least for a flow whose length is limited: five days. */
#define GATE_TCP_ESTABLISHED_IDLE_NS 432000000000000ULL
/* What holds where config.learned_max is 0. */
#define GATE_LEARNED_MAX 65536

enum gate_control_flags {
	GATE_CONTROL_FAILSAFE_SOURCES = 1 << 0, /* posternd has put sources into failsafe_sources */
	GATE_CONTROL_SERVICE_PREFIXES = 1 << 1, /* service_prefixes is not empty: ask it when the hash says no */
};

struct gate_control {
	__u32 flags;          /* enum gate_control_flags */
	__u32 cut_generation; /* raised by each cut: flows that carry an older one look at their record again */
};
GATE_ASSERT_SIZE(gate_control, 8);

/* Data before the packet (XDP metadata) of a test run of the explain program: `now_boot_ns` is read, the rest is
 * written. 32 bytes is the most that kernels before 6.3 allow. */
struct gate_explain {
	__u64 now_boot_ns;
	__u64 serial; /* of the grant that admits, 0: none */
	__u32 reason; /* enum gate_reason, before monitor mode and an unconfirmed attach are applied */
	__u32 slot;
	__u32 service; /* id, 0: no service */
	__u32 verdict; /* enum gate_verdict, as the packet would really fare */
};
GATE_ASSERT_SIZE(gate_explain, 32);

#endif
