/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the programs tell posternd while they run: two ring buffers, each with one kind of record. The read-only variant
 * tells nothing. What did not fit is counted in tallies. */
#ifndef POSTERN_ABI_EVENTS_H
#define POSTERN_ABI_EVENTS_H

#include "base.h"

/* Ring `drop_events`: a packet that was dropped, or would have been. At most config.drop_events_per_second on each CPU
 * for each budget (see GATE_DROP_BUDGETS); the counters count them all. Addresses and ports that the packet does not
 * tell are 0. */
struct gate_drop_event {
	__u64 time_boot_ns;
	__u8 source[16]; /* IPv4: the first four bytes */
	__u8 destination[16];
	__be16 source_port_be;
	__be16 destination_port_be;
	__u32 reason;  /* enum gate_reason that the stages found: a drop */
	__u32 outcome; /* enum gate_reason: the same, or `monitored` or `unconfirmed` if the packet passed after all */
	__u32 service; /* id; 0: judged by its address */
	__u32 interface; /* index of the one it came in by */
	__u8 family;     /* GATE_IPV4, GATE_IPV6; 0: not read */
	__u8 protocol;
	__u8 tcp_flags;
	__u8 padding;
};
GATE_ASSERT_SIZE(gate_drop_event, 64);

/* What holds where config.drop_events_per_second is 0. */
#define GATE_DROP_EVENTS_PER_SECOND 200

enum gate_flow_event_kind {
	GATE_FLOW_OPENED = 1, /* established */
	GATE_FLOW_CLOSED = 2,
	GATE_FLOW_MOVED = 3, /* was cut, and lives on under another grant */
};

enum gate_flow_end {
	GATE_FLOW_END_NONE = 0,
	GATE_FLOW_END_FINISHED = 1, /* FIN from both sides */
	GATE_FLOW_END_RESET = 2,
	GATE_FLOW_END_IDLE = 3,
	GATE_FLOW_END_CUT = 4,      /* its grant ended, and it with it */
	GATE_FLOW_END_REPLACED = 5, /* a new connection stands on its addresses and ports */
};

/* Ring `flow_events`: never rate-limited. A flow that posternd's sweeper removes, or whose end it has told, is not told
 * here: the sweeper knows. Nor is a learned one, which anybody may open as he likes: its packets are told as drops that
 * were not. */
struct gate_flow_event {
	__u64 time_boot_ns;
	__u64 opened_boot_ns;  /* when the flow's first packet came */
	__u64 serial;          /* of its grant; 0: none */
	__u64 previous_serial; /* GATE_FLOW_MOVED: of the grant before; else 0 */
	__u64 client_packets;
	__u64 client_bytes;
	__u64 machine_packets;
	__u64 machine_bytes;
	__u8 client[16]; /* IPv4: the first four bytes */
	__u8 machine[16];
	__be16 client_port_be;
	__be16 machine_port_be;
	__u32 service; /* id */
	__u8 family;   /* GATE_IPV4 or GATE_IPV6 */
	__u8 protocol;
	__u8 kind; /* enum gate_flow_event_kind */
	__u8 end;  /* enum gate_flow_end */
	__u32 flags; /* enum gate_flow_flags */
};
GATE_ASSERT_SIZE(gate_flow_event, 112);

/* Map `drop_budget`, per CPU, by service id modulo GATE_DROP_BUDGETS (0 also: judged by their address): how many drops
 * may still be told. So who is noisy at one service does not hide what happens at another, unless the two share a
 * budget. Sources have no budgets of their own, since anybody can make up new ones: who is noisy at a service does hide
 * the drops of others at it. */
#define GATE_DROP_BUDGETS 16

struct gate_drop_budget {
	__u64 jiffies; /* when the clock was last looked at */
	__u64 filled_coarse_ns;
	__u64 left;
};
GATE_ASSERT_SIZE(gate_drop_budget, 24);

#endif
