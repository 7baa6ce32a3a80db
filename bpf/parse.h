/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a frame to a struct packet: Ethernet, tags, and what hides IP. Plain C and C++: calls no BPF helper.
 *
 * I8: every access stands behind a check of the form `header + 1 > end`, and behind one of the length that IP states, so
 * neither trailing padding nor a following packet is ever read as a header.
 */
#ifndef POSTERN_PARSE_H
#define POSTERN_PARSE_H

#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#endif

#include "parse_ip.h"
#include "parse_quote.h"

#define PARSE_TAGS_MAX 2

static __always_inline int is_tag(__be16 type_be)
{
	return type_be == WIRE16(ETHERTYPE_TAG) || type_be == WIRE16(ETHERTYPE_SERVICE_TAG) ||
	       type_be == WIRE16(ETHERTYPE_OLD_SERVICE_TAG);
}

static __always_inline int is_ip(__be16 type_be)
{
	return type_be == WIRE16(ETHERTYPE_IPV4) || type_be == WIRE16(ETHERTYPE_IPV6);
}

/* IEEE 802.3 with a length instead of a type: SAP 06 is IP; SAP AA is SNAP, and under the organizations 000000 and
 * 0000f8 (RFC 1042, 802.1H) its type is an EtherType. The lowest bit of a SAP only tells a group from an individual. */
static __always_inline int llc_hides_ip(struct cursor cursor)
{
	const __u8 *sap = (const __u8 *)header_at(cursor, 1);
	const struct llc_header *llc = HEADER_AT(cursor, llc_header);

	if (!sap)
		return 0;
	if ((*sap & 0xfe) == 0x06)
		return 1;
	if ((*sap & 0xfe) != 0xaa || !llc)
		return 0;
	if (llc->organization[0] || llc->organization[1] || (llc->organization[2] && llc->organization[2] != 0xf8))
		return 0;
	const __u16 type = (__u16)(llc->type[0] << 8 | llc->type[1]);
	return type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6 || type == ETHERTYPE_TAG ||
	       type == ETHERTYPE_SERVICE_TAG || type == ETHERTYPE_OLD_SERVICE_TAG;
}

/* Behind the last tag we read stands another: what can be seen behind it must be neither IP nor a further tag. */
static __always_inline int tag_hides_ip(struct cursor cursor)
{
	const struct tag_header *tag = HEADER_AT(cursor, tag_header);

	if (!tag)
		return 1;
	if (host16(tag->type_be) < ETHERTYPE_LOWEST) {
		skip(&cursor, sizeof(*tag));
		return llc_hides_ip(cursor);
	}
	return is_ip(tag->type_be) || is_tag(tag->type_be);
}

static __always_inline __u8 parse_behind_ethernet(struct cursor cursor, __be16 type_be, struct packet *packet)
{
	if (type_be == WIRE16(ETHERTYPE_IPV4))
		return parse_ipv4(cursor, packet);
	if (type_be == WIRE16(ETHERTYPE_IPV6))
		return parse_ipv6(cursor, packet);
	if (host16(type_be) < ETHERTYPE_LOWEST)
		return llc_hides_ip(cursor) ? PACKET_UNREADABLE : PACKET_NOT_IP;
	if (is_tag(type_be))
		return tag_hides_ip(cursor) ? PACKET_UNREADABLE : PACKET_NOT_IP;
	return PACKET_NOT_IP;
}

/* Fills *packet, which the caller has zeroed, from a frame of frame_bytes of which [data, end) can be read. The first of
 * three pieces: see parse_packet(). */
static __always_inline void parse_frame(const void *data, const void *end, __u32 frame_bytes, struct packet *packet)
{
	struct cursor cursor = {data, end, 0, frame_bytes};
	const struct ethernet_header *ethernet = HEADER_AT(cursor, ethernet_header);
	__be16 type_be;

	if (!ethernet || !skip(&cursor, sizeof(*ethernet)))
		return;
	type_be = ethernet->type_be;
#ifdef __clang__
#pragma unroll
#endif
	for (int i = 0; i < PARSE_TAGS_MAX; i++) {
		const struct tag_header *tag = HEADER_AT(cursor, tag_header);

		if (!is_tag(type_be))
			break;
		if (!tag || !skip(&cursor, sizeof(*tag)))
			return;
		type_be = tag->type_be;
	}
	packet->kind = parse_behind_ethernet(cursor, type_be, packet);
}

/* The whole parser, as tests see it. The programs call the same three pieces, each as a function of its own. */
static __always_inline void parse_packet(const void *data, const void *end, __u32 frame_bytes, struct packet *packet)
{
	parse_frame(data, end, frame_bytes, packet);
	if (packet->kind == PACKET_EXTENSIONS)
		parse_extensions(data, end, packet);
	if (packet->kind == PACKET_ICMP_ERROR)
		parse_quote(data, end, packet);
}

#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif

#endif
