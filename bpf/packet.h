/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the gate knows of one packet after parsing; nobody but the parser holds packet pointers. Plain C and C++. */
#ifndef POSTERN_PACKET_H
#define POSTERN_PACKET_H

#include "abi/base.h"
#include "wire.h"

enum packet_kind {
	PACKET_NOT_IP,         /* nothing below is set */
	PACKET_UNREADABLE,     /* IP behind SNAP or too many tags */
	PACKET_MALFORMED,      /* addresses are set as far as they could be read, else 0 */
	PACKET_LINK_CONTROL,   /* neighbour or multicast listener discovery, DHCP */
	PACKET_PORTLESS,       /* a transport without ports */
	PACKET_TUNNEL,         /* IP-in-IP, GRE */
	PACKET_TRANSPORT,      /* TCP or UDP: everything below is set */
	PACKET_ICMP_ERROR,     /* after parse_quote(): addresses, protocol, ports of the quoted packet, turned around */
	PACKET_LATER_FRAGMENT, /* its ports stand in another packet */
	PACKET_TINY_FRAGMENT,  /* a first fragment that ends within its transport header */
	PACKET_EXTENSIONS,     /* only within the parser: parse_extensions() has to go on */
};

union packet_address {
	__be32 v4;
	__u8 bytes[16];
	__u64 halves[2];
};

/* Ports and addresses in network order, all else in host order. Fields that a kind does not use are 0. */
struct packet {
	union packet_address source;
	union packet_address destination;
	__u32 ip_bytes; /* from the IP header on, without trailing padding */
	__u32 payload_bytes;
	__u32 sequence;
	__u32 acknowledgment;
	__u32 fragment_id_be;
	__u32 fragment_begin; /* where its data begins and ends in the reassembled payload */
	__u32 fragment_end;
	__be16 source_port_be;
	__be16 destination_port_be;
	__u8 kind; /* enum packet_kind */
	__u8 family;
	__u8 protocol;
	__u8 tcp_flags;
	__u8 first_fragment; /* more fragments follow this one */
	__u8 fragment_protocol; /* as the IPv4 header of a fragment says; 0 for IPv6 (RFC 8200) */
	__u16 continued_at; /* within the parser: offset in the frame, and payload_bytes the bytes from there */
	__u8 spare[4];
};
GATE_ASSERT(sizeof(struct packet) == 80, "struct packet has hidden padding");

#endif
