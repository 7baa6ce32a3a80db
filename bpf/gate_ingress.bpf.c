/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ingress (XDP on each outside interface): judges what comes in. The journey itself stands in verdict.bpf.h, for explain
 * takes the same one. */
#include "verdict.bpf.h"

const volatile __u32 gate_abi = GATE_ABI; /* the loader refuses an object of another layout */
const volatile _Bool read_only = 0;
char gate_license[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int postern_ingress(struct xdp_md *ctx)
{
	struct packet packet = {};
	struct judgement judgement = {};

	read_packet(ctx, &packet);
	return conclude(ctx, &packet, &judgement, judge(&packet, &judgement));
}
