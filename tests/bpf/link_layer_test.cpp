// SPDX-License-Identifier: Apache-2.0
// What stands between Ethernet and IP. The machine's port 22 is guarded and nobody is admitted, so `no_grant` proves
// that the ports were read, and the same frame to port 23 that they were read right. (checks 5, 9)
#include "tests/support/expect.hpp"

using namespace postern::test;

namespace {

struct Row {
  const char* name;
  Packet packet;
  gate_reason reason;
};

const Packet ssh = Packet{Ipv4{}} / Tcp{};
const Packet telnet = Packet{Ipv4{}} / Tcp{.destination = 23};
const Packet ssh6 = Packet{Ipv6{}} / Tcp{};
const Packet telnet6 = Packet{Ipv6{}} / Tcp{.destination = 23};
const Vlan service_tag{.tag = 7, .tpid = 0x88a8};

Packet behind(const auto&... headers) {
  Packet packet = Ethernet{};
  (packet.append(Packet{headers}), ...);
  return packet;
}

std::vector<Row> tagged_rows() {
  return {
      {"no tag, guarded port", behind(ssh), gate_reason_no_grant},
      {"no tag, other port", behind(telnet), gate_reason_unguarded},
      {"IPv6 without a tag, guarded port", behind(ssh6), gate_reason_no_grant},
      {"IPv6 without a tag, other port", behind(telnet6), gate_reason_unguarded},
      {"one tag, guarded port", behind(Vlan{}, ssh), gate_reason_no_grant},
      {"one tag, other port", behind(Vlan{}, telnet), gate_reason_unguarded},
      {"one tag, IPv6, guarded port", behind(Vlan{}, ssh6), gate_reason_no_grant},
      {"one tag, IPv6, other port", behind(Vlan{}, telnet6), gate_reason_unguarded},
      {"a priority tag (VLAN 0), guarded port", behind(Vlan{.tag = 0xa000}, ssh), gate_reason_no_grant},
      {"a priority tag (VLAN 0), other port", behind(Vlan{.tag = 0xa000}, telnet), gate_reason_unguarded},
      {"one service tag (802.1ad), guarded port", behind(service_tag, ssh), gate_reason_no_grant},
      {"two tags of 802.1Q, guarded port", behind(Vlan{}, Vlan{}, ssh), gate_reason_no_grant},
      {"802.1ad over 802.1Q, guarded port", behind(service_tag, Vlan{}, ssh), gate_reason_no_grant},
      {"802.1ad over 802.1Q, other port", behind(service_tag, Vlan{}, telnet), gate_reason_unguarded},
      {"802.1ad over 802.1Q, IPv6, guarded port", behind(service_tag, Vlan{}, ssh6), gate_reason_no_grant},
      {"three tags hide IPv4", behind(service_tag, Vlan{}, Vlan{}, ssh), gate_reason_unreadable},
      {"three tags hide IPv6", behind(Vlan{}, Vlan{}, Vlan{}, ssh6), gate_reason_unreadable},
      {"three tags hide IP to a port that is not guarded, too", behind(Vlan{}, Vlan{}, Vlan{}, telnet),
       gate_reason_unreadable},
      {"four tags hide IP", behind(Vlan{}, Vlan{}, Vlan{}, Vlan{}, ssh), gate_reason_unreadable},
      {"three tags in front of ARP hide nothing", behind(Vlan{}, Vlan{}, Vlan{}, Arp{}), gate_reason_not_ip},
  };
}

std::vector<Row> odd_rows() {
  const Packet nowhere = Packet{Ipv4{.destination = "192.0.2.99"}} / Tcp{};
  return {
      {"SNAP hides IPv4", behind(Snap{}, ssh), gate_reason_unreadable},
      {"SNAP hides IPv6", behind(Snap{}, ssh6), gate_reason_unreadable},
      {"SNAP hides IP to an address without services, too", behind(Snap{}, nowhere), gate_reason_unreadable},
      {"SNAP behind a tag hides IP", behind(Vlan{}, Snap{}, ssh), gate_reason_unreadable},
      {"SNAP behind two tags hides IP", behind(service_tag, Vlan{}, Snap{}, ssh), gate_reason_unreadable},
      {"SNAP behind three tags hides IP", behind(Vlan{}, Vlan{}, Vlan{}, Snap{}, ssh), gate_reason_unreadable},
      {"SNAP with a wrong length hides IP", Packet{Ethernet{.type = 3}} / Snap{} / ssh, gate_reason_unreadable},
      {"SNAP of length zero hides IP", Packet{Ethernet{.type = 0}} / Snap{} / ssh, gate_reason_unreadable},
      {"SNAP with the longest 802.3 length hides IP", Packet{Ethernet{.type = 0x5ff}} / Snap{} / ssh,
       gate_reason_unreadable},
      {"SNAP that carries a tag hides what the tag hides", behind(Snap{.type = 0x8100}, Payload{{0, 5, 8, 0}}, ssh),
       gate_reason_unreadable},
      {"SNAP that carries ARP is not IP", behind(Snap{}, Arp{}), gate_reason_not_ip},
      {"SNAP of a vendor (CDP) is not IP", behind(Snap{.type = 0x2000}, data(40)), gate_reason_not_ip},
      {"IP straight behind SAP 06", behind(Llc{}, ssh), gate_reason_unreadable},
      {"spanning tree (SAP 42)", behind(Llc{.sap = 0x42}, data(35)), gate_reason_not_ip},
      {"LLC behind a tag that is not IP", behind(Vlan{}, Llc{.sap = 0x42}, data(35)), gate_reason_not_ip},
      {"ARP", behind(Arp{}), gate_reason_not_ip},
      {"ARP behind a tag", behind(Vlan{}, Arp{}), gate_reason_not_ip},
      {"LLDP", Packet{Ethernet{.type = 0x88cc}} / data(46), gate_reason_not_ip},
      {"MPLS", behind(Mpls{}, ssh), gate_reason_not_ip},
      {"a PPPoE session", behind(Pppoe{}, ssh), gate_reason_not_ip},
      {"an EtherType nobody knows", Packet{Ethernet{.type = 0x88b5}} / ssh, gate_reason_not_ip},
      {"the bare 14 bytes", Packet{Ethernet{.type = 0x88b5}}, gate_reason_not_ip},
  };
}

void judge_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      Gate& gate = Gate::fresh();
      gate.guard();
      gate.guard({.address = machine6});
      expect(gate, row.packet, row.reason);
    }
  }
}

}  // namespace

TEST_CASE("up to two tags are read, more are not believed") {
  judge_rows(tagged_rows());
}

TEST_CASE("what is not IP passes, and IP in odd clothes does not") {
  judge_rows(odd_rows());
}

TEST_CASE("a grant opens its port behind each kind of tag") {
  Gate& gate = Gate::fresh();
  gate.admit(gate.guard());
  expect(gate, behind(ssh), gate_reason_grant, half_open_created);
  expect(gate, behind(Vlan{}, ssh), gate_reason_grant);
  expect(gate, behind(service_tag, Vlan{}, ssh), gate_reason_grant);
  expect(gate, behind(Vlan{}, Vlan{}, Vlan{}, ssh), gate_reason_unreadable);
}

TEST_CASE("trailing padding is no part of the packet") {
  Gate& gate = Gate::fresh();
  gate.guard();
  expect(gate, padded(behind(ssh).bytes()), gate_reason_no_grant);
  // The TCP header would lie in the padding: IP ends before it.
  const Bytes bare = padded((Ethernet{} / Ipv4{.protocol = tcp}).bytes());
  expect(gate, bare, gate_reason_malformed);
}
