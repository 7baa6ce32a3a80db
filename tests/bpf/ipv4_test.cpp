// SPDX-License-Identifier: Apache-2.0
// IPv4 headers that tell the truth, and such that lie. Port 22 of the machine is guarded, nobody is admitted: a drop
// as `no_grant` proves that the ports were found. (checks 2, 6, 8)
#include "tests/support/expect.hpp"

using namespace postern::test;

namespace {

struct Row {
  const char* name;
  Packet packet;
  gate_reason reason;
};

// The same packet to an address that has no services.
Ipv4 elsewhere(Ipv4 ip) {
  ip.destination = "192.0.2.99";
  return ip;
}

void judge_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      Gate& gate = Gate::fresh();
      gate.guard();
      expect(gate, Packet{Ethernet{}} / row.packet, row.reason);
    }
  }
}

}  // namespace

TEST_CASE("options of every length are stepped over") {
  Gate& gate = Gate::fresh();
  gate.guard();
  gate.guard({.port = 53, .protocol = udp});
  for (std::size_t words = 0; words <= 10; ++words) {
    INFO("ihl " << words + 5);
    const Ipv4 ip{.options = Bytes(words * 4, 1)};
    expect(gate, Ethernet{} / ip / Tcp{}, gate_reason_no_grant);
    expect(gate, Ethernet{} / ip / Tcp{.destination = 23}, gate_reason_unguarded);
    expect(gate, Ethernet{} / ip / Udp{.destination = 53}, gate_reason_no_grant);
    expect(gate, Ethernet{} / ip / Udp{.destination = 22}, gate_reason_unguarded);
  }
}

TEST_CASE("a header length below five words is malformed for a guarded address only") {
  Gate& gate = Gate::fresh();
  gate.guard();
  for (std::uint8_t ihl = 0; ihl < 5; ++ihl) {
    INFO("ihl " << int{ihl});
    expect(gate, Ethernet{} / Ipv4{.ihl = ihl} / Tcp{}, gate_reason_malformed);
    expect(gate, Ethernet{} / elsewhere({.ihl = ihl}) / Tcp{}, gate_reason_unreadable_unguarded);
  }
}

TEST_CASE("headers that lie about lengths drop for a guarded address") {
  const Tcp to_telnet{.destination = 23};
  judge_rows({
      {"version 5", Ipv4{.version = 5} / Tcp{}, gate_reason_malformed},
      {"version 6 in an IPv4 frame", Ipv4{.version = 6} / Tcp{}, gate_reason_malformed},
      {"version 0 to an address without services", elsewhere({.version = 0}) / Tcp{}, gate_reason_unreadable_unguarded},
      {"the header is said to reach beyond the packet", Ipv4{.ihl = 15} / Tcp{}, gate_reason_malformed},
      {"total length zero", Ipv4{.total_length = 0} / Tcp{}, gate_reason_malformed},
      {"total length below the IP header", Ipv4{.total_length = 19} / Tcp{}, gate_reason_malformed},
      {"total length ends with the IP header", Ipv4{.total_length = 20} / Tcp{}, gate_reason_malformed},
      {"total length ends within the ports", Ipv4{.total_length = 23} / Tcp{}, gate_reason_malformed},
      {"total length ends one byte before the end of TCP", Ipv4{.total_length = 39} / Tcp{}, gate_reason_malformed},
      {"total length ends with TCP", Ipv4{.total_length = 40} / Tcp{} / data(9), gate_reason_no_grant},
      {"total length one byte beyond the frame", Ipv4{.total_length = 41} / Tcp{}, gate_reason_malformed},
      {"the greatest total length", Ipv4{.total_length = 65535} / Tcp{}, gate_reason_malformed},
      {"a lie to a port that is not guarded, of a guarded address", Ipv4{.total_length = 41} / to_telnet,
       gate_reason_malformed},
      {"the same lie to an address without services", elsewhere({.total_length = 41}) / Tcp{},
       gate_reason_unreadable_unguarded},
  });
}

TEST_CASE("TCP and UDP headers that lie drop for a guarded address") {
  judge_rows({
      {"a TCP header of four words", Ipv4{} / Tcp{.data_offset = 4}, gate_reason_malformed},
      {"a TCP header of no words", Ipv4{} / Tcp{.data_offset = 0}, gate_reason_malformed},
      {"a TCP header that reaches beyond the packet", Ipv4{} / Tcp{.data_offset = 6}, gate_reason_malformed},
      {"the same to an address without services", elsewhere({}) / Tcp{.data_offset = 6},
       gate_reason_unreadable_unguarded},
      {"the longest TCP header", Ipv4{} / Tcp{.options = Bytes(40, 1)}, gate_reason_no_grant},
      {"seven bytes of UDP", Ipv4{.total_length = 27} / Udp{}, gate_reason_malformed},
      {"UDP without data", Ipv4{} / Udp{}, gate_reason_unguarded},
  });
}

