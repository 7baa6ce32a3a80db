// SPDX-License-Identifier: Apache-2.0
// One connection between a client outside and a machine, IPv4 or IPv6 by its addresses: makes the frames of either
// side with the sequence numbers a real stack would use, and finds the gate's entry for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/support/expect.hpp"

namespace postern::test {

class Connection {
 public:
  std::string client = client4;
  std::string machine = machine4;
  std::uint16_t client_port = test::client_port;
  std::uint16_t machine_port = 22;
  std::uint8_t protocol = tcp;
  std::uint32_t client_next = 1000;   // the sequence number the client sends next
  std::uint32_t machine_next = 5000;  // and the machine

  // A segment of the client (send) or the machine (reply) as its stack would make it; moves the numbers on.
  Packet send(std::uint8_t flags, std::size_t size = 0);
  Packet reply(std::uint8_t flags, std::size_t size = 0);
  // The same with the header as it stands but for the ports; nothing moves on.
  Packet in(Tcp header, std::size_t size = 0) const;
  Packet out(Tcp header, std::size_t size = 0) const;
  // UDP of either side.
  Packet ask(std::size_t size = 20) const;
  Packet respond(std::size_t size = 20) const;
  // The IP packet without Ethernet of the machine's answer to the client, as an ICMP error from outside quotes it.
  Packet quoted_reply() const;

  // SYN, SYN-ACK, ACK through the gate, each asserted; a grant must be live.
  void open(Gate& gate);

  std::optional<gate_flow> half_open(const Gate& gate) const;
  std::optional<gate_flow> learning(const Gate& gate) const;
  std::optional<gate_flow> established(const Gate& gate) const;
  void put_half_open(const Gate& gate, const gate_flow& flow) const;
  void put_established(const Gate& gate, const gate_flow& flow) const;
  void forget_half_open(const Gate& gate) const;

 private:
  bool v6() const { return is_v6(machine); }
  Packet between(const std::string& from, const std::string& to) const;
  gate_flow_key_v4 key_v4() const;
  gate_flow_key_v6 key_v6() const;
};

}  // namespace postern::test
