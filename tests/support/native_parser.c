/* SPDX-License-Identifier: Apache-2.0 */
/* bpf/parse.h as an ordinary function. */
#include "tests/support/native_parser.h"

#include <string.h>

#include "bpf/parse.h"

static enum native_kind kind_of(const struct packet *packet)
{
	switch (packet->kind) {
	case PACKET_NOT_IP: return native_not_ip;
	case PACKET_UNREADABLE: return native_unreadable;
	case PACKET_MALFORMED: return native_malformed;
	case PACKET_LINK_CONTROL: return native_link_control;
	case PACKET_PORTLESS: return native_portless;
	case PACKET_TUNNEL: return native_tunnel;
	case PACKET_TRANSPORT: return native_transport;
	case PACKET_ICMP_ERROR: return native_icmp_error;
	case PACKET_LATER_FRAGMENT: return native_later_fragment;
	case PACKET_TINY_FRAGMENT: return native_tiny_fragment;
	case PACKET_EXTENSIONS: return native_unknown_kind; /* must not be seen outside of the parser */
	default: return native_unknown_kind;
	}
}

struct native_packet native_parse(const void *data, size_t size, size_t frame_size)
{
	struct packet packet;
	struct native_packet out;

	memset(&packet, 0, sizeof(packet));
	memset(&out, 0, sizeof(out));
	parse_packet(data, (const uint8_t *)data + size, (__u32)frame_size, &packet);
	out.kind = kind_of(&packet);
	out.family = packet.family;
	out.protocol = packet.protocol;
	out.tcp_flags = packet.tcp_flags;
	out.first_fragment = packet.first_fragment;
	out.source_port = host16(packet.source_port_be);
	out.destination_port = host16(packet.destination_port_be);
	out.sequence = packet.sequence;
	out.acknowledgment = packet.acknowledgment;
	out.ip_bytes = packet.ip_bytes;
	out.payload_bytes = packet.payload_bytes;
	out.fragment_begin = packet.fragment_begin;
	out.fragment_end = packet.fragment_end;
	memcpy(out.source, packet.source.bytes, sizeof(out.source));
	memcpy(out.destination, packet.destination.bytes, sizeof(out.destination));
	return out;
}
