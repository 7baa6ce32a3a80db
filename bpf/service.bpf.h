/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Is the destination guarded? Ports first (nearly all traffic ends there), then exact addresses, then prefixes. */
#ifndef POSTERN_SERVICE_BPF_H
#define POSTERN_SERVICE_BPF_H

#include "judgement.bpf.h"

static __always_inline _Bool is_port_guarded(__u8 protocol, __be16 port_be)
{
	const __u32 port = host16(port_be);
	const __u32 word = port / 64 + (protocol == PROTOCOL_UDP ? GATE_GUARDED_PORTS_UDP_WORD : 0);
	const __u64 *bits = bpf_map_lookup_elem(&guarded_ports, &word);

	return bits && *bits >> (port % 64) & 1;
}

static __always_inline struct gate_service *find_service_by_address(const struct packet *packet)
{
	if (packet->family == GATE_IPV4) {
		const struct gate_service_key_v4 key = {
			.address = packet->destination.v4,
			.port_be = packet->destination_port_be,
			.protocol = packet->protocol,
		};
		return bpf_map_lookup_elem(&services_v4, &key);
	}
	struct gate_service_key_v6 key = {
		.port_be = packet->destination_port_be,
		.protocol = packet->protocol,
	};
	__builtin_memcpy(key.address, packet->destination.bytes, sizeof(key.address));
	return bpf_map_lookup_elem(&services_v6, &key);
}

/* Address as a key of the tries, in full length. */
static __always_inline void write_prefix_key(struct gate_prefix_key *key, __u8 family,
					     const union packet_address *address)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->family = family;
	key->length_bits = GATE_PREFIX_KEY_FIXED_BITS + (family == GATE_IPV4 ? 32 : 128);
	__builtin_memcpy(key->address, address->bytes, sizeof(key->address));
}

static __always_inline struct gate_service *find_service_by_prefix(const struct packet *packet)
{
	struct gate_prefix_key key;

	write_prefix_key(&key, packet->family, &packet->destination);
	key.protocol = packet->protocol;
	key.port_be = packet->destination_port_be;
	return bpf_map_lookup_elem(&service_prefixes, &key);
}

static __always_inline struct gate_service *find_service(const struct packet *packet)
{
	struct gate_service *service = find_service_by_address(packet);

	if (!service) {
		const struct gate_control *control_now = control_record();

		if (control_now && control_now->flags & GATE_CONTROL_SERVICE_PREFIXES)
			service = find_service_by_prefix(packet);
	}
	return service;
}

/* A service's element may be freed and used again for another one under this reader. What was read admits nobody as long as
 * the service enforces: grants are looked up by the id, and it once more. Otherwise it must be found so twice. */
static __always_inline void confirm_lenient(const struct packet *packet, struct gate_service *service)
{
	const struct gate_service *again;

	if ((service->flags & (GATE_SERVICE_ENFORCE | GATE_SERVICE_FAILSAFE)) == GATE_SERVICE_ENFORCE)
		return;
	again = find_service(packet);
	if (!again || again->id != service->id || again->flags != service->flags)
		service->flags = GATE_SERVICE_ENFORCE;
}

/* Stage 2. Once it returns 0, the packet goes to a guarded service, which stands in the judgement. */
static __always_inline enum gate_reason pass_unguarded(const struct packet *packet, struct judgement *judgement)
{
	const struct gate_service *service;

	if (!is_port_guarded(packet->protocol, packet->destination_port_be))
		return gate_reason_unguarded;
	service = find_service(packet);
	if (!service)
		return gate_reason_unguarded;
	judgement->service = *service;
	confirm_lenient(packet, &judgement->service);
	judgement->enforces = judgement->service.flags & GATE_SERVICE_ENFORCE;
	return gate_reason_undecided;
}

#endif
