/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Not part of the gate: the loader loads these two to see whether the kernel lets a program replace a function of
 * another, as libxdp's dispatcher needs. probe_extension goes in the place of probe_slot. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char probe_license[] SEC("license") = "Dual BSD/GPL";

/* A function that the verifier checks by itself; `volatile` keeps the compiler from knowing its result. */
__attribute__((noinline)) int probe_slot(struct xdp_md *ctx)
{
	volatile int verdict = XDP_PASS;

	return ctx ? verdict : XDP_ABORTED;
}

SEC("xdp")
int probe_host(struct xdp_md *ctx)
{
	return probe_slot(ctx);
}

SEC("freplace/probe_slot")
int probe_extension(struct xdp_md *ctx)
{
	return XDP_DROP;
}
