/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Does a live grant or a standing rule cover the source? One look-up for each prefix length the service uses.
 *
 * I2: admits while now < deadline, compared here with the exact clock, which is read only once an entry was found.
 * Elements of a hash may be freed and used again under a reader, for another source even. So what admits is looked up
 * twice and must say the same both times; the same holds for the service, whose id the look-up relied on.
 */
#ifndef POSTERN_GRANT_BPF_H
#define POSTERN_GRANT_BPF_H

#include "record.bpf.h"
#include "service.bpf.h"

union grant_key {
	struct gate_grant_key_v4 v4;
	struct gate_grant_key_v6 v6;
};

/* The first bits of 64 bits in network order. */
static __always_inline __u64 mask64(__u32 bits)
{
	if (!bits)
		return 0;
	if (bits >= 64)
		return ~0ULL;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap64(~0ULL << (64 - bits));
#else
	return ~0ULL << (64 - bits);
#endif
}

static __always_inline struct gate_grant *find_entry_v4(const struct packet *packet, __u32 service, __u8 length)
{
	const struct gate_grant_key_v4 key = {
		.service = service,
		.source = packet->source.v4 & (__be32)mask64(length),
		.prefix_length = length,
	};

	return length > 32 ? 0 : bpf_map_lookup_elem(&grants_v4, &key);
}

static __always_inline struct gate_grant *find_entry_v6(const struct packet *packet, __u32 service, __u8 length)
{
	union packet_address masked;
	struct gate_grant_key_v6 key = {.service = service, .prefix_length = length};

	masked.halves[0] = packet->source.halves[0] & mask64(length);
	masked.halves[1] = packet->source.halves[1] & mask64(length > 64 ? length - 64 : 0);
	__builtin_memcpy(key.source, masked.bytes, sizeof(key.source));
	return length > 128 ? 0 : bpf_map_lookup_elem(&grants_v6, &key);
}

static __always_inline struct gate_grant *find_entry(const struct packet *packet, __u32 service, __u8 length)
{
	return packet->family == GATE_IPV4 ? find_entry_v4(packet, service, length)
					   : find_entry_v6(packet, service, length);
}

/* Takes the entry into the judgement if it admits. A flow that was cut is not admitted by the grant that was cut. */
static __always_inline _Bool admits(const struct gate_grant *entry, struct judgement *judgement)
{
	const __u64 deadline_boot_ns = READ_ONCE(entry->deadline_boot_ns);

	judgement->serial = READ_ONCE(entry->serial);
	judgement->slot = READ_ONCE(entry->slot);
	judgement->standing = READ_ONCE(entry->flags) & GATE_GRANT_STANDING;
	return READ_ONCE(entry->service) == judgement->service.id && is_before(deadline_boot_ns, judgement) &&
	       !(judgement->is_cut && judgement->cut_serial == judgement->serial);
}

/* Length of the prefix whose entry admits, else a negative number. */
static __always_inline int find_admitting(const struct packet *packet, struct judgement *judgement)
{
	NO_UNROLL
	for (__u32 i = 0; i < GATE_PREFIX_LENGTHS_MAX; i++) {
		const struct gate_grant *entry;
		__u8 length;

		if (i >= judgement->service.prefix_lengths)
			break;
		length = judgement->service.prefix_length[i];
		entry = find_entry(packet, judgement->service.id, length);
		if (entry && admits(entry, judgement))
			return length;
	}
	return -1;
}

__noinline int find_grant(const struct packet *packet, struct judgement *judgement)
{
	const struct gate_grant *entry;
	const struct gate_service *service;
	int length;

	if (!packet || !judgement)
		return 0;
	length = find_admitting(packet, judgement);
	if (length >= 0) {
		entry = find_entry(packet, judgement->service.id, (__u8)length);
		service = find_service(packet);
		if (entry && entry->serial == judgement->serial && is_before(entry->deadline_boot_ns, judgement) &&
		    service && service->id == judgement->service.id)
			return 1;
	}
	judgement->serial = 0;
	judgement->slot = 0;
	return 0;
}

#endif
