// SPDX-License-Identifier: Apache-2.0
// Fragments to an address with services follow the verdict of their first one; to other addresses they are left
// alone. IPv4 and IPv6 alike: each story runs for both. (check 3)
#include "tests/support/expect.hpp"

using namespace postern::test;

namespace {

// Makes the fragments of datagrams from the client to the machine.
struct Family {
  const char* name;
  bool v6;

  Packet piece(std::uint32_t id, std::uint16_t offset, bool more, const Packet& content, std::uint8_t protocol,
               bool guarded = true) const {
    const Packet ethernet = Ethernet{};
    if (v6) {
      return ethernet / Ipv6{.destination = guarded ? machine6 : "2001:db8:a::99"} /
             Fragment{.id = id, .offset = offset, .more = more, .next = protocol} / content;
    }
    return ethernet /
           Ipv4{.destination = guarded ? machine4 : "192.0.2.99",
                .id = static_cast<std::uint16_t>(id),
                .more = more,
                .offset = offset,
                .protocol = protocol} /
           content;
  }
  // UDP with 1472 bytes of data: 1480 bytes of payload.
  Packet first(std::uint32_t id, std::uint16_t port, bool guarded = true) const {
    return piece(id, 0, true, Udp{.destination = port} / data(1472), udp, guarded);
  }
  Packet later(std::uint32_t id, std::uint16_t offset = 1480, bool more = false, bool guarded = true) const {
    return piece(id, offset, more, data(64), udp, guarded);
  }
  std::uint32_t guard(Gate& gate, std::uint16_t port, std::uint8_t protocol = udp) const {
    return gate.guard({.address = v6 ? machine6 : machine4, .port = port, .protocol = protocol});
  }
  void admit(Gate& gate, std::uint32_t service) const { gate.admit(service, {.source = v6 ? client6 : client4}); }
};

Family each_family() {
  return GENERATE(Family{"IPv4", false}, Family{"IPv6", true});
}

}  // namespace

TEST_CASE("a later fragment passes if its first one did, and only then") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  const std::uint32_t service = family.guard(gate, 3389);

  expect(gate, family.later(1), gate_reason_fragment_unknown);
  expect(gate, family.first(1, 3389), gate_reason_no_grant);
  expect(gate, family.later(1), gate_reason_fragment_unknown);

  family.admit(gate, service);
  expect(gate, family.first(2, 3389), gate_reason_grant, {.half_open = 1, .fragments = 1});
  expect(gate, family.later(2), gate_reason_fragment_follows);
  expect(gate, family.later(2, 1544), gate_reason_fragment_follows);
  expect(gate, family.later(3), gate_reason_fragment_unknown);
}

TEST_CASE("later fragments pass in any order, and again") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.guard(gate, 3389);
  expect(gate, family.first(1, 5000), gate_reason_unguarded, fragment_remembered);
  for (const std::uint16_t offset : Ports{1608, 1480, 1544, 1480}) {
    INFO("offset " << offset);
    expect(gate, family.later(1, offset, offset != 1608), gate_reason_fragment_follows);
  }
}

TEST_CASE("a first fragment to a port that is not guarded takes its later ones along") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.guard(gate, 3389);
  expect(gate, family.first(1, 5000), gate_reason_unguarded, fragment_remembered);
  expect(gate, family.later(1), gate_reason_fragment_follows);
}

TEST_CASE("a large ping to a guarded address arrives whole") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.guard(gate, 3389);
  const Packet echo = family.v6 ? Packet{Icmp6{}} / data(1472) : Packet{Icmp{}} / data(1472);
  const std::uint8_t protocol = family.v6 ? icmp6 : icmp;
  expect(gate, family.piece(1, 0, true, echo, protocol), gate_reason_portless, fragment_remembered);
  expect(gate, family.piece(1, 1480, false, data(64), protocol), gate_reason_fragment_follows);
  expect(gate, family.piece(2, 1480, false, data(64), protocol), gate_reason_fragment_unknown);
}

TEST_CASE("fragments to an address without services are untouched") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.guard(gate, 3389);
  for (const Packet& packet :
       {family.first(1, 3389, false), family.later(1, 1480, false, false), family.later(2, 8, true, false),
        family.piece(3, 0, true, data(4), udp, false), family.piece(4, 8, false, data(4), tcp, false)}) {
    const Judged judged = gate.judge(packet.bytes());
    CHECK(text_of_action(judged.action) == "pass");
    CHECK(text_of(judged.changes) == text_of(Changes{}));
  }
}

