/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet's journey, and its one end.
 *
 * How it is counted: every packet once under the reason that its stages found, drop reasons included when the packet then
 * passes. Such a packet is counted once more under `monitored` or `unconfirmed`. So what was really dropped is the sum
 * of the drop reasons less these two.
 */
#ifndef POSTERN_VERDICT_BPF_H
#define POSTERN_VERDICT_BPF_H

#include "address.bpf.h"
#include "admission.bpf.h"
#include "drop.bpf.h"
#include "failsafe.bpf.h"
#include "flow.bpf.h"
#include "read_packet.bpf.h"

#define PASS_BIT(name, number, verdict, text) | ((verdict) == GATE_PASS ? 1ULL << (number) : 0)
static const __u64 passing_reasons = 0 GATE_REASONS(PASS_BIT);

static __always_inline _Bool passes(enum gate_reason why)
{
	return passing_reasons >> why & 1;
}

/* Stage 1: what the parser alone can decide, and what only the address can. */
static __always_inline enum gate_reason judge_kind(const struct packet *packet, struct judgement *judgement)
{
	switch (packet->kind) {
	case PACKET_TRANSPORT:
	case PACKET_ICMP_ERROR:
		return gate_reason_undecided;
	case PACKET_NOT_IP:
		return gate_reason_not_ip;
	case PACKET_LINK_CONTROL:
		return gate_reason_link_control;
	case PACKET_PORTLESS:
		return gate_reason_portless;
	case PACKET_UNREADABLE:
		judgement->enforces = 1;
		return gate_reason_unreadable;
	default:
		return judge_by_address(packet, judgement);
	}
}

/* Whatever would let the quoted packet pass, turned around, lets the error about it pass. */
static __always_inline enum gate_reason judge_error(enum gate_reason why)
{
	return passes(why) ? gate_reason_related : gate_reason_unrelated;
}

static __always_inline enum gate_reason judge(const struct packet *packet, struct judgement *judgement)
{
	enum gate_reason why = judge_kind(packet, judgement);

	if (why)
		return why;
	why = pass_unguarded(packet, judgement);
	if (!why)
		why = pass_failsafe(packet, judgement);
	if (!why)
		why = pass_known_flow(packet, judgement);
	if (!why)
		why = pass_granted(packet, judgement);
	return packet->kind == PACKET_ICMP_ERROR ? judge_error(why) : why;
}

static __always_inline void count(enum gate_reason why, const struct packet *packet)
{
	const __u32 index = why;
	struct gate_counter *counter = bpf_map_lookup_elem(&counters, &index);

	if (read_only || !counter)
		return;
	counter->packets++;
	counter->bytes += packet->ip_bytes;
}

/* A drop passes after all where its destination is only monitored, or once an attach was not confirmed in time. */
static __always_inline enum gate_reason settle(enum gate_reason why, struct judgement *judgement)
{
	const __u64 unconfirmed_boot_ns = passes(why) ? 0 : SETTING(unconfirmed_boot_ns, 0);

	if (passes(why))
		return why;
	if (unconfirmed_boot_ns && boot_now(judgement) >= unconfirmed_boot_ns)
		return gate_reason_unconfirmed;
	return judgement->enforces ? why : gate_reason_monitored;
}

/* Fragments are rare: kept out of the way of everything else. */
__noinline int remember_first_fragment(const struct packet *packet, struct judgement *judgement, __u32 why)
{
	if (!packet || !judgement)
		return 0;
	if (!read_only && find_guarded_address(packet))
		remember_fragment(packet, judgement, why);
	return 0;
}

static __always_inline int conclude(struct xdp_md *ctx, const struct packet *packet, struct judgement *judgement,
				    enum gate_reason why)
{
	const enum gate_reason final = settle(why, judgement);

	count(why, packet);
	if (final != why)
		count(final, packet);
	if (!read_only && !passes(why))
		note_drop(ctx, packet, judgement, why, final);
	if (!passes(final))
		return XDP_DROP;
	if (packet->first_fragment)
		remember_first_fragment(packet, judgement, final);
	return XDP_PASS;
}

#endif
