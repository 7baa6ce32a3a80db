/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Egress (tc clsact): learns from the machines' answers, never judges. */
#include <linux/pkt_cls.h>

#include "maps.bpf.h"

const volatile __u32 gate_abi = GATE_ABI;
char gate_license[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int postern_egress(struct __sk_buff *skb)
{
	return gate_abi == GATE_ABI ? TC_ACT_UNSPEC : TC_ACT_UNSPEC;
}
