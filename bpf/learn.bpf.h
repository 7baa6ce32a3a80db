/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What egress learns from a machine's packets. They have been turned around: source is the client, destination the
 * machine. Writes the machine's side of flows only, but for creating the half-open entry of a connection that the
 * machine opens, and for moving UDP flows to the established ones.
 */
#ifndef POSTERN_LEARN_BPF_H
#define POSTERN_LEARN_BPF_H

#include "service.bpf.h"
#include "track.bpf.h"

static __always_inline void turn_around(struct packet *packet)
{
	const union packet_address source = packet->source;
	const __be16 port_be = packet->source_port_be;

	packet->source = packet->destination;
	packet->destination = source;
	packet->source_port_be = packet->destination_port_be;
	packet->destination_port_be = port_be;
}

static __always_inline _Bool is_answer_to_syn(const struct packet *packet)
{
	return packet->protocol == PROTOCOL_TCP &&
	       (packet->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == (TCP_SYN | TCP_ACK);
}

/* The machine's SYN or SYN-ACK that this very flow began with, sent once more. */
static __always_inline _Bool is_own_beginning(const struct packet *packet, const struct gate_flow *flow)
{
	return flow->machine.flags & GATE_SIDE_SYN && flow->machine.seq_first == packet->sequence + 1;
}

/* The machine has a new connection on this tuple: whatever is still established there is over. */
static __always_inline void mark_reopened(const struct packet *packet)
{
	struct gate_flow *flow = find_established(packet);

	if (flow && !is_own_beginning(packet, flow))
		flow->machine.flags |= GATE_SIDE_REOPENED;
}

/* A machine connects from a guarded port. TCP only: a UDP server that goes on sending would re-open what has ended. */
__noinline int learn_machine_opening(const struct packet *packet, struct judgement *judgement, __u32 segments)
{
	const struct gate_service *service;
	struct gate_flow *half, *established;
	struct gate_flow flow;

	if (!packet || !judgement)
		return 0;
	service = find_service(packet);
	if (!service)
		return 0;
	established = find_established(packet);
	if (established && established->flags & GATE_FLOW_MACHINE_OPENED && is_own_beginning(packet, established))
		return 0; /* its answer has come in meanwhile */
	half = find_half_open(packet);
	if (half && !is_half_open_stale(packet, half, judgement)) {
		if (!(half->flags & GATE_FLOW_MACHINE_OPENED))
			return 0; /* a client is connecting on this tuple under a grant */
		if (half->machine.seq_first == packet->sequence + 1) {
			count_packet(&half->machine, packet, segments, judgement);
			return 0;
		}
	}
	__builtin_memset(&flow, 0, sizeof(flow));
	flow.tuple = flow_tuple(packet);
	flow.opened_coarse_ns = coarse_now(judgement);
	flow.opened_boot_ns = boot_now(judgement);
	flow.service = service->id;
	flow.flags = GATE_FLOW_MACHINE_OPENED;
	learn_sequence(&flow.machine, packet);
	flow.machine.flags |= GATE_SIDE_SYN;
	count_packet(&flow.machine, packet, segments, judgement);
	store_half_open(packet, &flow);
	tally(gate_tally_machine_opened);
	mark_reopened(packet);
	return 0;
}

/* The machine's SYN-ACK to a SYN that a grant let through. 0: it answers another SYN than the one remembered; then too it
 * ends what was established there, for no connection may ride on the flow of another (I4). */
static __always_inline _Bool learn_answer(const struct packet *packet, struct judgement *judgement, __u32 segments)
{
	struct gate_flow *flow = find_half_open(packet);
	struct gate_flow_side *machine;

	if (!flow || flow->flags & GATE_FLOW_MACHINE_OPENED || !(flow->client.flags & GATE_SIDE_SYN))
		return 0;
	mark_reopened(packet);
	if (!acknowledges(packet, &flow->client))
		return 0;
	machine = &flow->machine;
	machine->seq_first = packet->sequence + 1;
	machine->seq_next = sequence_end(packet);
	machine->ack = packet->acknowledgment;
	machine->flags |= GATE_SIDE_SYN | GATE_SIDE_ACK_VALID | GATE_SIDE_ACKED_PEER;
	count_packet(machine, packet, segments, judgement);
	return 1;
}

/* Any other packet of the machine: the flow's sequence range, how it closes, and that it is alive. */
static __always_inline void learn_machine(struct gate_flow *flow, const struct packet *packet,
					  struct judgement *judgement, __u32 segments)
{
	struct gate_flow_side *machine = &flow->machine;

	if (packet->protocol == PROTOCOL_TCP) {
		if (is_closed(flow))
			return;
		if (packet->tcp_flags & TCP_RST)
			machine->flags |= GATE_SIDE_RST;
		else if (packet->tcp_flags & TCP_FIN)
			machine->flags |= GATE_SIDE_FIN;
		learn_sequence(machine, packet);
		if (acknowledges(packet, &flow->client))
			machine->flags |= GATE_SIDE_ACKED_PEER;
	}
	count_packet(machine, packet, segments, judgement);
}

/* A UDP flow is established by the machine's answer, but only while its grant lives. One that is learned waits for the client. */
__noinline int learn_half_open(const struct packet *packet, struct judgement *judgement, __u32 segments)
{
	struct gate_flow *flow;

	if (!packet || !judgement)
		return 0;
	flow = find_half_open(packet);
	if (!flow)
		return 0;
	learn_machine(flow, packet, judgement, segments);
	if (packet->protocol == PROTOCOL_UDP && is_grant_live(flow, judgement))
		establish(packet, flow);
	return 0;
}

__noinline int learn_outgoing(const struct packet *packet, __u32 segments)
{
	struct judgement judgement = {};
	struct gate_flow *flow;

	if (!packet)
		return 0;
	if (is_opening(packet))
		return learn_machine_opening(packet, &judgement, segments);
	if (is_answer_to_syn(packet) && learn_answer(packet, &judgement, segments))
		return 0;
	flow = find_established(packet);
	if (!flow || is_dead(packet, flow, &judgement)) /* a dead one stays dead, however much the machine sends */
		return learn_half_open(packet, &judgement, segments);
	learn_machine(flow, packet, &judgement, segments);
	return 0;
}

#endif
