// SPDX-License-Identifier: Apache-2.0
// What packets tell of the sides of a connection (RFC 9293, RFC 5961).
// Open: what is "near" a sequence number is 4 MiB to either side, more than any window in use.
#include "tests/model/model.hpp"

namespace postern::model {

bool is_after(std::uint32_t number, std::uint32_t reference) {
  return static_cast<std::int32_t>(number - reference) > 0;
}

bool is_near(std::uint32_t number, std::uint32_t reference) {
  const std::int64_t distance = static_cast<std::int32_t>(number - reference);
  return distance >= -(1 << 22) && distance < 1 << 22;
}

bool is_closed(const gate_flow& flow) {
  const bool reset = flow.client.flags & GATE_SIDE_RST || flow.machine.flags & GATE_SIDE_RST;
  return reset || (flow.client.flags & GATE_SIDE_FIN && flow.machine.flags & GATE_SIDE_FIN);
}

std::uint32_t sequence_end(const Parsed& packet) {
  return packet.sequence + packet.data_bytes + (packet.syn ? 1 : 0) + (packet.fin ? 1 : 0);
}

// The machine has acknowledged nothing of this half-open flow, and this packet belongs to quite another connection:
// somebody else began the flow in the client's name.
bool is_overtaken(const Parsed& packet, const gate_flow& flow) {
  if (packet.kind != Kind::ported || !packet.tcp() || packet.rst) return false;
  return !(flow.machine.flags & GATE_SIDE_ACKED_PEER) && !is_near(packet.sequence, flow.client.seq_next);
}

// Of what the gate saw the peer send: its SYN, or at least one byte.
bool acknowledges(const Parsed& packet, const gate_flow_side& peer) {
  if (!packet.ack) return false;
  const bool in_range = packet.acknowledgment - peer.seq_first <= peer.seq_next - peer.seq_first;
  const bool a_byte = peer.flags & GATE_SIDE_SENT_DATA && packet.acknowledgment != peer.seq_first;
  return in_range && (peer.flags & GATE_SIDE_SYN || a_byte);
}

void note_sequence(gate_flow_side& side, const Parsed& packet) {
  if (packet.rst) return;
  const std::uint32_t end = sequence_end(packet);
  if (side.packets == 0) {
    side.seq_first = packet.sequence + (packet.syn ? 1 : 0);
    side.seq_next = end;
  } else if (is_after(end, side.seq_next)) {
    side.seq_next = end;
  }
  if (packet.data_bytes > 0) side.flags |= GATE_SIDE_SENT_DATA;
  if (!packet.ack) return;
  if (!(side.flags & GATE_SIDE_ACK_VALID) || is_after(packet.acknowledgment, side.ack))
    side.ack = packet.acknowledgment;
  side.flags |= GATE_SIDE_ACK_VALID;
}

void note_packet(gate_flow_side& side, const Parsed& packet, std::uint32_t packets, Clock now) {
  side.last_seen_coarse_ns = now.coarse_ns;
  side.packets += packets;
  side.bytes += packet.ip_bytes;
}

// On an established flow. Anybody may send in the client's name: its FIN counts near the window only, its RST only if
// it is exactly what the machine expects next (RFC 5961, 3.2). A closed flow is not kept by packets.
void note_client(gate_flow& flow, const Parsed& packet, Clock now) {
  if (packet.tcp()) {
    if (is_closed(flow)) return;
    // Of an adopted flow nothing is known before the machine has acknowledged something.
    const bool in_window = packet.ack && flow.machine.flags & GATE_SIDE_ACK_VALID && is_near(packet.sequence, flow.machine.ack) &&
                           is_near(packet.acknowledgment, flow.machine.seq_next);
    if (packet.rst) {
      if (flow.machine.flags & GATE_SIDE_ACK_VALID && packet.sequence == flow.machine.ack)
        flow.client.flags |= GATE_SIDE_RST;
    } else if (packet.fin && in_window) {
      flow.client.flags |= GATE_SIDE_FIN;
    }
    note_sequence(flow.client, packet);
  }
  note_packet(flow.client, packet, 1, now);
}

void note_machine(gate_flow& flow, const Parsed& packet, std::uint32_t segments, Clock now) {
  if (packet.tcp()) {
    if (is_closed(flow)) return;
    if (packet.rst)
      flow.machine.flags |= GATE_SIDE_RST;
    else if (packet.fin)
      flow.machine.flags |= GATE_SIDE_FIN;
    note_sequence(flow.machine, packet);
    if (acknowledges(packet, flow.client)) flow.machine.flags |= GATE_SIDE_ACKED_PEER;
  }
  note_packet(flow.machine, packet, segments, now);
}

}  // namespace postern::model
