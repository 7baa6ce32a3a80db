/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs the parser on what a tc program got. Its headers need not lie in the linear part; then they are pulled there. VLAN
 * tags kept in metadata are not in the data, so there is nothing to read. */
#ifndef POSTERN_READ_SKB_BPF_H
#define POSTERN_READ_SKB_BPF_H

#include "judgement.bpf.h"
#include "parse.h"

#define SKB_HEADERS_MAX 512 /* all headers of any packet of interest */

__noinline int read_frame(struct __sk_buff *skb, struct packet *packet)
{
	if (packet)
		parse_frame((const void *)(long)skb->data, (const void *)(long)skb->data_end, skb->len, packet);
	return 0;
}

__noinline int read_extensions(struct __sk_buff *skb, struct packet *packet)
{
	if (packet)
		parse_extensions((const void *)(long)skb->data, (const void *)(long)skb->data_end, packet);
	return 0;
}

static __always_inline void read_skb(struct __sk_buff *skb, struct packet *packet)
{
	read_frame(skb, packet);
	if (packet->kind == PACKET_EXTENSIONS)
		read_extensions(skb, packet);
}

/* 1 if the packet is one to learn from: TCP or UDP that could be read as far as its ports. */
static __always_inline _Bool read_outgoing(struct __sk_buff *skb, struct packet *packet)
{
	read_skb(skb, packet);
	if (packet->kind == PACKET_TRANSPORT)
		return 1;
	if (skb->data_end - skb->data >= skb->len || skb->data_end - skb->data >= SKB_HEADERS_MAX)
		return 0;
	if (bpf_skb_pull_data(skb, skb->len < SKB_HEADERS_MAX ? skb->len : SKB_HEADERS_MAX)) {
		tally(gate_tally_learn_unreadable);
		return 0;
	}
	__builtin_memset(packet, 0, sizeof(*packet));
	read_skb(skb, packet);
	return packet->kind == PACKET_TRANSPORT;
}

#endif
