/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* IPv4 and IPv6 down to the transport header. Each function returns the packet's kind. Plain C and C++.
 *
 * The destination is stored as soon as it can be read: a malformed packet is judged by it.
 */
#ifndef POSTERN_PARSE_IP_H
#define POSTERN_PARSE_IP_H

#include "parse_transport.h"

static __always_inline __u8 parse_ipv4(struct cursor cursor, struct packet *packet)
{
	const struct ipv4_header *ip = HEADER_AT(cursor, ipv4_header);
	__u32 header_bytes, total_bytes, fragment;

	packet->family = GATE_IPV4;
	if (!ip)
		return PACKET_MALFORMED;
	packet->source.v4 = ip->source;
	packet->destination.v4 = ip->destination;
	packet->protocol = ip->protocol;

	header_bytes = (ip->version_words & 0x0fU) * 4;
	total_bytes = host16(ip->total_bytes_be);
	if (ip->version_words >> 4 != 4 || header_bytes < sizeof(*ip) || total_bytes < header_bytes)
		return PACKET_MALFORMED;
	if (total_bytes > cursor.left)
		return PACKET_MALFORMED;
	packet->ip_bytes = total_bytes;
	cursor.offset += header_bytes;
	cursor.left = total_bytes - header_bytes;

	fragment = host16(ip->fragment_be);
	if (fragment & 0x3fff) {
		packet->fragment_id_be = ip->id_be;
		packet->fragment_protocol = ip->protocol;
		packet->fragment_begin = (fragment & 0x1fff) * 8;
		packet->fragment_end = packet->fragment_begin + cursor.left;
		if (packet->fragment_begin)
			return PACKET_LATER_FRAGMENT;
		packet->first_fragment = 1;
	}
	if (packet->protocol == PROTOCOL_AUTHENTICATION) {
		const struct extension_header *header = HEADER_AT(cursor, extension_header);

		if (!header || !skip_extension(&cursor, PROTOCOL_AUTHENTICATION, header))
			return cut_short(packet);
		packet->protocol = header->next;
		if (packet->protocol == PROTOCOL_AUTHENTICATION)
			return PACKET_MALFORMED;
	}
	return parse_transport(cursor, packet);
}

/* The fragment header of IPv6 at the cursor. An atomic fragment (RFC 6946) is a whole packet. A second fragment header
 * within a fragment would hide the ports once more: such a packet counts as malformed. */
static __always_inline int read_fragment(const struct extension_header *header, __u32 left, struct packet *packet)
{
	const __u32 fragment = host16(header->fragment_be);

	if (!(fragment & 0xfff9))
		return 1;
	if (packet->first_fragment)
		return 0;
	packet->fragment_id_be = header->fragment_id_be;
	packet->fragment_begin = fragment & 0xfff8;
	packet->fragment_end = packet->fragment_begin + left;
	packet->first_fragment = !packet->fragment_begin;
	return 1;
}

static __always_inline __u8 parse_ipv6(struct cursor cursor, struct packet *packet)
{
	const struct ipv6_header *ip = HEADER_AT(cursor, ipv6_header);

	packet->family = GATE_IPV6;
	if (!ip)
		return PACKET_MALFORMED;
	packet->source.halves[0] = ip->source[0];
	packet->source.halves[1] = ip->source[1];
	packet->destination.halves[0] = ip->destination[0];
	packet->destination.halves[1] = ip->destination[1];
	packet->protocol = ip->next;

	packet->ip_bytes = host16(ip->payload_bytes_be) + (__u32)sizeof(*ip);
	if (host32(ip->version_class_flow) >> 28 != 6 || packet->ip_bytes > cursor.left)
		return PACKET_MALFORMED;
	cursor.offset += (__u32)sizeof(*ip);
	cursor.left = packet->ip_bytes - (__u32)sizeof(*ip);

	if (is_extension(packet->protocol))
		return to_be_continued(cursor, PACKET_EXTENSIONS, packet);
	return parse_transport(cursor, packet);
}

static __always_inline __u8 parse_behind_ipv6(struct cursor cursor, struct packet *packet)
{
	NO_UNROLL
	for (int i = 0; i < PARSE_EXTENSIONS_MAX; i++) {
		const struct extension_header *header = HEADER_AT(cursor, extension_header);
		const __u8 protocol = packet->protocol;

		if (!is_extension(protocol))
			break;
		if (!header)
			return cut_short(packet);
		packet->protocol = header->next;
		if (!skip_extension(&cursor, protocol, header))
			return cut_short(packet);
		if (protocol == PROTOCOL_FRAGMENT) {
			if (!read_fragment(header, cursor.left, packet))
				return PACKET_MALFORMED;
			if (packet->fragment_begin)
				return PACKET_LATER_FRAGMENT;
		}
	}
	if (is_extension(packet->protocol))
		return PACKET_MALFORMED;
	return parse_transport(cursor, packet);
}

/* Goes on where parse_frame() met the extension headers of an IPv6 packet in the same frame. */
static __always_inline void parse_extensions(const void *data, const void *end, struct packet *packet)
{
	const struct cursor cursor = continued(data, end, packet);

	packet->kind = parse_behind_ipv6(cursor, packet);
}

#endif
