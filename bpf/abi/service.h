/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is guarded: services by exact address (hash), services and addresses by prefix (trie), guarded ports. */
#ifndef POSTERN_ABI_SERVICE_H
#define POSTERN_ABI_SERVICE_H

#include "base.h"

/* Maps `services_v4`, `services_v6`: one machine address, port and protocol (IPPROTO_TCP or IPPROTO_UDP). */
struct gate_service_key_v4 {
	__be32 address;
	__be16 port_be;
	__u8 protocol;
	__u8 padding;
};
GATE_ASSERT_SIZE(gate_service_key_v4, 8);

struct gate_service_key_v6 {
	__u8 address[16];
	__be16 port_be;
	__u8 protocol;
	__u8 padding;
};
GATE_ASSERT_SIZE(gate_service_key_v6, 20);

enum gate_service_flags {
	GATE_SERVICE_ENFORCE = 1 << 0,  /* not set: monitor only, would-be drops pass as `monitored` */
	GATE_SERVICE_FAILSAFE = 1 << 1, /* declared never to be gated */
	GATE_SERVICE_LEARN = 1 << 2,    /* while not enforced: what would be dropped may become a flow */
};

/* Replaced as a whole by an update of the existing key, never deleted and inserted. */
struct gate_service {
	__u32 id;                /* stands for the service in grant keys; never 0; not re-used while grants name it */
	__u32 flags;             /* enum gate_service_flags */
	__u32 prefix_lengths;    /* how many of the lengths below are in use */
	__u8 prefix_length[GATE_PREFIX_LENGTHS_MAX]; /* source prefix lengths of this service's grants */
	__u32 reserved;
};
GATE_ASSERT_SIZE(gate_service, 32);

/* Map `service_counters`, per CPU, by service id: an id beyond it is not counted. posternd empties an element when it
 * takes a service away. */
struct gate_service_counter {
	__u64 dropped;  /* packets */
	__u64 would_be; /* packets that passed as `monitored` or `unconfirmed` */
	__u64 admitted; /* new connections that grants and standing rules let in */
};
GATE_ASSERT_SIZE(gate_service_counter, 24);

/* Key of the tries `service_prefixes` (value: struct gate_service), `guarded_addresses` (value: struct
 * gate_address) and `failsafe_sources` (value: struct gate_failsafe). The last two leave protocol and port 0. */
struct gate_prefix_key {
	__u32 length_bits; /* 32 for family, protocol and port, plus the length of the address prefix */
	__u8 family;       /* GATE_IPV4 or GATE_IPV6 */
	__u8 protocol;
	__be16 port_be;
	__u8 address[16];  /* IPv4: the first four bytes */
};
GATE_ASSERT_SIZE(gate_prefix_key, 24);
GATE_ASSERT_OFFSET(gate_prefix_key, family, 4);
#define GATE_PREFIX_KEY_FIXED_BITS 32

enum gate_address_flags {
	GATE_ADDRESS_ENFORCE = 1 << 0, /* a service of this address enforces: odd packets drop */
	GATE_ADDRESS_TUNNELS = 1 << 1, /* listed: IP-in-IP and GRE may pass */
};

/* An address (or prefix) that has services: asked only about packets whose ports cannot be judged. */
struct gate_address {
	__u32 flags; /* enum gate_address_flags */
	__u32 services;
};
GATE_ASSERT_SIZE(gate_address, 8);

enum gate_failsafe_owner {
	GATE_FAILSAFE_ADMIN = 1,  /* written by posternd from its configuration */
	GATE_FAILSAFE_LOADER = 2, /* written by the loader until the attach is confirmed */
};

struct gate_failsafe {
	__u32 owner; /* enum gate_failsafe_owner */
};
GATE_ASSERT_SIZE(gate_failsafe, 4);

/* Map `guarded_ports`: an array of __u64, a bit for each port in host order; TCP first, then UDP. A set bit says
 * "some service may use this port", never more. */
#define GATE_GUARDED_PORTS_WORDS 2048
#define GATE_GUARDED_PORTS_UDP_WORD 1024

#endif
