/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Egress (tc clsact on each outside interface): sees the machines' answers and learns from them; never judges, and lets
 * whatever program follows decide. */
#include <linux/pkt_cls.h>

#include "exposure.bpf.h"
#include "learn.bpf.h"
#include "read_skb.bpf.h"

const volatile __u32 gate_abi = GATE_ABI;
const volatile _Bool read_only = 0;
char gate_license[] SEC("license") = "Dual BSD/GPL";

/* A router may send out again what came in from outside in a machine's name: such a SYN is nobody's, and a SYN-ACK tells
 * nothing of a machine. */
static __always_inline _Bool is_sent_back(const struct __sk_buff *skb)
{
	return skb->ingress_ifindex == skb->ifindex;
}

SEC("tc")
int postern_egress(struct __sk_buff *skb)
{
	struct packet packet = {};
	_Bool guarded, exposed;

	if (!read_outgoing(skb, &packet))
		return TC_ACT_UNSPEC;
	guarded = is_port_guarded(packet.protocol, packet.source_port_be) && !(is_opening(&packet) && is_sent_back(skb));
	exposed = is_answer_to_syn(&packet) && is_port_watched(packet.source_port_be) && !is_sent_back(skb);
	if (!guarded && !exposed)
		return TC_ACT_UNSPEC;
	turn_around(&packet);
	if (exposed && !(guarded && find_service(&packet)))
		note_answer(&packet);
	if (guarded)
		learn_outgoing(&packet, skb->gso_segs ? skb->gso_segs : 1);
	return TC_ACT_UNSPEC;
}
