// SPDX-License-Identifier: Apache-2.0
// Idle, closed and cut flows.
#include "controlplane/dataplane/flow_death.hpp"

#include <netinet/in.h>

#include <algorithm>

namespace postern::dataplane {

namespace {

bool is_older(std::uint64_t then_ns, std::uint64_t idle_ns, std::uint64_t now_ns) {
  return idle_ns != 0 && now_ns > then_ns && now_ns - then_ns > idle_ns;
}

bool is_over(const gate_record& record, const SweepTime& now) {
  return record.deadline_boot_ns != GATE_NO_DEADLINE && now.boot_ns >= record.deadline_boot_ns;
}

bool is_closed(const gate_flow& flow) {
  return ((flow.client.flags | flow.machine.flags) & GATE_SIDE_RST) != 0 ||
         (flow.client.flags & flow.machine.flags & GATE_SIDE_FIN) != 0;
}

// I4: what was cut stays cut, also when another grant has taken the slot.
bool is_cut(const gate_flow& flow, const gate_record& record, const SweepTime& now) {
  if (flow.serial == 0) return false;
  if (record.serial != flow.serial || record.state == GATE_RECORD_VACANT) return (flow.flags & GATE_FLOW_WATCHED) != 0;
  if (record.state == GATE_RECORD_CUT) return true;
  return record.state == GATE_RECORD_LIVE && record.ending == GATE_ENDING_CUT && is_over(record, now);
}

}  // namespace

bool is_overlong(const gate_flow& flow, const SweepTime& now) {
  return flow.session_end_boot_ns != 0 && now.boot_ns >= flow.session_end_boot_ns;
}

bool is_dead_established(std::uint8_t protocol, const gate_flow& flow, const gate_record& record,
                         const gate_config& config, const SweepTime& now) {
  if ((flow.machine.flags & GATE_SIDE_REOPENED) != 0) return true;
  // An over-long flow, cut or not, stays to be refused until it is idle: gone, its next packet would be picked up anew by
  // a live grant, its own or one that is asked for later. Without a grant, nothing picks it up.
  if (is_overlong(flow, now) ? flow.serial == 0 : is_cut(flow, record, now)) return true;
  __u64 last = std::max(flow.machine.last_seen_coarse_ns, flow.opened_coarse_ns);
  // The machine alone keeps a UDP flow: nobody outside may, once its grant has ended.
  if (protocol == IPPROTO_UDP) return is_older(last, config.udp_established_idle_ns, now.coarse_ns);
  last = std::max(last, flow.client.last_seen_coarse_ns);
  if (is_closed(flow)) return is_older(last, config.tcp_closed_linger_ns, now.coarse_ns);
  // However short the idle time that was set: see tcp_established_idle_ns() in bpf/track.bpf.h.
  const bool limited = flow.session_end_boot_ns != 0 && flow.serial != 0;
  return is_older(last, limited ? std::max<std::uint64_t>(config.tcp_established_idle_ns, GATE_TCP_ESTABLISHED_IDLE_NS)
                                : config.tcp_established_idle_ns, now.coarse_ns);
}

bool is_dead_half_open(std::uint8_t protocol, const gate_flow& flow, const gate_record& record,
                       const gate_config& config, const SweepTime& now) {
  const bool live = record.serial == flow.serial && record.state == GATE_RECORD_LIVE && !is_over(record, now);
  if (flow.serial != 0 && !live) return true;  // it does not outlive its grant
  if (flow.serial != 0 && protocol == IPPROTO_TCP && is_overlong(flow, now)) return false;  // forgotten, it would begin anew
  const __u64 last = std::max(flow.machine.last_seen_coarse_ns, flow.client.last_seen_coarse_ns);
  const std::uint64_t idle_ns = protocol == IPPROTO_UDP ? config.udp_half_open_idle_ns : config.tcp_half_open_idle_ns;
  return is_older(last, idle_ns, now.coarse_ns);
}

bool is_one_way(std::uint8_t protocol, const gate_flow& flow) {
  return protocol == IPPROTO_TCP && flow.machine.packets == 0 && (flow.client.flags & GATE_SIDE_ACK_VALID) != 0;
}

gate_flow_end how_it_ended(const gate_flow& flow, const gate_record& record, const SweepTime& now) {
  if (is_cut(flow, record, now) || is_overlong(flow, now)) return GATE_FLOW_END_CUT;
  if (((flow.client.flags | flow.machine.flags) & GATE_SIDE_RST) != 0) return GATE_FLOW_END_RESET;
  if (is_closed(flow)) return GATE_FLOW_END_FINISHED;
  return (flow.machine.flags & GATE_SIDE_REOPENED) != 0 ? GATE_FLOW_END_REPLACED : GATE_FLOW_END_IDLE;
}

}  // namespace postern::dataplane
