// SPDX-License-Identifier: Apache-2.0
// What the programs tell: drops, as many as the budget allows; every flow that opens, closes or moves to another grant.
#include <arpa/inet.h>

#include <cstring>

#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

std::string text_of(const std::uint8_t (&bytes)[16], std::uint8_t family) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family == GATE_IPV6 ? AF_INET6 : AF_INET, bytes, text, sizeof text);
  return text;
}

struct World {
  Gate& gate = Gate::fresh();
  Connection ssh;
  Grant grant;
  std::uint32_t service = 0;

  explicit World(bool v6 = false, std::uint8_t protocol = tcp) {
    ssh.protocol = protocol;
    if (v6) {
      ssh.client = grant.source = client6;
      ssh.machine = machine6;
    }
    service = gate.guard({.address = ssh.machine, .protocol = protocol});
  }
  // The one flow event since the last, of this connection.
  gate_flow_event told(gate_flow_event_kind kind) const {
    const auto events = gate.told_flows();
    REQUIRE(events.size() == 1);
    const gate_flow_event& event = events[0];
    CHECK(int{event.kind} == kind);
    CHECK(text_of(event.client, event.family) == ssh.client);
    CHECK(text_of(event.machine, event.family) == ssh.machine);
    CHECK(ntohs(event.client_port_be) == ssh.client_port);
    CHECK(ntohs(event.machine_port_be) == ssh.machine_port);
    CHECK(event.protocol == ssh.protocol);
    CHECK(event.time_boot_ns <= now_boot_ns());
    CHECK(event.opened_boot_ns <= event.time_boot_ns);
    CHECK(event.opened_boot_ns + 60 * second > now_boot_ns());
    return event;
  }
  // Its last packet was that long ago.
  void age(std::uint64_t by) {
    gate_flow older = ssh.established(gate).value();
    older.opened_coarse_ns -= by;
    older.client.last_seen_coarse_ns -= by;
    older.machine.last_seen_coarse_ns -= by;
    ssh.put_established(gate, older);
  }
};

constexpr std::uint64_t no_limit = 1'000'000;

}  // namespace

TEST_CASE("a drop is told with its reason, its addresses and its service") {
  const bool v6 = GENERATE(false, true);
  World world{v6};
  expect(world.gate, world.ssh.in({.flags = syn}), gate_reason_no_grant);
  const auto drops = world.gate.told_drops();
  REQUIRE(drops.size() == 1);
  const gate_drop_event& drop = drops[0];
  CHECK(name_of(static_cast<gate_reason>(drop.reason)) == "no_grant");
  CHECK(drop.outcome == drop.reason);
  CHECK(text_of(drop.source, drop.family) == world.ssh.client);
  CHECK(text_of(drop.destination, drop.family) == world.ssh.machine);
  CHECK(ntohs(drop.source_port_be) == client_port);
  CHECK(ntohs(drop.destination_port_be) == 22);
  CHECK(int{drop.protocol} == int{tcp});
  CHECK(int{drop.tcp_flags} == int{syn});
  CHECK(drop.service == world.service);
  CHECK(drop.interface != 0);
  CHECK(drop.time_boot_ns <= now_boot_ns());
  CHECK(drop.time_boot_ns + 60 * second > now_boot_ns());
}

TEST_CASE("a drop that is judged by its address is told without a service") {
  World world;
  expect(world.gate, truncated(world.ssh.in({.flags = syn}).bytes(), 40), gate_reason_malformed);
  const auto drops = world.gate.told_drops();
  REQUIRE(drops.size() == 1);
  CHECK(drops[0].service == 0);
  CHECK(text_of(drops[0].destination, drops[0].family) == machine4);
  CHECK(drops[0].destination_port_be == 0);
}

TEST_CASE("what would have been dropped is told, and as what it passed") {
  Gate& gate = Gate::fresh();
  SECTION("its service is only monitored") {
    gate.guard({.flags = 0, .address_flags = 0});
    gate.judge((Packet{Ethernet{}} / Ipv4{} / Tcp{}).bytes());
    const auto drops = gate.told_drops();
    REQUIRE(drops.size() == 1);
    CHECK(name_of(static_cast<gate_reason>(drops[0].reason)) == "no_grant");
    CHECK(name_of(static_cast<gate_reason>(drops[0].outcome)) == "monitored");
  }
  SECTION("nobody confirmed the attach") {
    gate.guard();
    gate.configure([](gate_config& config) { config.unconfirmed_boot_ns = 1; });
    gate.judge((Packet{Ethernet{}} / Ipv4{} / Tcp{}).bytes());
    const auto drops = gate.told_drops();
    REQUIRE(drops.size() == 1);
    CHECK(name_of(static_cast<gate_reason>(drops[0].outcome)) == "unconfirmed");
  }
}

