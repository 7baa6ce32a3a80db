/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Explain: what ingress would do, writing nothing. */
#include "maps.bpf.h"

const volatile __u32 gate_abi = GATE_ABI;
char gate_license[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int postern_explain(struct xdp_md *ctx)
{
	return gate_abi == GATE_ABI ? XDP_PASS : XDP_ABORTED;
}
