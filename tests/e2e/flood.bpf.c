// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sends TCP SYNs out of an interface, each from another source and port, by live frames: run it with BPF_PROG_TEST_RUN.
 * The frame given has source address, source port and both checksums zero. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

__u32 interface = 0;
__u32 source_base = 0;
__u32 source_mask = 0; /* the bits of a source that change */
__u64 sent = 0;

static __u16 folded(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The frame's pages come back used: everything that changes is computed anew, nothing from what stands there. */
SEC("xdp")
int flood(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tcphdr *tcp = (void *)(ip + 1);
	__u32 i, sum;
	__u16 *word;

	if ((void *)(tcp + 1) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	sent++;
	ip->saddr = bpf_htonl(source_base | ((__u32)sent * 2654435761u & source_mask));
	tcp->source = bpf_htons(1024 + sent % 64000);
	ip->check = 0;
	tcp->check = 0;
	word = (__u16 *)ip;
	sum = 0;
#pragma unroll
	for (i = 0; i < sizeof(*ip) / 2; i++)
		sum += word[i];
	ip->check = folded(sum);
	word = (__u16 *)&ip->saddr;
	sum = bpf_htons(IPPROTO_TCP) + bpf_htons(sizeof(*tcp));
#pragma unroll
	for (i = 0; i < (8 + sizeof(*tcp)) / 2; i++)
		sum += word[i];
	tcp->check = folded(sum);
	return bpf_redirect(interface, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