TEST_CASE("what passes is not told as a drop, and what is dropped is no flow") {
  World world;
  expect(world.gate, Packet{Ethernet{}} / Ipv4{} / Tcp{.destination = 80}, gate_reason_unguarded);
  world.gate.admit(world.service, world.grant);
  world.ssh.open(world.gate);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
  CHECK(world.gate.told_drops().empty());
  CHECK(world.gate.told_flows().size() == 1);
  Connection stranger;
  stranger.client = "198.51.100.99";
  expect(world.gate, stranger.send(syn), gate_reason_no_grant);
  expect(world.gate, stranger.send(ack), gate_reason_no_grant);
  CHECK(world.gate.told_flows().empty());
  CHECK(world.gate.told_drops().size() == 2);
}

TEST_CASE("the read-only program tells nothing") {
  World world;
  world.gate.explain(world.ssh.in({.flags = syn}).bytes(), now_boot_ns());
  CHECK(world.gate.told_drops().empty());
  world.gate.admit(world.service, world.grant);
  world.ssh.open(world.gate);
  world.gate.told_flows();
  world.ssh.established(world.gate);
  world.age(tcp_idle + second);
  world.gate.explain(world.ssh.in({.seq = 1001, .flags = ack}).bytes(), now_boot_ns());
  CHECK(world.gate.told_flows().empty());
  CHECK(world.gate.service_counter(world.service).dropped == 0);
}

// Not how many a second, which no test can say, but that none is forgotten.
TEST_CASE("too many drops a second are counted instead of told") {
  World world;
  world.gate.configure([](gate_config& config) { config.drop_events_per_second = 5; });
  const auto limited = [&] { return world.gate.maps.tallies.total(gate_tally_drop_events_limited).packets; };
  const std::uint64_t before = limited();
  world.gate.flood(world.ssh.in({.flags = syn}).bytes(), 2000);
  const std::size_t told = world.gate.told_drops().size();
  CHECK(told >= 5);
  CHECK(told < 1000);
  CHECK(told + limited() - before == 2000);
}

