// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Lets one BPF_PROG_TEST_RUN call judge many different packets: each repetition gets another source address, then
 * jumps into the program under test. The empty programs measured beside it pay for the same work. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Sources are base + f(n) mod count, n rising: f scatters, so that neighbours in time are strangers in memory. */
__u32 source_base = 0;
__u32 source_count = 1;
__u32 source_offset = 26; /* of the last four bytes of the source address in the frame */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} turn SEC(".maps");

SEC("xdp")
int vary_source(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	__u32 zero = 0;
	__u32 *n = bpf_map_lookup_elem(&turn, &zero);
	__u32 offset = source_offset & 63;

	if (!n || data + offset + 4 > data_end)
		return XDP_ABORTED;
	*n += 1;
	*(__be32 *)(data + offset) = bpf_htonl(source_base + (*n * 2654435761u) % source_count);
	bpf_tail_call(ctx, &under_test, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int empty_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp")
int empty_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
