/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the stages find out about one packet, the clocks, the settings, and the tallies. */
#ifndef POSTERN_JUDGEMENT_BPF_H
#define POSTERN_JUDGEMENT_BPF_H

#include "maps.bpf.h"
#include "packet.h"

/* Load-time constant of each object: true in explain, whose run must leave no trace. The verifier knows its value, so
 * what it switches off costs nothing. */
extern const volatile _Bool read_only;

/* Handed from stage to stage. Most stages are functions that the verifier proves once, whoever calls them; that allows no
 * pointers in here, so what a stage looks up again it looks up by key. */
struct judgement {
	__u64 now_boot_ns;           /* 0: not read yet */
	__u64 now_coarse_ns;         /* 0: not read yet */
	__u64 serial;                /* of the grant that admits */
	__u64 cut_serial;            /* of the grant that a cut flow had */
	struct gate_service service; /* id 0: none */
	__u32 slot;
	__u32 cut_generation; /* as it was before the grant was looked up */
	__u8 standing; /* a standing rule admits */
	__u8 enforces; /* whom the packet goes to enforces: a drop is a drop */
	__u8 is_cut;   /* an established flow was cut: it lives on if another grant covers the packet */
	__u8 learned;  /* no grant covers the packet, but its service learns */
};

/* The exact clock costs six times the coarse one: read once a grant, or a deadline, has been found. */
static __always_inline __u64 boot_now(struct judgement *judgement)
{
	if (!judgement->now_boot_ns)
		judgement->now_boot_ns = bpf_ktime_get_boot_ns();
	return judgement->now_boot_ns;
}

static __always_inline __u64 coarse_now(struct judgement *judgement)
{
	if (!judgement->now_coarse_ns)
		judgement->now_coarse_ns = bpf_ktime_get_coarse_ns();
	return judgement->now_coarse_ns;
}

/* Only a packet with ports of its own changes flows: an ICMP error merely speaks of one. */
static __always_inline _Bool learns(const struct packet *packet)
{
	return !read_only && packet->kind == PACKET_TRANSPORT;
}

/* What holds while the loader has not said otherwise: Linux conntrack's idle times. */
#define SECONDS(count) ((count)*1000000000ULL)
#define DEFAULT_TCP_HALF_OPEN_IDLE_NS SECONDS(60)
#define DEFAULT_TCP_ESTABLISHED_IDLE_NS GATE_TCP_ESTABLISHED_IDLE_NS
#define DEFAULT_TCP_CLOSED_LINGER_NS SECONDS(120)
#define DEFAULT_UDP_HALF_OPEN_IDLE_NS SECONDS(30)
#define DEFAULT_UDP_ESTABLISHED_IDLE_NS SECONDS(120)
#define DEFAULT_UDP_WITHOUT_GRANT_SESSION_NS SECONDS(3600)
#define DEFAULT_FRAGMENT_IDLE_NS SECONDS(30)

/* Keys stand in functions of their own, so that their places on the stack are free again once these return. */
static __always_inline const struct gate_config *config_record(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

#define SETTING(field, fallback)                                         \
	({                                                               \
		const struct gate_config *config_ = config_record();     \
		config_ && config_->field ? config_->field : (fallback); \
	})

static __always_inline struct gate_control *control_record(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static __always_inline void tally(__u32 which)
{
	struct gate_counter *counter = bpf_map_lookup_elem(&tallies, &which);

	if (!read_only && counter)
		counter->packets++;
}

static __always_inline struct gate_service_counter *service_counter(const struct judgement *judgement)
{
	const __u32 id = judgement->service.id;

	return id ? bpf_map_lookup_elem(&service_counters, &id) : 0;
}

#endif