TEST_CASE("a later fragment must not reach back into what was judged") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.admit(gate, family.guard(gate, 22, tcp));
  const Packet head = family.piece(1, 0, true, Tcp{} / data(12), tcp);  // 32 bytes of payload
  expect(gate, head, gate_reason_grant, {.half_open = 1, .fragments = 1});
  const auto from = [&](std::uint16_t offset) { return family.piece(1, offset, true, data(64), tcp); };
  expect(gate, from(8), gate_reason_fragment_overlap);
  expect(gate, from(24), gate_reason_fragment_overlap);
  expect(gate, from(32), gate_reason_fragment_follows);
  // A second first fragment is judged anew, and what was remembered never shrinks to let an overlap through.
  const Packet other = family.piece(1, 0, true, Tcp{.destination = 80} / data(4), tcp);  // 24 bytes
  expect(gate, other, gate_reason_unguarded);
  expect(gate, from(24), gate_reason_fragment_overlap);
}

TEST_CASE("a first fragment too short for its transport header drops") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  const std::uint32_t service = family.guard(gate, 22, tcp);
  family.admit(gate, service);
  const auto tiny = [&](std::size_t size, std::uint8_t protocol, bool guarded = true) {
    Bytes bytes = (protocol == tcp ? Packet{Tcp{}} : Packet{Udp{.destination = 22}} / data(32)).bytes();
    return family.piece(1, 0, true, Payload{truncated(bytes, size)}, protocol, guarded);
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{4}, std::size_t{8}, std::size_t{16}}) {
    INFO(size << " bytes of TCP");
    expect(gate, tiny(size, tcp), gate_reason_fragment_tiny);
    expect(gate, tiny(size, tcp, false), gate_reason_unreadable_unguarded);
  }
  expect(gate, tiny(0, udp), gate_reason_fragment_tiny);
  expect(gate, tiny(7, udp), gate_reason_fragment_tiny);
  expect(gate, tiny(8, udp), gate_reason_unguarded, fragment_remembered);
  const Packet options_missing = family.piece(2, 0, true, Tcp{.data_offset = 15} / data(4), tcp);
  expect(gate, options_missing, gate_reason_fragment_tiny);
  expect(gate, family.piece(2, 0, true, Tcp{} / data(4), tcp), gate_reason_grant, {.half_open = 1, .fragments = 1});
}

TEST_CASE("a fragment at offset one (RFC 1858) finds no verdict to follow") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.admit(gate, family.guard(gate, 22, tcp));
  expect(gate, family.piece(1, 8, false, data(12), tcp), gate_reason_fragment_unknown);
}

TEST_CASE("a remembered verdict holds for its own source, destination and id only") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.guard(gate, 3389);
  expect(gate, family.first(7, 5000), gate_reason_unguarded, fragment_remembered);
  Packet stranger = Packet{Ethernet{}};
  if (family.v6) {
    stranger = stranger / Ipv6{.source = "2001:db8:c::8"} / Fragment{.id = 7, .offset = 1480, .next = udp} / data(8);
  } else {
    stranger = stranger / Ipv4{.source = "198.51.100.8", .id = 7, .offset = 1480, .protocol = udp} / data(8);
  }
  expect(gate, stranger, gate_reason_fragment_unknown);
  expect(gate, family.later(7), gate_reason_fragment_follows);
}

TEST_CASE("IPv4 datagrams of the same id but another protocol are not mixed up") {
  const Family family{"IPv4", false};
  Gate& gate = Gate::fresh();
  family.guard(gate, 3389);
  expect(gate, family.first(7, 5000), gate_reason_unguarded, fragment_remembered);
  expect(gate, family.piece(7, 1480, false, data(64), tcp), gate_reason_fragment_unknown);
  expect(gate, family.piece(7, 1480, false, data(64), udp), gate_reason_fragment_follows);
}

TEST_CASE("a remembered verdict is forgotten after its time") {
  const Family family = each_family();
  INFO(family.name);
  Gate& gate = Gate::fresh();
  family.guard(gate, 3389);
  expect(gate, family.first(7, 5000), gate_reason_unguarded, fragment_remembered);
  const auto age = [&](std::uint64_t by) {
    const auto key = gate.maps.fragments.keys().at(0);
    gate_fragment seen = gate.maps.fragments.find(key).value();
    seen.seen_coarse_ns -= by;
    gate.maps.fragments.put(key, seen);
  };
  age(fragment_idle - tolerance);
  expect(gate, family.later(7), gate_reason_fragment_follows);
  age(tolerance + second);
  expect_tidying(gate, family.later(7), gate_reason_fragment_unknown);
}

TEST_CASE("DHCP and discovery in pieces get no free ride") {
  Gate& gate = Gate::fresh();
  gate.guard({.address = machine6});
  const Family family{"IPv6", true};
  const Packet solicitation = Packet{Icmp6{.type = 135}} / data(24);
  const Judged judged = gate.judge(family.piece(1, 0, true, solicitation, icmp6).bytes());
  CHECK(text_of(judged.reasons) != "link_control");
}
