/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Stage 3: sources and services that the admin declared never to be gated; before flows and grants, so that no policy
 * can lock the operator out. */
#ifndef POSTERN_FAILSAFE_BPF_H
#define POSTERN_FAILSAFE_BPF_H

#include "service.bpf.h"

static __always_inline _Bool has_failsafe_sources(void)
{
	__u32 zero = 0;
	const struct gate_config *loader = bpf_map_lookup_elem(&config, &zero);
	const struct gate_control *daemon = control_record();

	return (loader && loader->flags & GATE_CONFIG_FAILSAFE_SOURCES) ||
	       (daemon && daemon->flags & GATE_CONTROL_FAILSAFE_SOURCES);
}

__noinline int find_failsafe_source(const struct packet *packet)
{
	struct gate_prefix_key key;

	if (!packet)
		return 0;
	write_prefix_key(&key, packet->family, &packet->source);
	return bpf_map_lookup_elem(&failsafe_sources, &key) != 0;
}

static __always_inline _Bool is_failsafe_source(const struct packet *packet)
{
	return has_failsafe_sources() && find_failsafe_source(packet);
}

static __always_inline enum gate_reason pass_failsafe(const struct packet *packet, const struct judgement *judgement)
{
	if (judgement->service.flags & GATE_SERVICE_FAILSAFE || is_failsafe_source(packet))
		return gate_reason_failsafe;
	return gate_reason_undecided;
}

#endif
