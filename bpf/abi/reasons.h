/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a packet passed or was dropped: one list for enum, counter index, events, metrics, CLI text and tests.
 * Append only; a retired reason keeps its number.  X(name, number, verdict, sentence) */
#ifndef POSTERN_ABI_REASONS_H
#define POSTERN_ABI_REASONS_H

#include "base.h"

enum gate_verdict {
	GATE_PASS = 1,
	GATE_DROP = 2,
};

#define GATE_REASONS(X)                                                                                     \
	X(undecided, 0, GATE_DROP, "no stage decided; never seen outside of the programs")                  \
	X(not_ip, 1, GATE_PASS, "not an IP packet (ARP, STP, LLDP and the like)")                           \
	X(link_control, 2, GATE_PASS, "neighbour or router discovery, multicast listener discovery or DHCP") \
	X(portless, 3, GATE_PASS, "a transport without ports")                                              \
	X(unguarded, 4, GATE_PASS, "the destination is no guarded service")                                 \
	X(unreadable_unguarded, 5, GATE_PASS, "unreadable, but the destination has no services")            \
	X(failsafe, 6, GATE_PASS, "a failsafe source or service is never gated")                            \
	X(flow, 7, GATE_PASS, "belongs to an established flow")                                             \
	X(flow_half_open, 8, GATE_PASS, "belongs to a half-open flow whose grant is live")                  \
	X(machine_opened, 9, GATE_PASS, "answers a connection that the machine opened itself")              \
	X(grant, 10, GATE_PASS, "a live grant covers it")                                                   \
	X(standing_rule, 11, GATE_PASS, "a standing rule covers it")                                        \
	X(related, 12, GATE_PASS, "an ICMP error about a packet that may pass")                             \
	X(fragment_follows, 13, GATE_PASS, "a later fragment of a packet that passed")                      \
	X(unconfirmed, 14, GATE_PASS, "the attach was never confirmed, so the gate stands open")            \
	X(monitored, 15, GATE_PASS, "would have been dropped, but its service is only monitored")           \
	X(no_grant, 32, GATE_DROP, "no live grant covers it")                                               \
	X(malformed, 33, GATE_DROP, "cannot be read as far as its ports, and the destination has services") \
	X(unreadable, 34, GATE_DROP, "IP behind SNAP, or behind more VLAN tags than the gate reads")        \
	X(tunnel, 35, GATE_DROP, "IP-in-IP or GRE to an address with services")                             \
	X(fragment_unknown, 36, GATE_DROP, "a later fragment of a packet that did not pass or is not remembered") \
	X(fragment_overlap, 37, GATE_DROP, "a later fragment that begins before the first one ends")        \
	X(fragment_tiny, 38, GATE_DROP, "a first fragment too short for its transport header")              \
	X(flow_cut, 39, GATE_DROP, "belongs to a flow that was cut")                                        \
	X(unrelated, 40, GATE_DROP, "an ICMP error about nothing the gate let through")

#define GATE_REASONS_SLOTS 64 /* entries of the counters map: room to append */

enum gate_reason {
#define GATE_REASON_ENUM(name, number, verdict, text) gate_reason_##name = (number),
	GATE_REASONS(GATE_REASON_ENUM)
#undef GATE_REASON_ENUM
};

/* What the programs did to their tables, counted per CPU like the reasons.  X(name, number, sentence) */
#define GATE_TALLIES(X)                                                                    \
	X(half_open_created, 0, "half-open flows created")                                 \
	X(half_open_failed, 1, "half-open flows that could not be stored")                 \
	X(established_created, 2, "flows established")                                     \
	X(established_failed, 3, "establishments put off: table full, or grant or what is learned at its cap") \
	X(established_deleted, 4, "dead flows removed by the programs")                    \
	X(picked_up, 5, "flows picked up in mid-connection under a live grant")            \
	X(machine_opened, 6, "connections opened by machines from guarded ports")          \
	X(fragment_failed, 7, "first fragments that could not be remembered")              \
	X(learn_unreadable, 8, "outgoing packets the egress program could not read")       \
	X(drop_events_limited, 9, "drops not reported one by one: too many a second")      \
	X(drop_events_lost, 10, "drops not reported: their ring was full")                 \
	X(flow_events_lost, 11, "opened or closed flows not reported: their ring was full")

#define GATE_TALLIES_SLOTS 32

enum gate_tally {
#define GATE_TALLY_ENUM(name, number, text) gate_tally_##name = (number),
	GATE_TALLIES(GATE_TALLY_ENUM)
#undef GATE_TALLY_ENUM
};

/* Value of the per-CPU maps `counters` (index: reason) and `tallies` (index: tally; bytes stay 0 there). */
struct gate_counter {
	__u64 packets;
	__u64 bytes;
};
GATE_ASSERT_SIZE(gate_counter, 16);

#endif
