/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All maps, and nothing else. Names, key and value types are those of abi/maps.h; sizes are defaults that the loader
 * may change before the first load. Above each: key → value, who writes, who reads, what happens when it is full.
 *
 * Nothing that admits lives in an LRU (an eviction would be a silent revocation). Large hashes are not preallocated:
 * a gate with ten grants should not hold memory for a million.
 */
#ifndef POSTERN_MAPS_BPF_H
#define POSTERN_MAPS_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "abi/maps.h"

/* Word index → bits of guarded ports (TCP, then UDP), in front of every look-up.
 * posternd and the loader (from its snapshot) write, ingress and egress read. Never full. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_GUARDED_PORTS_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} guarded_ports SEC(".maps");

/* Exact (address, port, protocol) → service. posternd and the loader write, the programs read.
 * Full: posternd refuses the policy. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct gate_service_key_v4);
	__type(value, struct gate_service);
} services_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct gate_service_key_v6);
	__type(value, struct gate_service);
} services_v6 SEC(".maps");

/* (family, protocol, port, address prefix) → service: machines whose address is a prefix; the longest match counts.
 * posternd and the loader write; the programs ask it only if control.flags says it is not empty.
 * Full: posternd refuses the policy. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct gate_prefix_key);
	__type(value, struct gate_service);
} service_prefixes SEC(".maps");

/* Every address or prefix that has services → whether odd packets to it drop. posternd and the loader write; ingress
 * asks it only about fragments, malformed packets and tunnels. Full: posternd refuses the policy. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct gate_prefix_key);
	__type(value, struct gate_address);
} guarded_addresses SEC(".maps");

/* Source prefix → its owner: sources that are never gated. posternd and the loader write, each its own entries; ingress
 * asks it only if a flag of config or control says so. Full: whoever writes refuses. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, struct gate_prefix_key);
	__type(value, struct gate_failsafe);
} failsafe_sources SEC(".maps");

/* (service, source prefix) → deadline, record. posternd alone writes; ingress reads (egress never).
 * Full: posternd counts before the first put and refuses the request. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct gate_grant_key_v4);
	__type(value, struct gate_grant);
} grants_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1048576);
	__type(key, struct gate_grant_key_v6);
	__type(value, struct gate_grant);
} grants_v6 SEC(".maps");

/* Slot → state, ending and deadline of a grant. posternd alone writes (by mmap), the programs read.
 * No free slot: posternd refuses the request. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, struct gate_record);
} grant_records SEC(".maps");

/* Slot → how the grant was used. posternd writes the serial at opening and recounts (by mmap); the
 * programs add and subtract. Same slots as grant_records. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 262144);
	__type(key, __u32);
	__type(value, struct gate_usage);
} grant_usage SEC(".maps");

/* Connection → what is known of it before it is established. Created under a live grant (ingress) or when a machine
 * connects from a guarded port (egress). LRU: full, the oldest goes, and its connection is picked up again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct gate_flow_key_v4);
	__type(value, struct gate_flow);
} half_open_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct gate_flow_key_v6);
	__type(value, struct gate_flow);
} half_open_v6 SEC(".maps");

/* Connection → what is known of one that begins without a grant while its service learns: apart from half_open, so that
 * whoever floods such a service pushes nothing out there. Created by ingress, asked after half_open. LRU: full, the oldest
 * goes, and its connection is learned from a later packet. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct gate_flow_key_v4);
	__type(value, struct gate_flow);
} learning_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct gate_flow_key_v6);
	__type(value, struct gate_flow);
} learning_v6 SEC(".maps");

/* 0 → how many established flows were learned. The programs add and subtract, posternd recounts. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gate_usage);
} learned_usage SEC(".maps");

/* Connection → an established one. The programs promote into it and delete dead entries they meet; posternd sweeps idle
 * and closed ones; the loader seeds adopted ones. Full: promotion fails, is tallied and tried again on each packet. Flows that
 * were learned take config.learned_max of it at most. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct gate_flow_key_v4);
	__type(value, struct gate_flow);
} established_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 524288);
	__type(key, struct gate_flow_key_v6);
	__type(value, struct gate_flow);
} established_v6 SEC(".maps");

/* Datagram → verdict of its first fragment; only those that passed. Ingress alone reads and writes.
 * LRU: full, the oldest goes, and that datagram's later fragments drop. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct gate_fragment_key);
	__type(value, struct gate_fragment);
} fragments SEC(".maps");

/* Reason → packets and IP bytes, per CPU. Ingress writes, everybody reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GATE_REASONS_SLOTS);
	__type(key, __u32);
	__type(value, struct gate_counter);
} counters SEC(".maps");

/* Tally → how often, per CPU. Ingress and egress write, everybody reads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GATE_TALLIES_SLOTS);
	__type(key, __u32);
	__type(value, struct gate_counter);
} tallies SEC(".maps");

/* Service id → what became of packets to it, per CPU. Ingress writes, everybody reads; posternd empties. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct gate_service_counter);
} service_counters SEC(".maps");

/* Drops, as many as drop_budget allows. Ingress writes, posternd alone reads. Full: the event is lost and tallied. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} drop_events SEC(".maps");

/* Flows opened and closed. Ingress and egress write, posternd alone reads. Full: the event is lost and tallied. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} flow_events SEC(".maps");

/* Service id modulo GATE_DROP_BUDGETS → how many drops this CPU may still report. Ingress alone reads and writes. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GATE_DROP_BUDGETS);
	__type(key, __u32);
	__type(value, struct gate_drop_budget);
} drop_budget SEC(".maps");

/* 0 → time-outs and the unconfirmed attach. The loader alone writes, the programs read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gate_config);
} config SEC(".maps");

/* 0 → which tables are in use, and the cut generation. posternd alone writes, the programs read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct gate_control);
} control SEC(".maps");

/* Word index → bits of TCP ports whose SYN-ACKs egress notes where no policy guards them. posternd writes, egress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, GATE_WATCHED_PORTS_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} watched_ports SEC(".maps");

/* (machine's address, port) → when it answered. Egress writes, posternd reads. LRU: full, the oldest goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct gate_answer_key);
	__type(value, struct gate_answer);
} answers SEC(".maps");

/* (machine's address, port, peer) → when it answered that one. As above. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct gate_answer_peer_key);
	__type(value, struct gate_answer);
} answer_peers SEC(".maps");

#endif
