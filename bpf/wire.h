/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Headers as they lie on the wire, and byte order. Plain C and C++: nothing of BPF in here.
 *
 * Packets give no alignment. The BPF target wants whole loads anyway (the kernel's own headers do the same); natively
 * the fields say that they may lie anywhere, so sanitizers are content.
 */
#ifndef POSTERN_WIRE_H
#define POSTERN_WIRE_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* A loop stays a loop: the verifier is quicker with it. */
#ifdef __clang__
#define NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define NO_UNROLL
#endif

#ifdef __bpf__
typedef __be16 wire16;
typedef __be32 wire32;
typedef __u64 wire64;
#else
typedef __be16 wire16 __attribute__((aligned(1)));
typedef __be32 wire32 __attribute__((aligned(1)));
typedef __u64 wire64 __attribute__((aligned(1)));
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define WIRE16(number) ((__be16)(((number) & 0xff) << 8 | ((number) >> 8 & 0xff)))
#define WIRE32(number) ((__be32)__builtin_bswap32(number))
#else
#define WIRE16(number) ((__be16)(number))
#define WIRE32(number) ((__be32)(number))
#endif

static __always_inline __u16 host16(__be16 value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap16(value);
#else
	return value;
#endif
}

static __always_inline __u32 host32(__be32 value)
{
	return WIRE32(value);
}

/* EtherTypes; below 0x0600 the field is an IEEE 802.3 length. */
enum {
	ETHERTYPE_LOWEST = 0x0600,
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_TAG = 0x8100,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_SERVICE_TAG = 0x88a8,
	ETHERTYPE_OLD_SERVICE_TAG = 0x9100,
};

/* IP protocol numbers that matter here. */
enum {
	PROTOCOL_HOP_BY_HOP = 0,
	PROTOCOL_ICMP = 1,
	PROTOCOL_IPV4 = 4,
	PROTOCOL_TCP = 6,
	PROTOCOL_UDP = 17,
	PROTOCOL_IPV6 = 41,
	PROTOCOL_ROUTING = 43,
	PROTOCOL_FRAGMENT = 44,
	PROTOCOL_GRE = 47,
	PROTOCOL_AUTHENTICATION = 51,
	PROTOCOL_ICMPV6 = 58,
	PROTOCOL_DESTINATION_OPTIONS = 60,
};

enum {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_ACK = 0x10,
};

struct ethernet_header {
	__u8 destination[6];
	__u8 source[6];
	wire16 type_be;
};

struct tag_header {
	wire16 control_be;
	wire16 type_be;
};

/* IEEE 802.2 with or without SNAP. */
struct llc_header {
	__u8 destination_sap;
	__u8 source_sap;
	__u8 control;
	__u8 organization[3];
	__u8 type[2];
};

struct ipv4_header {
	__u8 version_words;
	__u8 service_type;
	wire16 total_bytes_be;
	wire16 id_be;
	wire16 fragment_be;
	__u8 hops;
	__u8 protocol;
	wire16 checksum;
	wire32 source;
	wire32 destination;
};

struct ipv6_header {
	wire32 version_class_flow;
	wire16 payload_bytes_be;
	__u8 next;
	__u8 hops;
	wire64 source[2];
	wire64 destination[2];
};

struct extension_header {
	__u8 next;
	__u8 length; /* in units that depend on the header; in the fragment header reserved */
	wire16 fragment_be;
	wire32 fragment_id_be;
};

struct tcp_header {
	wire16 source_port_be;
	wire16 destination_port_be;
	wire32 sequence_be;
	wire32 acknowledgment_be;
	__u8 words;
	__u8 flags;
	wire16 window_be;
	wire16 checksum;
	wire16 urgent_be;
};

struct udp_header {
	wire16 source_port_be;
	wire16 destination_port_be;
	wire16 bytes_be;
	wire16 checksum;
};

/* The first four bytes of TCP and UDP, all that an ICMP error must quote of them. */
struct port_pair {
	wire16 source_port_be;
	wire16 destination_port_be;
};

struct icmp_header {
	__u8 type;
	__u8 code;
	wire16 checksum;
	wire32 rest;
};

#endif
