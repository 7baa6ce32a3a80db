/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Flows opened, closed and moved, told to posternd through their ring. Nothing here runs for a packet that passes by its
 * flow. */
#ifndef POSTERN_EVENTS_BPF_H
#define POSTERN_EVENTS_BPF_H

#include "judgement.bpf.h"

static __always_inline void write_address(__u8 *to, const struct packet *packet, const union packet_address *address)
{
	__builtin_memset(to, 0, 16);
	if (packet->family == GATE_IPV4)
		__builtin_memcpy(to, &address->v4, sizeof(address->v4));
	else
		__builtin_memcpy(to, address->bytes, sizeof(address->bytes));
}

__noinline int fill_flow_event(struct gate_flow_event *event, const struct packet *packet, const struct gate_flow *flow)
{
	if (!event || !packet || !flow)
		return 0;
	event->time_boot_ns = bpf_ktime_get_boot_ns();
	event->opened_boot_ns = flow->opened_boot_ns;
	event->serial = flow->serial;
	event->previous_serial = 0;
	event->client_packets = flow->client.packets;
	event->client_bytes = flow->client.bytes;
	event->machine_packets = flow->machine.packets;
	event->machine_bytes = flow->machine.bytes;
	write_address(event->client, packet, &packet->source);
	write_address(event->machine, packet, &packet->destination);
	event->client_port_be = packet->source_port_be;
	event->machine_port_be = packet->destination_port_be;
	event->service = flow->service;
	event->family = packet->family;
	event->protocol = packet->protocol;
	event->flags = flow->flags;
	return 0;
}

/* Room for one event in the ring. `state` is a number of its own, and not derived from the pointer, since before Linux 6.2 the
 * verifier does not remember that a ring's pointer was found to be there, and thinks it lost when asked again. */
struct flow_news {
	struct gate_flow_event *event;
	__u64 state; /* enum news_state */
};

enum news_state {
	NEWS_NONE, /* nothing happened, or nothing is told of the flow: it was learned, or its end is told already */
	NEWS_RESERVED,
	NEWS_LOST, /* no room */
};

/* Filled from the flow; must be submitted or discarded. A macro, since a function of the compiler's choice would hide from
 * the verifier what is reserved. */
#define RESERVE_FLOW_EVENT(packet, flow, event_kind, event_end)                                                       \
	({                                                                                                            \
		struct flow_news news_ = {0, NEWS_NONE};                                                              \
		if (!((flow)->flags & (GATE_FLOW_LEARNED | GATE_FLOW_ENDED))) {                                       \
			news_.event = bpf_ringbuf_reserve(&flow_events, sizeof(*news_.event), 0);                     \
			news_.state = NEWS_LOST;                                                                      \
			if (news_.event) {                                                                            \
				fill_flow_event(news_.event, packet, flow);                                           \
				news_.event->kind = (event_kind);                                                     \
				news_.event->end = (event_end);                                                       \
				news_.state = NEWS_RESERVED;                                                          \
			}                                                                                             \
		}                                                                                                     \
		barrier_var(news_.state);                                                                             \
		news_;                                                                                                \
	})

/* What had no room is counted when it happened, not when it was tried. */
static __always_inline void submit_flow_event(struct flow_news news)
{
	if (news.state == NEWS_RESERVED)
		bpf_ringbuf_submit(news.event, 0);
	else if (news.state == NEWS_LOST)
		tally(gate_tally_flow_events_lost);
}

static __always_inline void discard_flow_event(struct flow_news news)
{
	if (news.state == NEWS_RESERVED)
		bpf_ringbuf_discard(news.event, 0);
}

#endif
