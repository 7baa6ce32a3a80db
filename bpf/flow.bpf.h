/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 4: packets of connections that were admitted earlier, or that the machine opened itself. */
#ifndef POSTERN_FLOW_BPF_H
#define POSTERN_FLOW_BPF_H

#include "track.bpf.h"

/* 0 if the flow is dead, or was cut: then another grant may still cover the packet. Without a grant, a session's longest time
 * ends it like idleness: nobody cut it. */
static __always_inline enum gate_reason pass_established(struct gate_flow *flow, const struct packet *packet,
							 struct judgement *judgement)
{
	const __u64 serial = flow->serial;
	const _Bool session_over = is_overlong(flow, judgement);
	const _Bool dead = is_dead(packet, flow, judgement) || (session_over && !serial);
	const _Bool cut = !dead && !session_over && is_cut(flow, judgement);

	if (!is_still_of(flow, packet))
		return gate_reason_undecided;
	if (dead) {
		if (learns(packet))
			delete_established(packet, flow);
		return gate_reason_undecided;
	}
	if (session_over)
		return gate_reason_flow_cut;
	if (cut) {
		judgement->is_cut = 1;
		judgement->cut_serial = serial;
		return gate_reason_undecided;
	}
	if (learns(packet))
		learn_client(flow, packet, judgement);
	return gate_reason_flow;
}

/* The machine sent a SYN from a guarded port. Only the answer to it passes, a SYN-ACK or an RST that acknowledges it; the
 * SYN-ACK establishes. If that failed for want of room, later packets pass once it succeeds. */
static __always_inline enum gate_reason pass_machine_opened(struct gate_flow *flow, const struct packet *packet,
							    struct judgement *judgement)
{
	const __u8 flags = packet->tcp_flags;

	if (packet->kind == PACKET_ICMP_ERROR)
		return is_still_of(flow, packet) ? gate_reason_machine_opened : gate_reason_undecided;
	if (!acknowledges(packet, &flow->machine) || !is_still_of(flow, packet))
		return gate_reason_undecided;
	if (flags & TCP_RST) {
		if (learns(packet))
			delete_half_open(packet, 0);
		return gate_reason_machine_opened;
	}
	if (flags & TCP_SYN) {
		if (learns(packet)) {
			learn_sequence(&flow->client, packet);
			count_packet(&flow->client, packet, 1, judgement);
			flow->client.flags |= GATE_SIDE_SYN | GATE_SIDE_ACKED_PEER;
			establish(packet, flow);
		}
		return gate_reason_machine_opened;
	}
	if (flow->client.flags & GATE_SIDE_SYN && learns(packet) && establish(packet, flow))
		return gate_reason_machine_opened;
	return gate_reason_undecided;
}

/* Begun without a grant while its service learned. Only the packet that proves it passes: it acknowledges what the machine
 * sent, and the machine has acknowledged the client. So what was open, or opening, when the service was enforced lives on,
 * and nothing else does. */
static __always_inline enum gate_reason pass_learned(struct gate_flow *flow, const struct packet *packet,
						     struct judgement *judgement)
{
	if (packet->kind != PACKET_TRANSPORT || packet->protocol != PROTOCOL_TCP || packet->tcp_flags & TCP_RST ||
	    is_closed(flow) || !(flow->machine.flags & GATE_SIDE_ACKED_PEER) || !acknowledges(packet, &flow->machine) ||
	    !is_still_of(flow, packet))
		return gate_reason_undecided;
	if (learns(packet))
		advance_half_open(flow, packet, judgement);
	return gate_reason_flow;
}

/* A half-open flow never outlives its grant: the packet then goes on to the grant stage. Over-long TCP, whose answers leave
 * past the gate or for which its grant's cap left no room, stays refused: refused packets do not keep it, and forgotten it would
 * begin a new time. */
static __always_inline enum gate_reason pass_half_open(struct gate_flow *flow, const struct packet *packet,
						       struct judgement *judgement)
{
	const _Bool refused = flow->serial && is_overlong(flow, judgement) && is_grant_live(flow, judgement) &&
			      is_still_of(flow, packet);

	if (!(refused && packet->protocol == PROTOCOL_TCP) && is_half_open_stale(packet, flow, judgement))
		return gate_reason_undecided;
	if (refused)
		return gate_reason_flow_cut;
	if (flow->flags & GATE_FLOW_MACHINE_OPENED)
		return pass_machine_opened(flow, packet, judgement);
	if (flow->flags & GATE_FLOW_LEARNED)
		return pass_learned(flow, packet, judgement);
	if (!is_grant_live(flow, judgement) || is_overtaken(packet, flow) || !is_still_of(flow, packet))
		return gate_reason_undecided;
	if (learns(packet))
		advance_half_open(flow, packet, judgement);
	return gate_reason_flow_half_open;
}

/* Explain tells which grant once let the flow in. */
static __always_inline enum gate_reason by_flow(enum gate_reason why, const struct gate_flow *flow,
						struct judgement *judgement)
{
	if (read_only && why) {
		judgement->serial = flow->serial;
		judgement->slot = flow->slot;
	}
	return why;
}

/* I4: a SYN is never answered from the tables. */
__noinline enum gate_reason pass_known_flow(const struct packet *packet, struct judgement *judgement)
{
	struct gate_flow *flow;

	if (!packet || !judgement)
		return gate_reason_undecided;
	if (is_opening(packet))
		return gate_reason_undecided;
	flow = find_established(packet);
	if (flow) {
		const enum gate_reason why = pass_established(flow, packet, judgement);

		if (why || judgement->is_cut)
			return by_flow(why, flow, judgement);
	}
	flow = find_half_open(packet);
	return flow ? by_flow(pass_half_open(flow, packet, judgement), flow, judgement) : gate_reason_undecided;
}

#endif