TEST_CASE("drops that find their ring full are counted") {
  World world;
  world.gate.configure([](gate_config& config) { config.drop_events_per_second = no_limit; });
  const auto lost = [&] { return world.gate.maps.tallies.total(gate_tally_drop_events_lost).packets; };
  const std::uint64_t before = lost();
  world.gate.flood(world.ssh.in({.flags = syn}).bytes(), 10'000);
  const std::size_t told = world.gate.told_drops().size();
  CHECK(told > 1000);
  CHECK(told < 10'000);
  CHECK(told + lost() - before == 10'000);
  world.gate.flood(world.ssh.in({.flags = syn}).bytes(), 10);
  CHECK(world.gate.told_drops().size() == 10);
}

TEST_CASE("a flow is told when it is established, not before") {
  World world{GENERATE(false, true)};
  const std::uint64_t serial = world.gate.admit(world.service, world.grant);
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  CHECK(world.gate.told_flows().empty());
  expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open, promoted);
  const gate_flow_event event = world.told(GATE_FLOW_OPENED);
  CHECK(event.serial == serial);
  CHECK(event.service == world.service);
  CHECK(event.client_packets == 2);
  CHECK(event.machine_packets == 1);
  CHECK(int{event.end} == GATE_FLOW_END_NONE);
}

TEST_CASE("a flow that closed is told with what went through it and why") {
  struct Row {
    const char* name;
    gate_flow_end end;
    void (*close)(World& world);
  };
  const Row rows[] = {
      {"FIN from both sides", GATE_FLOW_END_FINISHED,
       [](World& world) {
         expect(world.gate, world.ssh.send(fin | ack), gate_reason_flow);
         learn(world.gate, world.ssh.reply(fin | ack));
         world.age(postern::test::linger + second);
       }},
      {"RST from the machine", GATE_FLOW_END_RESET,
       [](World& world) {
         learn(world.gate, world.ssh.reply(rst));
         world.age(postern::test::linger + second);
       }},
      {"idle", GATE_FLOW_END_IDLE, [](World& world) { world.age(tcp_idle + second); }},
      {"a new connection on the same tuple", GATE_FLOW_END_REPLACED,
       [](World& world) {
         gate_flow flow = world.ssh.established(world.gate).value();
         flow.machine.flags |= GATE_SIDE_REOPENED;
         world.ssh.put_established(world.gate, flow);
       }},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    World world;
    const std::uint64_t serial = world.gate.admit(world.service, world.grant);
    world.ssh.open(world.gate);
    expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_flow);
    learn(world.gate, world.ssh.reply(psh | ack, 50));
    world.gate.told_flows();
    row.close(world);
    world.gate.expire(world.service, world.grant);
    CHECK(world.gate.told_flows().empty());
    const gate_flow last = world.ssh.established(world.gate).value();
    expect(world.gate, world.ssh.in({.seq = 1, .flags = ack}), gate_reason_no_grant, established_gone);
    const gate_flow_event event = world.told(GATE_FLOW_CLOSED);
    CHECK(int{event.end} == row.end);
    CHECK(event.serial == serial);
    CHECK(event.client_packets == last.client.packets);
    CHECK(event.client_bytes == last.client.bytes);
    CHECK(event.client_bytes >= 100 + 3 * 40);
    CHECK(event.machine_packets == last.machine.packets);
    CHECK(event.machine_bytes == last.machine.bytes);
    CHECK(event.machine_bytes >= 50 + 2 * 40);
  }
}

TEST_CASE("a new connection over a dead one tells that this one closed and that one opened") {
  World world;
  const std::uint64_t first = world.gate.admit(world.service, world.grant);
  world.ssh.open(world.gate);
  world.gate.told_flows();
  const std::uint64_t second_serial = world.gate.admit(world.service, {.slot = 2});
  world.ssh.client_next = 900'000'000;
  world.ssh.machine_next = 800'000'000;
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  expect_tidying(world.gate, world.ssh.send(ack), gate_reason_flow_half_open);
  const auto events = world.gate.told_flows();
  REQUIRE(events.size() == 2);
  CHECK(int{events[0].kind} == GATE_FLOW_CLOSED);
  CHECK(int{events[0].end} == GATE_FLOW_END_REPLACED);
  CHECK(events[0].serial == first);
  CHECK(int{events[1].kind} == GATE_FLOW_OPENED);
  CHECK(events[1].serial == second_serial);
}

TEST_CASE("a cut flow that goes over to another grant is told as moved") {
  World world;
  const std::uint64_t first = world.gate.admit(world.service, {.slot = 1});
  world.ssh.open(world.gate);
  world.gate.told_flows();
  const std::uint64_t wide = world.gate.admit(world.service, {.source = "198.51.100.0", .length = 24, .slot = 2});
  world.gate.expire(world.service, {.slot = 1});
  world.gate.end(1, GATE_RECORD_CUT);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_grant);
  const gate_flow_event event = world.told(GATE_FLOW_MOVED);
  CHECK(event.serial == wide);
  CHECK(event.previous_serial == first);
}

TEST_CASE("a UDP flow is told by the egress program, when the machine answers") {
  World world{GENERATE(false, true), udp};
  const std::uint64_t serial = world.gate.admit(world.service, world.grant);
  expect(world.gate, world.ssh.ask(), gate_reason_grant, half_open_created);
  CHECK(world.gate.told_flows().empty());
  world.gate.answer(world.ssh.respond().bytes());
  CHECK(world.told(GATE_FLOW_OPENED).serial == serial);
}

TEST_CASE("a connection that the machine opened is told without a grant") {
  World world;
  learn(world.gate, world.ssh.reply(syn), half_open_created);
  world.ssh.client_next = 7000;
  expect(world.gate, world.ssh.send(syn | ack), gate_reason_machine_opened, promoted);
  const gate_flow_event event = world.told(GATE_FLOW_OPENED);
  CHECK(event.serial == 0);
  CHECK((event.flags & GATE_FLOW_MACHINE_OPENED) != 0);
}

