// SPDX-License-Identifier: Apache-2.0
// Every beginning of a frame, from the 14 bytes the kernel takes to the whole: unreadable packets to a guarded address
// drop (I8), nothing is written down, and only the whole one is judged by its ports. (check 1)
#include "tests/support/expect.hpp"

using namespace postern::test;

namespace {

struct Stack {
  const char* name;
  Packet packet;
  std::size_t ip;         // where the IP header begins
  std::size_t addressed;  // bytes from which on the destination can be read
  std::size_t judged;     // likewise: whether it has, or quotes, ports (an ICMP header cut short speaks of nothing)
  gate_reason whole;
};

std::vector<Stack> stacks() {
  const Packet options = Packet{Ipv4{.options = Bytes(12, 1)}} / Tcp{.options = Bytes(8, 1)};
  const Packet chain = Packet{Ipv6{}} / Extension{.type = hop_by_hop} / Extension{.size = 24} /
                       Extension{.type = auth_header, .size = 20} / Udp{};
  const Packet quoted = Packet{Ipv4{}} / Icmp{.type = 3, .code = 1} / Ipv4{.source = machine4, .destination = client4} /
                        Tcp{.source = 22, .destination = 40000};
  return {
      {"IPv4 TCP", Ethernet{} / Ipv4{} / Tcp{}, 14, 34, 34, gate_reason_no_grant},
      {"IPv4 TCP with options", Packet{Ethernet{}} / options, 14, 34, 34, gate_reason_no_grant},
      {"IPv4 UDP behind two tags", Packet{Ethernet{}} / Vlan{.tpid = 0x88a8} / Vlan{} / Ipv4{} / Udp{}, 22, 42, 42,
       gate_reason_no_grant},
      {"IPv6 TCP", Ethernet{} / Ipv6{} / Tcp{}, 14, 54, 54, gate_reason_no_grant},
      {"IPv6 with a chain", Packet{Ethernet{}} / chain, 14, 54, 54, gate_reason_no_grant},
      {"an ICMP error", Packet{Ethernet{}} / quoted, 14, 34, 42, gate_reason_unrelated},
  };
}

Gate& guarded_gate() {
  Gate& gate = Gate::fresh();
  for (const char* address : {machine4, machine6}) {
    for (const std::uint8_t protocol : {tcp, udp}) {
      gate.guard({.address = address, .port = 22, .protocol = protocol});
    }
  }
  return gate;
}

}  // namespace

TEST_CASE("every truncated frame to a guarded address drops as soon as its destination can be read") {
  for (const Stack& stack : stacks()) {
    DYNAMIC_SECTION(stack.name) {
      Gate& gate = guarded_gate();
      const Bytes whole = stack.packet.bytes();
      expect(gate, whole, stack.whole);
      for (std::size_t size = 14; size < whole.size(); ++size) {
        INFO(size << " of " << whole.size() << " bytes");
        const Bytes frame = truncated(whole, size);
        if (size >= stack.addressed) {
          expect(gate, frame, gate_reason_malformed);
        } else {
          // Nobody can read whom it is for; no stack would take it.
          const Judged judged = gate.judge(frame);
          const std::string reason = text_of(judged.reasons);
          CHECK((reason == "not_ip" || reason == "unreadable_unguarded" || reason == "unreadable"));
          CHECK(text_of(judged.changes) == text_of(Changes{}));
        }
      }
    }
  }
}

TEST_CASE("a truncated frame with padding behind it is still truncated") {
  for (const Stack& stack : stacks()) {
    DYNAMIC_SECTION(stack.name) {
      Gate& gate = guarded_gate();
      const Bytes whole = stack.packet.bytes();
      const bool v6 = stack.addressed - stack.ip == 40;
      for (std::size_t size = stack.judged; size < whole.size(); ++size) {
        INFO(size << " of " << whole.size() << " bytes");
        // The IP length says where the packet ends, zeros follow where the rest was.
        Bytes frame = truncated(whole, size);
        const std::size_t length = size - stack.ip - (v6 ? 40 : 0);
        const std::size_t at = stack.ip + (v6 ? 4 : 2);
        frame[at] = static_cast<std::uint8_t>(length >> 8);
        frame[at + 1] = static_cast<std::uint8_t>(length & 0xff);
        const Judged judged = gate.judge(padded(frame, whole.size() + 40));
        INFO(text_of(judged.reasons));
        CHECK(text_of_action(judged.action) == "drop");
        CHECK(text_of(judged.changes) == text_of(Changes{}));
      }
    }
  }
}

TEST_CASE("every truncated frame to an address without services passes") {
  Gate& gate = guarded_gate();
  for (const Packet& packet : {Ethernet{} / Ipv4{.destination = "192.0.2.99"} / Tcp{},
                               Ethernet{} / Ipv6{.destination = "2001:db8:a::99"} / Tcp{}}) {
    const Bytes whole = packet.bytes();
    for (std::size_t size = 14; size <= whole.size(); ++size) {
      INFO(size << " of " << whole.size() << " bytes");
      const Judged judged = gate.judge(truncated(whole, size));
      CHECK(text_of_action(judged.action) == "pass");
    }
  }
}
