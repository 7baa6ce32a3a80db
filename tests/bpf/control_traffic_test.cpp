// SPDX-License-Identifier: Apache-2.0
// What a network needs to stay a network passes, whatever is guarded: ARP, neighbour discovery, multicast listeners,
// DHCP. And none of it is a door. (check 9)
#include "tests/support/expect.hpp"

using namespace postern::test;

namespace {

Gate& guarded_gate() {
  Gate& gate = Gate::fresh();
  gate.guard();
  gate.guard({.address = machine6});
  return gate;
}

}  // namespace

TEST_CASE("discovery and listener messages pass to a guarded address and to multicast") {
  Gate& gate = guarded_gate();
  for (const std::uint8_t type : Octets{130, 131, 132, 133, 134, 135, 136, 137, 143}) {
    INFO("ICMPv6 type " << int{type});
    for (const char* destination : {machine6, "ff02::1", "ff02::1:ff00:10"}) {
      expect(gate, Ethernet{} / Ipv6{.destination = destination, .hop_limit = 255} / Icmp6{.type = type} / data(20),
             gate_reason_link_control);
    }
  }
  // Listener reports stand behind a router alert in a hop-by-hop header.
  expect(gate,
         Ethernet{} / Ipv6{.destination = "ff02::16"} / Extension{.type = hop_by_hop} / Icmp6{.type = 143} / data(20),
         gate_reason_link_control);
  // The siblings are plain pings.
  expect(gate, Ethernet{} / Ipv6{} / Icmp6{.type = 128}, gate_reason_portless);
  expect(gate, Ethernet{} / Ipv6{} / Icmp6{.type = 129}, gate_reason_portless);
}

TEST_CASE("DHCP passes in both directions and both families") {
  Gate& gate = guarded_gate();
  const auto v4 = [](const char* destination, std::uint16_t from, std::uint16_t to) {
    return Ethernet{} / Ipv4{.destination = destination} / Udp{.source = from, .destination = to} / data(240);
  };
  const auto v6 = [](std::uint16_t from, std::uint16_t to) {
    return Ethernet{} / Ipv6{} / Udp{.source = from, .destination = to} / data(60);
  };
  expect(gate, v4("255.255.255.255", 68, 67), gate_reason_link_control);
  expect(gate, v4(machine4, 67, 68), gate_reason_link_control);
  expect(gate, v6(546, 547), gate_reason_link_control);
  expect(gate, v6(547, 546), gate_reason_link_control);
}

TEST_CASE("a source port of DHCP opens nothing") {
  Gate& gate = Gate::fresh();
  gate.guard({.port = 3389, .protocol = udp});
  gate.guard({.address = machine6, .port = 3389, .protocol = udp});
  for (const std::uint16_t from : Ports{67, 68, 546, 547, 53, 123}) {
    INFO("from port " << from);
    expect(gate, Ethernet{} / Ipv4{} / Udp{.source = from, .destination = 3389}, gate_reason_no_grant);
    expect(gate, Ethernet{} / Ipv6{} / Udp{.source = from, .destination = 3389}, gate_reason_no_grant);
  }
}

TEST_CASE("ICMP queries pass, whatever is guarded") {
  Gate& gate = guarded_gate();
  for (const std::uint8_t type : Octets{0, 8, 9, 10, 13, 14, 17, 18}) {
    INFO("ICMP type " << int{type});
    expect(gate, Ethernet{} / Ipv4{} / Icmp{.type = type} / data(8), gate_reason_portless);
  }
}

TEST_CASE("ICMPv6 inside IPv4 and ICMP inside IPv6 are transports nobody knows") {
  Gate& gate = guarded_gate();
  expect(gate, Ethernet{} / Ipv4{} / Icmp6{.type = 135} / data(20), gate_reason_portless);
  expect(gate, Ethernet{} / Ipv6{} / Icmp{.type = 3} / data(28), gate_reason_portless);
}
