/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Explain: what ingress would do with a packet, for BPF_PROG_TEST_RUN on the live maps. Never attached, writes no map.
 * `struct gate_explain` before the packet (XDP metadata) brings the time and takes the answer away; without it the clock is
 * read and only the verdict is returned. */
#include "verdict.bpf.h"

const volatile __u32 gate_abi = GATE_ABI;
const volatile _Bool read_only = 1;
char gate_license[] SEC("license") = "Dual BSD/GPL";

static __always_inline void answer(struct xdp_md *ctx, const struct judgement *judgement, enum gate_reason why,
				   int action)
{
	struct gate_explain *explain = (struct gate_explain *)(long)ctx->data_meta;

	if ((void *)(explain + 1) > (void *)(long)ctx->data)
		return;
	explain->serial = judgement->serial;
	explain->slot = judgement->slot;
	explain->service = judgement->service.id;
	explain->reason = why;
	explain->verdict = action == XDP_PASS ? GATE_PASS : GATE_DROP;
}

SEC("xdp")
int postern_explain(struct xdp_md *ctx)
{
	const void *data = (const void *)(long)ctx->data;
	const struct gate_explain *explain = (const struct gate_explain *)(long)ctx->data_meta;
	struct packet packet = {};
	struct judgement judgement = {};
	enum gate_reason why;
	int action;

	if ((const void *)(explain + 1) <= data)
		judgement.now_boot_ns = explain->now_boot_ns;
	read_packet(ctx, &packet);
	why = judge(&packet, &judgement);
	action = conclude(ctx, &packet, &judgement, why);
	answer(ctx, &judgement, why, action);
	return action;
}
