// SPDX-License-Identifier: Apache-2.0
// An ICMP error gets in if the packet it quotes, turned around, would. The outer sender is some router and says
// nothing. (checks 9, 20)
#include <cstring>

#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

constexpr const char* router4 = "203.0.113.1";
constexpr const char* router6 = "2001:db8:f::1";

struct World {
  Gate& gate = Gate::fresh();
  Connection ssh;
  std::uint32_t service = 0;
  Grant grant;

  explicit World(bool v6, std::uint8_t protocol = tcp) {
    ssh.protocol = protocol;
    if (v6) {
      ssh.client = grant.source = client6;
      ssh.machine = machine6;
    }
    service = gate.guard({.address = ssh.machine, .protocol = protocol});
  }
  // An error about the machine's packet to the client. ICMP: 3/4 fragmentation needed; ICMPv6: 2 packet too big.
  Packet error(const Connection& about, std::size_t quoted = 200) const {
    const Payload inside = quote(about.quoted_reply(), quoted);
    if (is_v6(ssh.machine)) {
      return Packet{Ethernet{}} / Ipv6{.source = router6} / Icmp6{.type = 2, .rest = 1280} / inside;
    }
    return Packet{Ethernet{}} / Ipv4{.source = router4} / Icmp{.type = 3, .code = 4, .rest = 1280} / inside;
  }
  std::size_t shortest() const { return is_v6(ssh.machine) ? 48 : 28; }
};

World each_family() {
  return World{GENERATE(false, true)};
}

}  // namespace

TEST_CASE("an error about an established flow passes, also after its grant, also with eight quoted bytes") {
  World world = each_family();
  world.gate.admit(world.service, world.grant);
  world.ssh.open(world.gate);
  world.gate.expire(world.service, world.grant);
  const gate_flow before = world.ssh.established(world.gate).value();
  expect(world.gate, world.error(world.ssh), gate_reason_related);
  expect(world.gate, world.error(world.ssh, world.shortest()), gate_reason_related);
  CHECK(world.ssh.established(world.gate)->client.packets == before.client.packets);
  Connection neighbour = world.ssh;
  ++neighbour.client_port;
  expect(world.gate, world.error(neighbour), gate_reason_unrelated);
  expect(world.gate, world.error(world.ssh, world.shortest() - 5), gate_reason_malformed);
}

TEST_CASE("an error about a half-open flow passes while its grant lives, and never establishes it") {
  World world = each_family();
  world.gate.admit(world.service, world.grant);
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  expect(world.gate, world.error(world.ssh), gate_reason_related);
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
  world.gate.expire(world.service, world.grant);
  expect_tidying(world.gate, world.error(world.ssh), gate_reason_unrelated);
}

TEST_CASE("an error about what a live grant, a standing rule or a failsafe source covers passes") {
  World world = each_family();
  expect(world.gate, world.error(world.ssh), gate_reason_unrelated);
  SECTION("a live grant") {
    world.gate.admit(world.service, world.grant);
    expect(world.gate, world.error(world.ssh), gate_reason_related);
    world.gate.expire(world.service, world.grant);
    expect(world.gate, world.error(world.ssh), gate_reason_unrelated);
  }
  SECTION("a standing rule") {
    world.grant.flags = GATE_GRANT_STANDING;
    world.grant.deadline_boot_ns = GATE_NO_DEADLINE;
    world.gate.admit(world.service, world.grant);
    expect(world.gate, world.error(world.ssh), gate_reason_related);
  }
  SECTION("a failsafe source") {
    world.gate.failsafe_source(world.ssh.client, is_v6(world.ssh.client) ? 128 : 32);
    expect(world.gate, world.error(world.ssh), gate_reason_related);
  }
}

TEST_CASE("an error about a port that is not guarded passes") {
  World world = each_family();
  Connection web = world.ssh;
  web.machine_port = 80;
  expect(world.gate, world.error(web), gate_reason_related);
  expect(world.gate, world.error(world.ssh), gate_reason_unrelated);
}

