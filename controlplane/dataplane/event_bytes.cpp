// SPDX-License-Identifier: Apache-2.0
#include "controlplane/dataplane/event_bytes.hpp"

#include <arpa/inet.h>

#include <cstring>

#include "controlplane/dataplane/bytes.hpp"
#include "loader/interface.hpp"

namespace postern::dataplane {

namespace {

core::PacketEnd packet_end(const __u8* address, std::uint8_t family, __be16 port_be) {
  core::PacketEnd end{std::nullopt, ntohs(port_be)};
  if (family != GATE_IPV4 && family != GATE_IPV6) return end;
  end.address.emplace();
  end.address->family = static_cast<core::Family>(family);
  std::memcpy(end.address->bytes.data(), address, family == GATE_IPV4 ? 4 : 16);
  return end;
}

std::string reason_name(std::uint32_t reason) {
#define POSTERN_REASON(name, number, verdict, text) \
  if (reason == (number)) return #name;
  GATE_REASONS(POSTERN_REASON)
#undef POSTERN_REASON
  return "reason " + std::to_string(reason);
}

std::string end_name(std::uint32_t end) {
  switch (end) {
    case GATE_FLOW_END_FINISHED: return "finished";
    case GATE_FLOW_END_RESET: return "reset";
    case GATE_FLOW_END_IDLE: return "idle";
    case GATE_FLOW_END_CUT: return "cut";
    case GATE_FLOW_END_REPLACED: return "replaced";
    default: return "";
  }
}

core::FlowEvent::Kind kind_of(std::uint8_t kind) {
  using Kind = core::FlowEvent::Kind;
  return kind == GATE_FLOW_CLOSED ? Kind::closed : kind == GATE_FLOW_MOVED ? Kind::moved : Kind::opened;
}

void set_flags(core::FlowEvent& event, std::uint32_t flags) {
  event.picked_up = (flags & GATE_FLOW_PICKED_UP) != 0;
  event.machine_opened = (flags & GATE_FLOW_MACHINE_OPENED) != 0;
  event.adopted = (flags & GATE_FLOW_ADOPTED) != 0;
}

core::FlowEvent closed_flow(const gate_flow& flow, gate_flow_end end, std::uint64_t now_boot_ns) {
  core::FlowEvent event;
  event.time = deadline(now_boot_ns);
  event.opened = deadline(flow.opened_boot_ns);
  event.kind = core::FlowEvent::Kind::closed;
  event.end = end_name(end);
  event.grant = flow.serial;
  event.client_packets = flow.client.packets;
  event.client_bytes = flow.client.bytes;
  event.machine_packets = flow.machine.packets;
  event.machine_bytes = flow.machine.bytes;
  set_flags(event, flow.flags);
  return event;
}

template <class Key>
core::FlowEvent closing_of(const Key& key, std::uint8_t family, const gate_flow& flow, gate_flow_end end,
                           std::uint64_t now_boot_ns) {
  core::FlowEvent event = closed_flow(flow, end, now_boot_ns);
  __u8 client[16]{}, machine[16]{};
  std::memcpy(client, &key.client, sizeof key.client);
  std::memcpy(machine, &key.machine, sizeof key.machine);
  event.client = packet_end(client, family, key.client_port_be);
  event.machine = packet_end(machine, family, key.machine_port_be);
  event.protocol = key.protocol;
  return event;
}

}  // namespace

core::DropEvent event(const gate_drop_event& bytes) {
  core::DropEvent event;
  event.time = deadline(bytes.time_boot_ns);
  event.reason = reason_name(bytes.reason);
  if (bytes.outcome != bytes.reason) event.passed_as = reason_name(bytes.outcome);
  event.source = packet_end(bytes.source, bytes.family, bytes.source_port_be);
  event.destination = packet_end(bytes.destination, bytes.family, bytes.destination_port_be);
  event.protocol = bytes.protocol;
  event.interface = loader::interface_name(static_cast<int>(bytes.interface));
  return event;
}

core::FlowEvent event(const gate_flow_event& bytes) {
  core::FlowEvent event;
  event.time = deadline(bytes.time_boot_ns);
  event.opened = deadline(bytes.opened_boot_ns);
  event.kind = kind_of(bytes.kind);
  event.end = end_name(bytes.end);
  event.client = packet_end(bytes.client, bytes.family, bytes.client_port_be);
  event.machine = packet_end(bytes.machine, bytes.family, bytes.machine_port_be);
  event.protocol = bytes.protocol;
  event.grant = bytes.serial;
  event.previous_grant = bytes.previous_serial;
  event.client_packets = bytes.client_packets;
  event.client_bytes = bytes.client_bytes;
  event.machine_packets = bytes.machine_packets;
  event.machine_bytes = bytes.machine_bytes;
  set_flags(event, bytes.flags);
  return event;
}

core::FlowEvent closing(const gate_flow_key_v4& key, const gate_flow& flow, gate_flow_end end,
                        std::uint64_t now_boot_ns) {
  return closing_of(key, GATE_IPV4, flow, end, now_boot_ns);
}

core::FlowEvent closing(const gate_flow_key_v6& key, const gate_flow& flow, gate_flow_end end,
                        std::uint64_t now_boot_ns) {
  return closing_of(key, GATE_IPV6, flow, end, now_boot_ns);
}

core::FlowEvent seeing(const gate_flow_key_v4& key, const gate_flow& flow, std::uint64_t now_boot_ns) {
  core::FlowEvent event = closing(key, flow, GATE_FLOW_END_NONE, now_boot_ns);
  event.kind = core::FlowEvent::Kind::seen;
  return event;
}

core::FlowEvent seeing(const gate_flow_key_v6& key, const gate_flow& flow, std::uint64_t now_boot_ns) {
  core::FlowEvent event = closing(key, flow, GATE_FLOW_END_NONE, now_boot_ns);
  event.kind = core::FlowEvent::Kind::seen;
  return event;
}

}  // namespace postern::dataplane
