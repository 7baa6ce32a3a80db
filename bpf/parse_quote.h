/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet that an ICMP error quotes. A machine sent it, so turned around it reads like a packet to that machine:
 * its destination becomes the source, its source the destination. Plain C and C++.
 *
 * A quote that cannot be read as far as its ports is malformed and leaves the outer addresses in place; so is one of a
 * packet that another host sent than the one the error goes to (RFC 1122, 3.2.2), or an error to a host without services
 * could be judged by the ports of another (I5). Its own length fields tell of the packet as it was sent and are not
 * compared with the quote's.
 */
#ifndef POSTERN_PARSE_QUOTE_H
#define POSTERN_PARSE_QUOTE_H

#include "cursor.h"

/* Reads the ports behind the quoted IP headers. */
static __always_inline __u8 parse_quoted_ports(struct cursor cursor, __u8 protocol, struct packet *packet)
{
	const struct port_pair *ports;

	if (protocol != PROTOCOL_TCP && protocol != PROTOCOL_UDP)
		return is_extension(protocol) ? PACKET_MALFORMED : PACKET_PORTLESS;
	ports = HEADER_AT(cursor, port_pair);
	if (!ports)
		return PACKET_MALFORMED;
	packet->source_port_be = ports->destination_port_be;
	packet->destination_port_be = ports->source_port_be;
	packet->protocol = protocol;
	return PACKET_ICMP_ERROR;
}

static __always_inline __u8 parse_quote_ipv4(struct cursor cursor, struct packet *packet)
{
	const struct ipv4_header *ip = HEADER_AT(cursor, ipv4_header);
	__u32 header_bytes;
	__u8 kind;

	if (!ip)
		return PACKET_MALFORMED;
	header_bytes = (ip->version_words & 0x0fU) * 4;
	if (ip->version_words >> 4 != 4 || header_bytes < sizeof(*ip) || !skip(&cursor, header_bytes))
		return PACKET_MALFORMED;
	if (ip->fragment_be & WIRE16(0x1fff) || ip->source != packet->destination.v4)
		return PACKET_MALFORMED;
	/* In IPv4 protocol 0 and the like are no extensions; that such a quote is malformed harms nobody. */
	kind = parse_quoted_ports(cursor, ip->protocol, packet);
	if (kind == PACKET_ICMP_ERROR) {
		packet->source.v4 = ip->destination;
		packet->destination.v4 = ip->source;
	}
	return kind;
}

static __always_inline __u8 parse_quote_ipv6(struct cursor cursor, struct packet *packet)
{
	const struct ipv6_header *ip = HEADER_AT(cursor, ipv6_header);
	__u8 protocol, kind;

	if (!ip || host32(ip->version_class_flow) >> 28 != 6 || !skip(&cursor, sizeof(*ip)))
		return PACKET_MALFORMED;
	if (ip->source[0] != packet->destination.halves[0] || ip->source[1] != packet->destination.halves[1])
		return PACKET_MALFORMED;
	protocol = ip->next;
	NO_UNROLL
	for (int i = 0; i < PARSE_EXTENSIONS_MAX && is_extension(protocol); i++) {
		const struct extension_header *header = HEADER_AT(cursor, extension_header);
		const __u8 current = protocol;

		if (!header || (current == PROTOCOL_FRAGMENT && header->fragment_be & WIRE16(0xfff8)))
			return PACKET_MALFORMED;
		protocol = header->next;
		if (!skip_extension(&cursor, current, header))
			return PACKET_MALFORMED;
	}
	kind = parse_quoted_ports(cursor, protocol, packet);
	if (kind == PACKET_ICMP_ERROR) {
		packet->source.halves[0] = ip->destination[0];
		packet->source.halves[1] = ip->destination[1];
		packet->destination.halves[0] = ip->source[0];
		packet->destination.halves[1] = ip->source[1];
	}
	return kind;
}

/* Goes on where an ICMP error's own header ends in the same frame. */
static __always_inline void parse_quote(const void *data, const void *end, struct packet *packet)
{
	const struct cursor cursor = continued(data, end, packet);

	packet->kind = packet->family == GATE_IPV4 ? parse_quote_ipv4(cursor, packet) : parse_quote_ipv6(cursor, packet);
}

#endif
