// SPDX-License-Identifier: Apache-2.0
#include "tests/support/frame_stacks.hpp"

namespace postern::test {

std::vector<FrameStack> frame_stacks() {
  const Vlan outer{.tpid = 0x88a8};
  const Packet quoted = Packet{Ipv4{.source = machine4, .destination = client4}} / Tcp{.source = 22, .destination = 9};
  const Packet quoted6 =
      Packet{Ipv6{.source = machine6, .destination = client6}} / Extension{} / Tcp{.source = 22, .destination = 9};
  return {
      {"ARP", Ethernet{} / Arp{}, native_not_ip},
      {"SNAP", Packet{Ethernet{}} / Snap{} / Ipv4{} / Tcp{}, native_unreadable},
      {"SAP 06", Packet{Ethernet{}} / Llc{} / Ipv4{} / Tcp{}, native_unreadable},
      {"three tags", Packet{Ethernet{}} / Vlan{} / Vlan{} / Vlan{} / Ipv4{} / Tcp{}, native_unreadable},
      {"three tags and SNAP", Packet{Ethernet{}} / Vlan{} / Vlan{} / Vlan{} / Snap{} / Ipv4{}, native_unreadable},
      {"IPv4 TCP", Ethernet{} / Ipv4{} / Tcp{.options = Bytes(8, 1)} / data(4), native_transport},
      {"IPv4 UDP behind two tags", Packet{Ethernet{}} / outer / Vlan{} / Ipv4{} / Udp{} / data(4), native_transport},
      {"IPv4 with all options", Ethernet{} / Ipv4{.options = Bytes(40, 1)} / Udp{}, native_transport},
      {"IPv4 AH", Packet{Ethernet{}} / Ipv4{} / Extension{.type = auth_header, .size = 24} / Tcp{}, native_transport},
      {"IPv4 GRE", Packet{Ethernet{}} / Ipv4{} / Gre{} / Ipv4{}, native_tunnel},
      {"IPv4 first fragment", Ethernet{} / Ipv4{.more = true} / Tcp{} / data(12), native_transport},
      {"IPv4 later fragment", Ethernet{} / Ipv4{.offset = 32, .protocol = tcp} / data(12), native_later_fragment},
      {"ICMP error", Packet{Ethernet{}} / Ipv4{} / Icmp{.type = 3} / quoted, native_icmp_error},
      {"ping", Ethernet{} / Ipv4{} / Icmp{} / data(8), native_portless},
      {"IPv6 UDP", Ethernet{} / Ipv6{} / Udp{} / data(3), native_transport},
      {"IPv6 chain",
       Packet{Ethernet{}} / Ipv6{} / Extension{.type = hop_by_hop} / Extension{.type = routing, .size = 24} /
           Extension{.type = auth_header, .size = 20} / Fragment{} / Extension{.size = 40} / Tcp{},
       native_transport},
      {"IPv6 later fragment", Packet{Ethernet{}} / Ipv6{} / Fragment{.offset = 64, .next = udp} / data(12),
       native_later_fragment},
      {"ICMPv6 error", Packet{Ethernet{}} / Ipv6{} / Icmp6{.type = 1} / quoted6, native_icmp_error},
      {"neighbour solicitation", Ethernet{} / Ipv6{} / Icmp6{.type = 135} / data(20), native_link_control},
      {"DHCPv6", Ethernet{} / Ipv6{} / Udp{.source = 547, .destination = 546} / data(20), native_link_control},
  };
}

}  // namespace postern::test
