/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What packets teach about a flow: sequence numbers, who acknowledged whom, how it closes, when it is dead. */
#ifndef POSTERN_TRACK_BPF_H
#define POSTERN_TRACK_BPF_H

#include "flow_table.bpf.h"

/* Sequence numbers compare modulo 2^32 (RFC 9293, 3.4). */
static __always_inline _Bool is_after(__u32 number, __u32 reference)
{
	return (__s32)(number - reference) > 0;
}

static __always_inline _Bool is_within(__u32 number, __u32 first, __u32 last)
{
	return number - first <= last - first;
}

static __always_inline _Bool is_near(__u32 number, __u32 reference)
{
	return number - reference + (1U << 22) < 1U << 23; /* more than any window in use, little against 2^32 */
}

/* SYN without ACK: a new connection, whatever else is set. */
static __always_inline _Bool is_opening(const struct packet *packet)
{
	return packet->protocol == PROTOCOL_TCP && (packet->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline _Bool is_closed(const struct gate_flow *flow)
{
	return (flow->client.flags | flow->machine.flags) & GATE_SIDE_RST ||
	       flow->client.flags & flow->machine.flags & GATE_SIDE_FIN;
}

static __always_inline __u64 later(__u64 left, __u64 right)
{
	return left > right ? left : right;
}

static __always_inline _Bool is_older(__u64 then_coarse_ns, __u64 idle_ns, struct judgement *judgement)
{
	const __u64 now = coarse_now(judgement);

	return now > then_coarse_ns && now - then_coarse_ns > idle_ns;
}

/* One whose length is limited is remembered for as long as Linux would, however short the idle time that was set: forgotten, its
 * next packet would begin a new time under a grant that lives. */
static __always_inline __u64 tcp_established_idle_ns(const struct gate_flow *flow)
{
	const __u64 idle_ns = SETTING(tcp_established_idle_ns, DEFAULT_TCP_ESTABLISHED_IDLE_NS);

	return flow->session_end_boot_ns && flow->serial ? later(idle_ns, DEFAULT_TCP_ESTABLISHED_IDLE_NS) : idle_ns;
}

/* Closed and lingered, idle too long, or overtaken by a new connection on the same tuple. A UDP flow lives by the
 * machine's packets alone: after its grant has ended nobody outside can keep it, and while the grant lives nothing is
 * lost. */
static __always_inline _Bool is_dead(const struct packet *packet, const struct gate_flow *flow,
				     struct judgement *judgement)
{
	__u64 last = later(flow->machine.last_seen_coarse_ns, flow->opened_coarse_ns);

	if (flow->machine.flags & GATE_SIDE_REOPENED)
		return 1;
	if (packet->protocol == PROTOCOL_UDP)
		return is_older(last, SETTING(udp_established_idle_ns, DEFAULT_UDP_ESTABLISHED_IDLE_NS), judgement);
	last = later(last, flow->client.last_seen_coarse_ns);
	if (is_closed(flow))
		return is_older(last, SETTING(tcp_closed_linger_ns, DEFAULT_TCP_CLOSED_LINGER_NS), judgement);
	return is_older(last, tcp_established_idle_ns(flow), judgement);
}

static __always_inline _Bool is_overlong(const struct gate_flow *flow, struct judgement *judgement)
{
	return flow->session_end_boot_ns && !is_before(flow->session_end_boot_ns, judgement);
}

static __always_inline _Bool is_half_open_stale(const struct packet *packet, const struct gate_flow *flow,
						struct judgement *judgement)
{
	const __u64 last = later(flow->machine.last_seen_coarse_ns, flow->client.last_seen_coarse_ns);
	const __u64 idle_ns = packet->protocol == PROTOCOL_UDP
				      ? SETTING(udp_half_open_idle_ns, DEFAULT_UDP_HALF_OPEN_IDLE_NS)
				      : SETTING(tcp_half_open_idle_ns, DEFAULT_TCP_HALF_OPEN_IDLE_NS);

	return is_older(last, idle_ns, judgement);
}

/* The machine has acknowledged nothing of this half-open flow, and here is a packet of quite another connection: what
 * began the flow was sent in the client's name by somebody else, and must not stand in the real connection's way. */
static __always_inline _Bool is_overtaken(const struct packet *packet, const struct gate_flow *flow)
{
	return packet->kind == PACKET_TRANSPORT && packet->protocol == PROTOCOL_TCP &&
	       !(packet->tcp_flags & TCP_RST) && !(flow->machine.flags & GATE_SIDE_ACKED_PEER) &&
	       !is_near(packet->sequence, flow->client.seq_next);
}

/* Adds the packet to the side that sent it. */
static __always_inline void count_packet(struct gate_flow_side *side, const struct packet *packet, __u32 packets,
					 struct judgement *judgement)
{
	side->last_seen_coarse_ns = coarse_now(judgement);
	side->packets += packets;
	side->bytes += packet->ip_bytes;
}

/* Number after the packet's last byte; SYN and FIN count as one each. */
static __always_inline __u32 sequence_end(const struct packet *packet)
{
	return packet->sequence + packet->payload_bytes + !!(packet->tcp_flags & TCP_SYN) +
	       !!(packet->tcp_flags & TCP_FIN);
}

/* Before count_packet: the first packet of a side begins its range. */
static __always_inline void learn_sequence(struct gate_flow_side *side, const struct packet *packet)
{
	const __u32 end = sequence_end(packet);

	if (packet->tcp_flags & TCP_RST)
		return;
	if (!side->packets) {
		side->seq_first = packet->sequence + !!(packet->tcp_flags & TCP_SYN);
		side->seq_next = end;
	} else if (is_after(end, side->seq_next)) {
		side->seq_next = end;
	}
	if (packet->payload_bytes)
		side->flags |= GATE_SIDE_SENT_DATA;
	if (!(packet->tcp_flags & TCP_ACK))
		return;
	if (!(side->flags & GATE_SIDE_ACK_VALID) || is_after(packet->acknowledgment, side->ack))
		side->ack = packet->acknowledgment;
	side->flags |= GATE_SIDE_ACK_VALID;
}

/* Does the packet acknowledge something that the gate saw the peer send: its SYN, or at least a byte of data? */
static __always_inline _Bool acknowledges(const struct packet *packet, const struct gate_flow_side *peer)
{
	if (!(packet->tcp_flags & TCP_ACK) || !is_within(packet->acknowledgment, peer->seq_first, peer->seq_next))
		return 0;
	if (peer->flags & GATE_SIDE_SYN)
		return 1;
	return peer->flags & GATE_SIDE_SENT_DATA && packet->acknowledgment != peer->seq_first;
}

/* The client's packet on an established flow. Anybody may send in its name, so its FIN counts only near the window, and
 * its RST only if it is exactly what the machine expects next (RFC 5961, 3.2), which of an adopted flow the machine has
 * to tell first. A closed flow is not kept by packets. */
static __always_inline void learn_client(struct gate_flow *flow, const struct packet *packet,
					 struct judgement *judgement)
{
	struct gate_flow_side *client = &flow->client;

	if (packet->protocol == PROTOCOL_TCP) {
		if (is_closed(flow))
			return;
		if (packet->tcp_flags & TCP_RST) {
			if (flow->machine.flags & GATE_SIDE_ACK_VALID && packet->sequence == flow->machine.ack)
				client->flags |= GATE_SIDE_RST;
		} else if (packet->tcp_flags & TCP_FIN && packet->tcp_flags & TCP_ACK &&
			   flow->machine.flags & GATE_SIDE_ACK_VALID &&
			   is_near(packet->sequence, flow->machine.ack) &&
			   is_near(packet->acknowledgment, flow->machine.seq_next)) {
			client->flags |= GATE_SIDE_FIN;
		}
		learn_sequence(client, packet);
	}
	count_packet(client, packet, 1, judgement);
}

/* The client's packet on a half-open flow that its own packets opened. Learned UDP is established here, by the client's
 * packet after the machine's answer. */
static __always_inline void advance_half_open(struct gate_flow *flow, const struct packet *packet,
					      struct judgement *judgement)
{
	struct gate_flow_side *client = &flow->client;

	if (packet->protocol == PROTOCOL_TCP)
		learn_sequence(client, packet);
	count_packet(client, packet, 1, judgement);
	if (packet->protocol == PROTOCOL_UDP && flow->flags & GATE_FLOW_LEARNED && flow->machine.packets)
		establish(packet, flow);
	if (packet->protocol != PROTOCOL_TCP || packet->tcp_flags & TCP_RST || is_closed(flow))
		return;
	if (acknowledges(packet, &flow->machine))
		client->flags |= GATE_SIDE_ACKED_PEER;
	if (client->flags & flow->machine.flags & GATE_SIDE_ACKED_PEER)
		establish(packet, flow);
}

#endif
