/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs the parser on what an XDP program got. Only the functions here touch packet memory; each is proved by itself. */
#ifndef POSTERN_READ_PACKET_BPF_H
#define POSTERN_READ_PACKET_BPF_H

#include "maps.bpf.h"
#include "parse.h"

#define XDP_DATA(ctx) ((const void *)(long)(ctx)->data)
#define XDP_END(ctx) ((const void *)(long)(ctx)->data_end)

__noinline int read_frame(struct xdp_md *ctx, struct packet *packet)
{
	if (packet)
		parse_frame(XDP_DATA(ctx), XDP_END(ctx), (__u32)(XDP_END(ctx) - XDP_DATA(ctx)), packet);
	return 0;
}

__noinline int read_extensions(struct xdp_md *ctx, struct packet *packet)
{
	if (packet)
		parse_extensions(XDP_DATA(ctx), XDP_END(ctx), packet);
	return 0;
}

__noinline int read_quote(struct xdp_md *ctx, struct packet *packet)
{
	if (packet)
		parse_quote(XDP_DATA(ctx), XDP_END(ctx), packet);
	return 0;
}

static __always_inline void read_packet(struct xdp_md *ctx, struct packet *packet)
{
	read_frame(ctx, packet);
	if (packet->kind == PACKET_EXTENSIONS)
		read_extensions(ctx, packet);
	if (packet->kind == PACKET_ICMP_ERROR)
		read_quote(ctx, packet);
}

#endif
