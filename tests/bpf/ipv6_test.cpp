// SPDX-License-Identifier: Apache-2.0
// IPv6 with its chains of extension headers: the ports behind up to eight of them are found, behind more the packet
// counts as malformed. Port 22 of the machine is guarded, nobody is admitted. (check 4)
#include "tests/support/expect.hpp"

using namespace postern::test;

namespace {

constexpr int chain_max = 8;  // bounded: the parser's PARSE_EXTENSIONS_MAX

struct Row {
  const char* name;
  Packet packet;
  gate_reason reason;
};

Ipv6 elsewhere(Ipv6 ip) {
  ip.destination = "2001:db8:a::99";
  return ip;
}

Gate& guarded_gate() {
  Gate& gate = Gate::fresh();
  gate.guard({.address = machine6});
  return gate;
}

void judge_rows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    DYNAMIC_SECTION(row.name) {
      expect(guarded_gate(), Packet{Ethernet{}} / row.packet, row.reason);
    }
  }
}

Packet chain(const Ipv6& ip, int length) {
  Packet packet = Packet{Ethernet{}} / ip;
  for (int i = 0; i < length; ++i) {
    packet = packet / Extension{.type = i == 0 ? hop_by_hop : destination_options, .size = i % 2 ? 8U : 16U};
  }
  return packet;
}

}  // namespace

TEST_CASE("chains up to the longest are read, one more is malformed for a guarded address only") {
  Gate& gate = guarded_gate();
  for (int length = 0; length <= chain_max; ++length) {
    INFO(length << " extension headers");
    expect(gate, chain({}, length) / Tcp{}, gate_reason_no_grant);
    expect(gate, chain({}, length) / Tcp{.destination = 23}, gate_reason_unguarded);
  }
  expect(gate, chain({}, chain_max + 1) / Tcp{}, gate_reason_malformed);
  expect(gate, chain({}, chain_max + 1) / Tcp{.destination = 23}, gate_reason_malformed);
  expect(gate, chain(elsewhere({}), chain_max + 1) / Tcp{}, gate_reason_unreadable_unguarded);
}

TEST_CASE("each kind of extension header is stepped over by its own length") {
  const auto row = [](const char* name, const Extension& extension) {
    return Row{name, Ipv6{} / extension / Tcp{}, gate_reason_no_grant};
  };
  judge_rows({
      row("hop-by-hop", {.type = hop_by_hop}),
      row("destination options, the longest", {.type = destination_options, .size = 256 * 8}),
      row("routing", {.type = routing, .size = 24}),
      row("authentication, counted in words", {.type = auth_header, .size = 24}),
      row("authentication of an odd number of words", {.type = auth_header, .size = 28}),
      {"the same to another port", Ipv6{} / Extension{.type = auth_header, .size = 28} / Tcp{.destination = 23},
       gate_reason_unguarded},
      {"hop-by-hop that does not come first", Ipv6{} / Extension{} / Extension{.type = hop_by_hop} / Tcp{},
       gate_reason_no_grant},
      {"an atomic fragment is a whole packet", Ipv6{} / Fragment{} / Tcp{}, gate_reason_no_grant},
      {"an atomic fragment to another port", Ipv6{} / Fragment{} / Tcp{.destination = 23}, gate_reason_unguarded},
      {"two atomic fragment headers", Ipv6{} / Fragment{} / Fragment{} / Tcp{}, gate_reason_no_grant},
  });
}

TEST_CASE("what ends a chain without ports passes, what cannot be followed does not") {
  const Extension mobile{.type = mobility};
  judge_rows({
      {"no next header", Ipv6{.next = no_next} / data(8), gate_reason_portless},
      {"no next header behind options", Ipv6{} / Extension{.next = no_next}, gate_reason_portless},
      {"ESP", Ipv6{.next = esp} / data(40), gate_reason_portless},
      {"mobility", Ipv6{} / mobile, gate_reason_portless},
      {"a next header nobody knows", Ipv6{.next = 253} / data(40), gate_reason_portless},
      {"a ping", Ipv6{} / Icmp6{} / data(56), gate_reason_portless},
      {"IPv4 in IPv6", Packet{Ipv6{}} / Ipv4{} / Tcp{.destination = 80}, gate_reason_tunnel},
      {"IPv6 in IPv6", Packet{Ipv6{}} / Ipv6{} / Tcp{.destination = 80}, gate_reason_tunnel},
      {"IPv6 in IPv6 behind options", Packet{Ipv6{}} / Extension{} / Ipv6{} / Tcp{}, gate_reason_tunnel},
      {"GRE", Packet{Ipv6{}} / Gre{} / Ipv6{} / Tcp{.destination = 80}, gate_reason_tunnel},
      {"GRE to an address without services", Packet{elsewhere({})} / Gre{} / Ipv6{} / Tcp{}, gate_reason_portless},
  });
}

TEST_CASE("IPv6 headers that lie drop for a guarded address") {
  const Extension beyond{.length = 8};
  judge_rows({
      {"version 4 in an IPv6 frame", Ipv6{.version = 4} / Tcp{}, gate_reason_malformed},
      {"payload length beyond the frame", Ipv6{.payload_length = 21} / Tcp{}, gate_reason_malformed},
      {"the same to an address without services", elsewhere({.payload_length = 21}) / Tcp{},
       gate_reason_unreadable_unguarded},
      {"payload length ends within TCP", Ipv6{.payload_length = 19} / Tcp{}, gate_reason_malformed},
      {"payload length ends with TCP", Ipv6{.payload_length = 20} / Tcp{} / data(5), gate_reason_no_grant},
      {"payload length zero without a jumbo option", Ipv6{.payload_length = 0} / Tcp{}, gate_reason_malformed},
      {"a jumbogram", Ipv6{.payload_length = 0} / Extension{.type = hop_by_hop} / Tcp{}, gate_reason_malformed},
      {"payload length ends within an extension header", Ipv6{.payload_length = 7} / Extension{} / Tcp{},
       gate_reason_malformed},
      {"an extension header that reaches beyond the packet", Ipv6{} / beyond / Tcp{}, gate_reason_malformed},
      {"an authentication header that reaches beyond the packet",
       Ipv6{} / Extension{.type = auth_header, .size = 16, .length = 255} / Tcp{}, gate_reason_malformed},
      {"a chain that ends with the promise of another header", Ipv6{} / Extension{.next = routing},
       gate_reason_malformed},
  });
}

TEST_CASE("IPv4-mapped and other odd sources open nothing") {
  Gate& gate = guarded_gate();
  for (const char* source : {"::", "::1", "::ffff:198.51.100.7", "ff02::1", machine6}) {
    INFO(source);
    expect(gate, Ethernet{} / Ipv6{.source = source} / Tcp{}, gate_reason_no_grant);
    expect(gate, Ethernet{} / Ipv6{.source = source} / Tcp{.flags = ack}, gate_reason_no_grant);
  }
}
