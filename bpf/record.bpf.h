/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Grant records: is the grant of a flow still live, was it cut, how many established flows does it have. */
#ifndef POSTERN_RECORD_BPF_H
#define POSTERN_RECORD_BPF_H

#include "judgement.bpf.h"

#define READ_ONCE(field) (*(const volatile typeof(field) *)&(field))
#ifndef barrier
#define barrier() __asm__ volatile("" ::: "memory")
#endif

static __always_inline struct gate_record *find_record(__u32 slot)
{
	return bpf_map_lookup_elem(&grant_records, &slot);
}

static __always_inline struct gate_usage *find_usage(__u32 slot)
{
	return bpf_map_lookup_elem(&grant_usage, &slot);
}

static __always_inline _Bool is_before(__u64 deadline_boot_ns, struct judgement *judgement)
{
	return deadline_boot_ns == GATE_NO_DEADLINE || boot_now(judgement) < deadline_boot_ns;
}

/* The serial is read last: a slot that was given away in between has another one. */
static __always_inline _Bool is_grant_live(const struct gate_flow *flow, struct judgement *judgement)
{
	const struct gate_record *record = find_record(flow->slot);
	__u64 deadline_boot_ns;

	if (!record || !flow->serial)
		return 0;
	deadline_boot_ns = READ_ONCE(record->deadline_boot_ns);
	if (READ_ONCE(record->state) != GATE_RECORD_LIVE || READ_ONCE(record->serial) != flow->serial)
		return 0;
	return is_before(deadline_boot_ns, judgement);
}

static __always_inline __u32 cut_generation(void)
{
	const struct gate_control *control_now = control_record();

	return control_now ? READ_ONCE(control_now->cut_generation) : 0;
}

/* Did the grant of this established flow end in cut mode? A look at the record is due if something was cut since the
 * last one, or if the grant ends in cut mode by itself. Of a watched flow whose record is gone the grant is over. */
static __always_inline _Bool is_cut(struct gate_flow *flow, struct judgement *judgement)
{
	const __u32 generation = cut_generation();
	const _Bool watched = flow->flags & GATE_FLOW_WATCHED;
	const struct gate_record *record;
	__u64 deadline_boot_ns;
	__u32 state, ending;

	if (!flow->serial || (!watched && flow->cut_generation == generation))
		return 0;
	record = find_record(flow->slot);
	if (!record)
		return 0;
	deadline_boot_ns = READ_ONCE(record->deadline_boot_ns);
	ending = READ_ONCE(record->ending);
	state = READ_ONCE(record->state);
	if (READ_ONCE(record->serial) != flow->serial || state == GATE_RECORD_VACANT)
		return watched;
	if (state == GATE_RECORD_CUT)
		return 1;
	if (state == GATE_RECORD_LIVE && ending == GATE_ENDING_CUT && !is_before(deadline_boot_ns, judgement))
		return 1;
	if (!read_only && flow->cut_generation != generation) {
		flow->cut_generation = generation;
		if (ending == GATE_ENDING_CUT)
			flow->flags |= GATE_FLOW_WATCHED;
		else
			flow->flags &= ~GATE_FLOW_WATCHED;
	}
	return 0;
}

/* Puts the flow under the grant that the judgement found; its longest time counts from when it was opened, whatever
 * grant it had. The generation is the one from before the look-up: a cut since then, of this very grant perhaps, makes
 * the flow's next packet look at the record. */
static __always_inline void bind_grant(struct gate_flow *flow, struct judgement *judgement)
{
	const struct gate_record *record = find_record(judgement->slot);

	flow->cut_generation = judgement->cut_generation;
	flow->flags &= ~(GATE_FLOW_WATCHED | GATE_FLOW_LEARNED | GATE_FLOW_ENDED);
	if (judgement->learned)
		flow->flags |= GATE_FLOW_LEARNED;
	flow->session_end_boot_ns = 0;
	flow->service = judgement->service.id;
	flow->slot = judgement->slot;
	flow->serial = judgement->serial;
	if (!record || record->serial != judgement->serial || !judgement->serial)
		return;
	if (READ_ONCE(record->state) == GATE_RECORD_CUT)
		flow->cut_generation--;
	if (record->ending == GATE_ENDING_CUT)
		flow->flags |= GATE_FLOW_WATCHED;
	if (record->session_max_ns)
		flow->session_end_boot_ns = flow->opened_boot_ns + record->session_max_ns;
}

/* One flow fewer. A recount may have set the count to 0 meanwhile: then the step below is taken back, and until it is
 * the count is compared as a number with a sign, so that nobody is refused for it. */
static __always_inline void give_back(__u64 *flows)
{
	if ((__s64)__sync_fetch_and_add(flows, -1) <= 0)
		__sync_fetch_and_add(flows, 1);
}

/* Counts one more established flow for the grant; 0 if that would exceed its cap. A record of usage that is not this
 * grant's is left alone, and no cap holds. */
static __always_inline _Bool claim_usage(__u32 slot, __u64 serial, __u32 cap)
{
	struct gate_usage *usage = find_usage(slot);

	if (!usage || !serial || usage->serial != serial)
		return 1;
	if ((__s64)__sync_fetch_and_add(&usage->established, 1) < cap || !cap)
		return 1;
	give_back(&usage->established);
	return 0;
}

/* Whoever opens connections without a grant can do so in anybody's name: what is learned gets only a part of the
 * table. */
static __always_inline _Bool claim_learned(void)
{
	const __s64 most = SETTING(learned_max, GATE_LEARNED_MAX);
	__u32 zero = 0;
	struct gate_usage *usage = bpf_map_lookup_elem(&learned_usage, &zero);

	if (!usage || (__s64)READ_ONCE(usage->established) >= most)
		return 0;
	if ((__s64)__sync_fetch_and_add(&usage->established, 1) < most)
		return 1;
	give_back(&usage->established);
	return 0;
}

static __always_inline void release_learned(void)
{
	__u32 zero = 0;
	struct gate_usage *usage = bpf_map_lookup_elem(&learned_usage, &zero);

	if (usage)
		give_back(&usage->established);
}

static __always_inline _Bool claim_place(const struct gate_flow *flow)
{
	if (flow->flags & GATE_FLOW_LEARNED)
		return claim_learned();
	return claim_usage(flow->slot, flow->serial, SETTING(established_per_grant_max, 0));
}

static __always_inline void release_usage(__u32 flow_flags, __u32 slot, __u64 serial)
{
	struct gate_usage *usage;

	if (flow_flags & GATE_FLOW_ENDED) /* the recount has left it out */
		return;
	if (flow_flags & GATE_FLOW_LEARNED) {
		release_learned();
		return;
	}
	usage = find_usage(slot);
	if (usage && serial && usage->serial == serial)
		give_back(&usage->established);
}

/* A new connection that the grant in the judgement let in. */
static __always_inline void count_admission(struct judgement *judgement)
{
	struct gate_usage *usage = find_usage(judgement->slot);
	struct gate_service_counter *counter = service_counter(judgement);

	if (usage && judgement->serial && usage->serial == judgement->serial) {
		__sync_fetch_and_add(&usage->admitted, 1);
		usage->last_admitted_boot_ns = boot_now(judgement);
	}
	if (counter && !judgement->learned)
		counter->admitted++;
}

#endif