// As where a hash element was freed and used again, for another flow, while a packet's look-up still held it.
TEST_CASE("an entry that says it is another flow's passes nothing, and is left alone") {
  World world{GENERATE(false, true)};
  world.gate.admit(world.service, world.grant);
  SECTION("established") {
    world.ssh.open(world.gate);
    world.gate.expire(world.service, world.grant);
    gate_flow flow = world.ssh.established(world.gate).value();
    expect(world.gate, world.ssh.send(psh | ack, 1), gate_reason_flow);
    flow.tuple ^= 2;
    world.ssh.put_established(world.gate, flow);
    expect(world.gate, world.ssh.send(psh | ack, 1), gate_reason_no_grant);
    world.age(tcp_idle + second);
    expect(world.gate, world.ssh.send(psh | ack, 1), gate_reason_no_grant);
  }
  SECTION("half-open") {
    expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
    learn(world.gate, world.ssh.reply(syn | ack));
    gate_flow flow = world.ssh.half_open(world.gate).value();
    flow.tuple ^= 2;
    world.ssh.put_half_open(world.gate, flow);
    // The grant's record lives, its key does not cover this source: only the flow could let the packet in.
    const std::string other = is_v6(world.ssh.client) ? "2001:db8:c::9" : "198.51.100.9";
    world.gate.maps.grants_v4.clear();
    world.gate.maps.grants_v6.clear();
    expect(world.gate, world.ssh.send(ack), gate_reason_no_grant);
  }
  SECTION("half-open, and a grant admits: the flow begins anew, and does not bind the other") {
    expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
    gate_flow flow = world.ssh.half_open(world.gate).value();
    const std::uint64_t own = flow.tuple;
    flow.tuple ^= 2;
    flow.opened_boot_ns = 1;
    world.ssh.put_half_open(world.gate, flow);
    expect(world.gate, world.ssh.in({.seq = 1000, .flags = syn}), gate_reason_grant);
    CHECK(world.ssh.half_open(world.gate)->tuple == own);
    CHECK(world.ssh.half_open(world.gate)->opened_boot_ns > 1);
  }
}

// Without the seeds these are the same: found by calculation, as somebody outside might.
TEST_CASE("which flows look alike cannot be chosen from outside") {
  const auto key_of = [](const char* client, const char* machine) {
    gate_flow_key_v6 made{};
    inet_pton(AF_INET6, client, made.client);
    inet_pton(AF_INET6, machine, made.machine);
    made.client_port_be = htons(1000);
    made.machine_port_be = htons(22);
    made.protocol = tcp;
    return made;
  };
  const gate_config config = Gate::fresh().maps.config.find(0).value();
  const auto tuple = [&](const gate_flow_key_v6& of) { return gate_flow_tuple_v6(&of, config.flow_seeds); };
  const auto own = key_of("2001:db8::1", "2001:db8:2::10");
  CHECK(tuple(own) != tuple(key_of("2001:db8::81", "2001:db8:2::10")));
  CHECK(tuple(own) != tuple(key_of("2001:db8::1", "2001:db8:2::90")));
  // Each bit of the key changes it, and differently under other seeds.
  gate_config other = config;
  for (auto& seed : other.flow_seeds) seed = seed * 0xff51afd7ed558ccd + 1;
  for (std::size_t bit = 0; bit < 37 * 8; ++bit) {
    INFO("bit " << bit);
    gate_flow_key_v6 changed = own;
    reinterpret_cast<std::uint8_t*>(&changed)[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    CHECK(tuple(changed) != tuple(own));
    CHECK(tuple(changed) - tuple(own) != gate_flow_tuple_v6(&changed, other.flow_seeds) - gate_flow_tuple_v6(&own, other.flow_seeds));
  }
}

TEST_CASE("a service whose drops are too many to tell hides none of another's") {
  World world;
  world.gate.configure([](gate_config& config) { config.drop_events_per_second = 5; });
  const std::uint32_t other = world.gate.guard({.port = 3389});
  world.gate.flood(world.ssh.in({.flags = syn}).bytes(), 2000);
  world.gate.told_drops();
  Connection rdp = world.ssh;
  rdp.machine_port = 3389;
  expect(world.gate, rdp.in({.flags = syn}), gate_reason_no_grant);
  const auto drops = world.gate.told_drops();
  REQUIRE_FALSE(drops.empty());
  CHECK(drops.back().service == other);
}