TEST_CASE("UDP to a guarded port needs a grant, whatever its length field and ports say") {
  Gate& gate = Gate::fresh();
  gate.guard({.port = 3389, .protocol = udp});
  const auto frame = [](const Udp& header) { return Ethernet{} / Ipv4{} / header / data(8); };
  for (const std::uint16_t length : Ports{0, 7, 8, 65535}) {
    INFO("length " << length);
    const Judged judged = gate.judge(frame({.destination = 3389, .length = length}).bytes());
    CHECK(text_of_action(judged.action) == "drop");
    CHECK(text_of(judged.changes) == text_of(Changes{}));
  }
  expect(gate, frame({.destination = 3389, .checksum = 0}), gate_reason_no_grant);
  expect(gate, frame({.source = 0, .destination = 3389}), gate_reason_no_grant);
  expect(gate, frame({.destination = 0}), gate_reason_unguarded);
  expect(gate, Ethernet{} / Ipv4{} / Tcp{.destination = 3389}, gate_reason_unguarded);
}

TEST_CASE("no source address opens a port by itself") {
  Gate& gate = Gate::fresh();
  gate.guard();
  for (const char* source : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", machine4}) {
    INFO(source);
    expect(gate, Ethernet{} / Ipv4{.source = source} / Tcp{}, gate_reason_no_grant);
    expect(gate, Ethernet{} / Ipv4{.source = source} / Tcp{.source = 22}, gate_reason_no_grant);
    expect(gate, Ethernet{} / Ipv4{.source = source} / Tcp{.flags = syn | ack}, gate_reason_no_grant);
  }
}

TEST_CASE("tunnels to an address with services drop unless listed, and pass elsewhere") {
  const Packet inner = Packet{Ipv4{}} / Tcp{.destination = 80};
  const Packet inner6 = Packet{Ipv6{}} / Tcp{.destination = 80};
  judge_rows({
      {"IP in IP", Packet{Ipv4{}} / inner, gate_reason_tunnel},
      {"IPv6 in IPv4 (6in4)", Packet{Ipv4{}} / inner6, gate_reason_tunnel},
      {"GRE", Packet{Ipv4{}} / Gre{} / inner, gate_reason_tunnel},
      {"GRE with a key", Packet{Ipv4{}} / Gre{.key = 7} / inner6, gate_reason_tunnel},
      {"IP in IP to an address without services", Packet{elsewhere({})} / inner, gate_reason_portless},
      {"an empty GRE header to a guarded address", Ipv4{.protocol = gre} / data(1), gate_reason_tunnel},
      {"VXLAN is UDP", Ipv4{} / Udp{.destination = 4789} / data(60), gate_reason_unguarded},
      {"GENEVE is UDP", Ipv4{} / Udp{.destination = 6081} / data(60), gate_reason_unguarded},
      {"GUE is UDP", Ipv4{} / Udp{.destination = 6080} / data(60), gate_reason_unguarded},
      {"ESP has no ports", Ipv4{.protocol = esp} / data(40), gate_reason_portless},
      {"SCTP cannot be guarded", Ipv4{.protocol = sctp} / data(40), gate_reason_portless},
      {"a protocol nobody knows", Ipv4{.protocol = 253} / data(40), gate_reason_portless},
      {"a ping", Ipv4{} / Icmp{} / data(56), gate_reason_portless},
  });
}

TEST_CASE("a listed address takes tunnels") {
  Gate& gate = Gate::fresh();
  gate.guard({.address_flags = GATE_ADDRESS_ENFORCE | GATE_ADDRESS_TUNNELS});
  const Packet inner = Packet{Ipv4{}} / Tcp{.destination = 80};
  expect(gate, Packet{Ethernet{}} / Ipv4{} / inner, gate_reason_portless);
  expect(gate, Packet{Ethernet{}} / Ipv4{} / Gre{} / inner, gate_reason_portless);
  expect(gate, Ethernet{} / Ipv4{} / Tcp{}, gate_reason_no_grant);
}