TEST_CASE("an error about UDP is judged by UDP's flows") {
  World world{GENERATE(false, true), udp};
  expect(world.gate, world.error(world.ssh), gate_reason_unrelated);
  world.gate.admit(world.service, world.grant);
  expect(world.gate, world.ssh.ask(), gate_reason_grant, half_open_created);
  world.gate.answer(world.ssh.respond().bytes());
  world.gate.expire(world.service, world.grant);
  expect(world.gate, world.error(world.ssh), gate_reason_related);
}

TEST_CASE("an error about a connection that the machine opened passes") {
  World world = each_family();
  learn(world.gate, world.ssh.reply(syn), half_open_created);
  expect(world.gate, world.error(world.ssh), gate_reason_related);
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
}

TEST_CASE("each type of error is judged, and none of them takes the ICMP way round") {
  World world{false};
  for (const std::uint8_t type : Octets{3, 4, 5, 11, 12}) {
    INFO("ICMP type " << int{type});
    expect(world.gate, Packet{Ethernet{}} / Ipv4{.source = router4} / Icmp{.type = type} / world.ssh.quoted_reply(),
           gate_reason_unrelated);
  }
  World other{true};
  for (const std::uint8_t type : Octets{1, 2, 3, 4}) {
    INFO("ICMPv6 type " << int{type});
    expect(other.gate, Packet{Ethernet{}} / Ipv6{.source = router6} / Icmp6{.type = type} / other.ssh.quoted_reply(),
           gate_reason_unrelated);
  }
}

TEST_CASE("a quote that is itself a lie drops") {
  World world{false};
  const auto about = [&](const Packet& inside) {
    return Packet{Ethernet{}} / Ipv4{.source = router4} / Icmp{.type = 3} / inside;
  };
  const Tcp answer{.source = 22, .destination = client_port, .flags = ack};
  const auto machine = [](Ipv4 ip) {
    ip.source = machine4;
    ip.destination = client4;
    return ip;
  };
  expect(world.gate, about(machine({}) / answer), gate_reason_unrelated);
  expect(world.gate, about(machine({.version = 6}) / answer), gate_reason_malformed);
  expect(world.gate, about(machine({.ihl = 4}) / answer), gate_reason_malformed);
  expect(world.gate, about(machine({.ihl = 15}) / answer), gate_reason_malformed);
  expect(world.gate, about(machine({.offset = 64, .protocol = tcp}) / data(8)), gate_reason_malformed);
  expect(world.gate, about(Payload{}), gate_reason_malformed);
}

TEST_CASE("quoting one's own packet the wrong way round does not touch the flow") {
  World world{false};
  world.gate.admit(world.service);
  world.ssh.open(world.gate);
  const gate_flow before = world.ssh.established(world.gate).value();
  // The client's packet, as if a router outside had been asked to carry it back: no machine sent that.
  expect(world.gate, Packet{Ethernet{}} / Ipv4{.source = router4} / Icmp{.type = 3} / Ipv4{} / Tcp{}, gate_reason_malformed);
  const gate_flow after = world.ssh.established(world.gate).value();
  CHECK(std::memcmp(&before, &after, sizeof before) == 0);
}

TEST_CASE("an error is judged by a packet of the host it goes to, never by one of another host") {
  World world = each_family();
  const bool v6 = is_v6(world.ssh.machine);
  // To a host without services, about the guarded one's port: untouched (I5). And the other way round: no way in.
  const auto error = [&](const char* to, const char* about) {
    Connection quoted = world.ssh;
    quoted.machine = about;
    const Payload inside = quote(quoted.quoted_reply(), 200);
    if (v6) return Packet{Ethernet{}} / Ipv6{.source = router6, .destination = to} / Icmp6{.type = 1} / inside;
    return Packet{Ethernet{}} / Ipv4{.source = router4, .destination = to} / Icmp{.type = 3} / inside;
  };
  const char* const open = v6 ? "2001:db8:a::99" : "192.0.2.99";
  const char* const guarded = v6 ? machine6 : machine4;
  expect(world.gate, error(open, guarded), gate_reason_unreadable_unguarded);
  expect(world.gate, error(guarded, open), gate_reason_malformed);
  expect(world.gate, error(guarded, guarded), gate_reason_unrelated);
  expect(world.gate, error(open, open), gate_reason_related);
}
