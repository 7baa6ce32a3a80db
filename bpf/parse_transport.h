/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Extension headers, TCP, UDP and ICMP. Each function that returns a kind returns the packet's. Plain C and C++. */
#ifndef POSTERN_PARSE_TRANSPORT_H
#define POSTERN_PARSE_TRANSPORT_H

#include "cursor.h"

/* A header reaches beyond the packet: in a first fragment the rest would come in a later one. */
static __always_inline __u8 cut_short(const struct packet *packet)
{
	return packet->first_fragment ? PACKET_TINY_FRAGMENT : PACKET_MALFORMED;
}

static __always_inline __u8 parse_tcp(struct cursor cursor, struct packet *packet)
{
	const struct tcp_header *tcp = HEADER_AT(cursor, tcp_header);
	__u32 header_bytes;

	if (!tcp)
		return cut_short(packet);
	packet->source_port_be = tcp->source_port_be;
	packet->destination_port_be = tcp->destination_port_be;
	packet->sequence = host32(tcp->sequence_be);
	packet->acknowledgment = host32(tcp->acknowledgment_be);
	packet->tcp_flags = tcp->flags;

	header_bytes = (__u32)(tcp->words >> 4) * 4;
	if (header_bytes < sizeof(*tcp))
		return PACKET_MALFORMED;
	if (header_bytes > cursor.left)
		return cut_short(packet);
	packet->payload_bytes = cursor.left - header_bytes;
	return PACKET_TRANSPORT;
}

/* DHCP is known by the port it goes to: answers to one come from any port of a server (RFC 8415, 7.2). */
static __always_inline int is_dhcp(const struct packet *packet)
{
	if (packet->family == GATE_IPV4)
		return packet->destination_port_be == WIRE16(67) || packet->destination_port_be == WIRE16(68);
	return packet->destination_port_be == WIRE16(546) || packet->destination_port_be == WIRE16(547);
}

static __always_inline __u8 parse_udp(struct cursor cursor, struct packet *packet)
{
	const struct udp_header *udp = HEADER_AT(cursor, udp_header);

	if (!udp)
		return cut_short(packet);
	packet->source_port_be = udp->source_port_be;
	packet->destination_port_be = udp->destination_port_be;
	packet->payload_bytes = cursor.left - (__u32)sizeof(*udp);
	return is_dhcp(packet) && !packet->first_fragment ? PACKET_LINK_CONTROL : PACKET_TRANSPORT;
}

/* Destination unreachable, source quench, redirect, time exceeded, parameter problem (RFC 792). */
static __always_inline int is_icmp_error(__u8 type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static __always_inline __u8 parse_icmp(struct cursor cursor, struct packet *packet)
{
	const struct icmp_header *icmp = HEADER_AT(cursor, icmp_header);
	int error;

	/* ICMP has no ports, so what is too short to be an error is nothing to us. */
	if (!icmp)
		return packet->first_fragment ? PACKET_TINY_FRAGMENT : PACKET_PORTLESS;
	if (packet->family == GATE_IPV4) {
		error = is_icmp_error(icmp->type);
	} else {
		/* RFC 4861 and RFC 2710, 3810: neighbour discovery and multicast listeners, never fragmented (RFC 6980). */
		if (!packet->first_fragment && icmp->type >= 130 && (icmp->type <= 137 || icmp->type == 143))
			return PACKET_LINK_CONTROL;
		error = icmp->type >= 1 && icmp->type <= 4;
	}
	if (!error)
		return PACKET_PORTLESS;
	if (packet->first_fragment) /* errors are short; in pieces their quote cannot be judged */
		return PACKET_MALFORMED;
	skip(&cursor, sizeof(*icmp));
	return to_be_continued(cursor, PACKET_ICMP_ERROR, packet);
}

/* The cursor stands behind all IP headers, packet->protocol says what comes. */
static __always_inline __u8 parse_transport(struct cursor cursor, struct packet *packet)
{
	const __u8 protocol = packet->protocol;

	if (protocol == PROTOCOL_TCP)
		return parse_tcp(cursor, packet);
	if (protocol == PROTOCOL_UDP)
		return parse_udp(cursor, packet);
	if (protocol == (packet->family == GATE_IPV4 ? PROTOCOL_ICMP : PROTOCOL_ICMPV6))
		return parse_icmp(cursor, packet);
	if (protocol == PROTOCOL_IPV4 || protocol == PROTOCOL_IPV6 || protocol == PROTOCOL_GRE)
		return PACKET_TUNNEL;
	return PACKET_PORTLESS;
}

#endif
