/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments to an address with services: the verdict of the first is remembered, later ones follow it.
 *
 * A later fragment must begin behind everything a first fragment brought, or it could overwrite the ports that were judged.
 * Where two first fragments of one datagram passed, the longer one counts.
 */
#ifndef POSTERN_FRAGMENT_BPF_H
#define POSTERN_FRAGMENT_BPF_H

#include "track.bpf.h"

static __always_inline void write_fragment_key(const struct packet *packet, struct gate_fragment_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	__builtin_memcpy(key->source, packet->source.bytes, sizeof(key->source));
	__builtin_memcpy(key->destination, packet->destination.bytes, sizeof(key->destination));
	key->id_be = packet->fragment_id_be;
	key->protocol = packet->fragment_protocol;
	key->family = packet->family;
}

/* What is remembered of the first fragment, unless too long ago. */
static __always_inline struct gate_fragment *find_first_fragment(const struct gate_fragment_key *key,
								 struct judgement *judgement)
{
	struct gate_fragment *first = bpf_map_lookup_elem(&fragments, key);

	if (first &&
	    is_older(first->seen_coarse_ns, SETTING(fragment_idle_ns, DEFAULT_FRAGMENT_IDLE_NS), judgement))
		return 0;
	return first;
}

static __always_inline enum gate_reason follow_fragment(const struct packet *packet, struct judgement *judgement)
{
	struct gate_fragment_key key;
	const struct gate_fragment *first;

	write_fragment_key(packet, &key);
	first = find_first_fragment(&key, judgement);
	if (!first)
		return gate_reason_fragment_unknown;
	if (packet->fragment_begin < first->data_end)
		return gate_reason_fragment_overlap;
	return gate_reason_fragment_follows;
}

/* Called for first fragments that pass, and that go to an address with services. */
static __always_inline void remember_fragment(const struct packet *packet, struct judgement *judgement,
					      enum gate_reason why)
{
	struct gate_fragment_key key;
	struct gate_fragment fresh;
	const struct gate_fragment *known;

	write_fragment_key(packet, &key);
	fresh.seen_coarse_ns = coarse_now(judgement);
	fresh.reason = why;
	fresh.data_end = packet->fragment_end;
	known = find_first_fragment(&key, judgement);
	if (known && known->data_end > fresh.data_end)
		fresh.data_end = known->data_end;
	if (bpf_map_update_elem(&fragments, &key, &fresh, BPF_ANY))
		tally(gate_tally_fragment_failed);
}

#endif
