/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 5: a live grant admits, and the connection is remembered as half-open. A packet without a live grant never gets
 * as far as to create an entry, but where its service is monitored to learn what is open. */
#ifndef POSTERN_ADMISSION_BPF_H
#define POSTERN_ADMISSION_BPF_H

#include "grant.bpf.h"
#include "track.bpf.h"

/* A new half-open entry for the client's packet, in place of whatever was there. */
__noinline int open_half(const struct packet *packet, struct judgement *judgement)
{
	struct gate_flow flow;

	if (!packet || !judgement)
		return 0;
	__builtin_memset(&flow, 0, sizeof(flow));
	flow.tuple = flow_tuple(packet);
	flow.opened_coarse_ns = coarse_now(judgement);
	flow.opened_boot_ns = boot_now(judgement);
	bind_grant(&flow, judgement);
	if (judgement->learned && packet->protocol == PROTOCOL_UDP)
		flow.session_end_boot_ns = boot_now(judgement) + SETTING(udp_without_grant_session_ns,
									 DEFAULT_UDP_WITHOUT_GRANT_SESSION_NS);
	count_admission(judgement);
	if (packet->protocol == PROTOCOL_TCP) {
		learn_sequence(&flow.client, packet);
		if (is_opening(packet)) {
			flow.client.flags |= GATE_SIDE_SYN;
		} else {
			flow.flags |= GATE_FLOW_PICKED_UP;
			if (!judgement->learned)
				tally(gate_tally_picked_up);
		}
	}
	count_packet(&flow.client, packet, 1, judgement);
	store_half_open(packet, &flow);
	return 0;
}

/* The same SYN once more must not forget the machine's answer to it. */
static __always_inline _Bool is_repeated_opening(const struct packet *packet, const struct gate_flow *flow,
						 struct judgement *judgement)
{
	return !(flow->flags & GATE_FLOW_MACHINE_OPENED) && flow->client.flags & GATE_SIDE_SYN &&
	       flow->client.seq_first == packet->sequence + 1 && !is_closed(flow) &&
	       !is_half_open_stale(packet, flow, judgement);
}

/* The packet was admitted by a grant (or is learned from) and not by a flow: begin one, or put the half-open one that is
 * there (its own grant is over) under the new grant. What was learned and what was granted begin anew under the other: they
 * stand in different tables. */
static __always_inline void remember_admitted(const struct packet *packet, struct judgement *judgement)
{
	struct gate_flow *flow = find_half_open(packet);
	const _Bool was_learned = flow && flow->flags & GATE_FLOW_LEARNED;
	const _Bool moves = flow && was_learned != !!judgement->learned; /* to the other table, if anything */

	if (flow && !is_still_of(flow, packet)) {
		flow = 0;
	} else if (flow && moves && !(flow->flags & GATE_FLOW_MACHINE_OPENED)) {
		flow = 0;
	} else if (flow && is_opening(packet)) {
		if (!is_repeated_opening(packet, flow, judgement))
			flow = 0;
	} else if (flow && flow->flags & GATE_FLOW_MACHINE_OPENED) {
		if (!is_half_open_stale(packet, flow, judgement))
			return;
		flow = 0;
	} else if (flow && (is_half_open_stale(packet, flow, judgement) || is_overtaken(packet, flow))) {
		flow = 0;
	}
	if (flow) {
		if (!judgement->learned)
			bind_grant(flow, judgement);
		advance_half_open(flow, packet, judgement);
	} else if (!(packet->tcp_flags & TCP_RST)) {
		if (moves)
			delete_half_open(packet, was_learned);
		open_half(packet, judgement);
	}
}

/* An established flow that was cut lives on under another grant, whatever that one's cap. A function of its own, for the
 * stack of its caller. */
static __noinline int take_over(const struct packet *packet, struct judgement *judgement)
{
	struct gate_flow *flow = find_established(packet);
	struct flow_news moved;

	if (!flow || flow->serial != judgement->cut_serial || !is_still_of(flow, packet))
		return 0; /* another CPU was faster, or the element is another flow's by now */
	release_usage(flow->flags, flow->slot, flow->serial);
	bind_grant(flow, judgement);
	claim_usage(flow->slot, flow->serial, 0);
	learn_client(flow, packet, judgement);
	moved = RESERVE_FLOW_EVENT(packet, flow, GATE_FLOW_MOVED, GATE_FLOW_END_NONE);
	if (moved.state == NEWS_RESERVED)
		moved.event->previous_serial = judgement->cut_serial;
	submit_flow_event(moved);
	return 0;
}

static __always_inline _Bool is_learning(const struct judgement *judgement)
{
	return (judgement->service.flags & (GATE_SERVICE_LEARN | GATE_SERVICE_ENFORCE)) == GATE_SERVICE_LEARN;
}

__noinline enum gate_reason pass_granted(const struct packet *packet, struct judgement *judgement)
{
	if (!packet || !judgement)
		return gate_reason_no_grant;
	judgement->cut_generation = cut_generation();
	if (!find_grant(packet, judgement)) {
		if (judgement->is_cut)
			return gate_reason_flow_cut;
		if (!is_learning(judgement))
			return gate_reason_no_grant;
		judgement->learned = 1;
	}
	if (learns(packet)) {
		if (judgement->is_cut)
			take_over(packet, judgement);
		else
			remember_admitted(packet, judgement);
	}
	if (judgement->learned)
		return gate_reason_no_grant;
	return judgement->standing ? gate_reason_standing_rule : gate_reason_grant;
}

#endif
