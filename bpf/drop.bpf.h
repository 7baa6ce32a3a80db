/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What becomes of a packet that no stage lets pass: counted for its service, and told to posternd as far as the budget goes. */
#ifndef POSTERN_DROP_BPF_H
#define POSTERN_DROP_BPF_H

#include "events.bpf.h"

static __always_inline struct gate_drop_budget *drop_budget_of(const struct judgement *judgement)
{
	const __u32 index = judgement->service.id % GATE_DROP_BUDGETS;

	return bpf_map_lookup_elem(&drop_budget, &index);
}

/* A second's worth at most, filled by and by. In a flood the clock is read once a jiffy. */
static __always_inline _Bool may_report_drop(struct judgement *judgement)
{
	struct gate_drop_budget *budget = drop_budget_of(judgement);
	__u64 per_second, jiffies, elapsed_ns;

	if (!budget)
		return 0;
	if (!budget->left) {
		jiffies = bpf_jiffies64();
		if (jiffies == budget->jiffies)
			return 0;
		budget->jiffies = jiffies;
		per_second = SETTING(drop_events_per_second, GATE_DROP_EVENTS_PER_SECOND);
		elapsed_ns = coarse_now(judgement) - budget->filled_coarse_ns;
		if (elapsed_ns > SECONDS(1))
			elapsed_ns = SECONDS(1);
		budget->left = elapsed_ns * per_second / SECONDS(1);
		if (!budget->left)
			return 0;
		budget->filled_coarse_ns = coarse_now(judgement);
	}
	budget->left--;
	return 1;
}

__noinline int report_drop(struct xdp_md *ctx, const struct packet *packet, const struct judgement *judgement,
			   __u32 why, __u32 outcome)
{
	struct gate_drop_event *event;

	if (!packet || !judgement)
		return 0;
	event = bpf_ringbuf_reserve(&drop_events, sizeof(*event), 0);
	if (!event) {
		tally(gate_tally_drop_events_lost);
		return 0;
	}
	event->time_boot_ns = bpf_ktime_get_boot_ns();
	write_address(event->source, packet, &packet->source);
	write_address(event->destination, packet, &packet->destination);
	event->source_port_be = packet->source_port_be;
	event->destination_port_be = packet->destination_port_be;
	event->reason = why;
	event->outcome = outcome;
	event->service = judgement->service.id;
	event->interface = ctx->ingress_ifindex;
	event->family = packet->family;
	event->protocol = packet->protocol;
	event->tcp_flags = packet->tcp_flags;
	event->padding = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* Also of a packet that passes after all because its service is only monitored, or the attach was not confirmed. */
static __always_inline void note_drop(struct xdp_md *ctx, const struct packet *packet, struct judgement *judgement,
				      enum gate_reason why, enum gate_reason outcome)
{
	struct gate_service_counter *counter = service_counter(judgement);

	if (counter && outcome == why)
		counter->dropped++;
	else if (counter)
		counter->would_be++;
	if (may_report_drop(judgement))
		report_drop(ctx, packet, judgement, why, outcome);
	else
		tally(gate_tally_drop_events_limited);
}

#endif
