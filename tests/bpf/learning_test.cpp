// SPDX-License-Identifier: Apache-2.0
// A service that is monitored in order to learn: connections without a grant become flows by the same proof of both sides
// as granted ones, and live on when the service is enforced; nothing else does.
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  Connection ssh;
  Service guarded{.flags = GATE_SERVICE_LEARN, .address_flags = 0};
  std::uint32_t service = 0;

  explicit World(bool v6) {
    if (v6) {
      ssh.client = client6;
      ssh.machine = guarded.address = machine6;
    }
    service = gate.guard(guarded);
  }
  void set_flags(std::uint32_t flags) {
    if (is_v6(guarded.address)) {
      gate_service value = gate.maps.services_v6.find(service_key_v6(guarded)).value();
      value.flags = flags;
      gate.maps.services_v6.put(service_key_v6(guarded), value);
    } else {
      gate_service value = gate.maps.services_v4.find(service_key_v4(guarded)).value();
      value.flags = flags;
      gate.maps.services_v4.put(service_key_v4(guarded), value);
    }
  }
  void enforce() { set_flags(GATE_SERVICE_ENFORCE); }
  // Passes, as a would-be drop.
  void monitored(const Packet& packet, const Changes& changes = {}) {
    const Judged judged = gate.judge(packet.bytes());
    CHECK(text_of(judged.reasons) == "monitored + no_grant");
    CHECK(text_of_action(judged.action) == "pass");
    CHECK(text_of(judged.changes) == text_of(changes));
  }
};

World each_family() {
  return World{GENERATE(false, true)};
}

}  // namespace

TEST_CASE("a connection opened while its service learned outlives the switch to enforcing") {
  World world = each_family();
  world.monitored(world.ssh.send(syn), half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  expect(world.gate, world.ssh.send(ack), gate_reason_flow, promoted);
  world.enforce();
  expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_flow);
  learn(world.gate, world.ssh.reply(psh | ack, 40));
  expect(world.gate, world.ssh.in({.flags = syn}), gate_reason_no_grant);
  const gate_flow flow = world.ssh.established(world.gate).value();
  CHECK(flow.serial == 0);
  CHECK(flow.service == world.service);
  CHECK(flow.flags == GATE_FLOW_LEARNED);
}

TEST_CASE("the switch comes between SYN and ACK: exactly the ACK of the machine's answer passes") {
  World world = each_family();
  world.monitored(world.ssh.send(syn), half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  world.enforce();
  expect(world.gate, world.ssh.in({.seq = 1000, .flags = syn}), gate_reason_no_grant);
  for (const std::uint32_t guess : {0U, 1U, 5000U, 5002U, 0x80001389U}) {
    expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = guess, .flags = ack}), gate_reason_no_grant);
    expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = guess, .flags = psh | ack}, 9),
           gate_reason_no_grant);
  }
  expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = 5001, .flags = rst | ack}), gate_reason_no_grant);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow, promoted);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("a SYN that the machine had not answered opens nothing after the switch") {
  World world = each_family();
  world.monitored(world.ssh.send(syn), half_open_created);
  world.enforce();
  expect(world.gate, world.ssh.in({.seq = 1000, .flags = syn}), gate_reason_no_grant);
  for (const std::uint32_t guess : {0U, 1U, 5000U, 5001U})
    expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = guess, .flags = ack}), gate_reason_no_grant);
}

TEST_CASE("a session found in mid-life is learned once each side acknowledged bytes of the other") {
  World world = each_family();
  world.monitored(world.ssh.send(psh | ack, 100), half_open_created);
  const bool answered = GENERATE(false, true);
  learn(world.gate, answered ? world.ssh.reply(psh | ack, 60) : world.ssh.reply(ack));
  const bool early = GENERATE(false, true);
  if (early) world.enforce();
  if (answered) {
    expect(world.gate, world.ssh.send(ack), gate_reason_flow, promoted);
    world.enforce();
    expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
    CHECK((world.ssh.established(world.gate)->flags & GATE_FLOW_PICKED_UP) != 0);
  } else if (early) {
    expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_no_grant);
  } else {
    world.monitored(world.ssh.send(psh | ack, 10));
  }
}

TEST_CASE("a spoofer whom the machine answers by resets is not learned") {
  World world = each_family();
  world.monitored(world.ssh.in({.seq = 1, .acknowledgment = 900, .flags = psh | ack}, 10), half_open_created);
  learn(world.gate, world.ssh.out({.seq = 900, .flags = rst}));
  for (const std::uint32_t guess : {899U, 900U, 901U}) {
    world.gate.judge(world.ssh.in({.seq = 11, .acknowledgment = guess, .flags = psh | ack}, 10).bytes());
    CHECK_FALSE(world.ssh.established(world.gate).has_value());
  }
  world.enforce();
  expect_tidying(world.gate, world.ssh.in({.seq = 21, .acknowledgment = 900, .flags = ack}, 10), gate_reason_no_grant);
}

TEST_CASE("UDP is learned by the client's packet after the machine's answer") {
  World world = each_family();
  world.guarded.port = world.ssh.machine_port = 53;
  world.guarded.protocol = world.ssh.protocol = udp;
  world.service = world.gate.guard(world.guarded);
  world.monitored(world.ssh.ask(), half_open_created);
  SECTION("answered, and asked once more") {
    learn(world.gate, world.ssh.respond());
    world.monitored(world.ssh.ask(), promoted);
    world.enforce();
    expect(world.gate, world.ssh.ask(), gate_reason_flow);
  }
  SECTION("answered, but never asked again while its service learned") {
    learn(world.gate, world.ssh.respond());
    world.enforce();
    expect(world.gate, world.ssh.ask(), gate_reason_no_grant);
    learn(world.gate, world.ssh.respond());
    expect(world.gate, world.ssh.ask(), gate_reason_no_grant);
  }
  SECTION("asked twice, never answered") {
    world.monitored(world.ssh.ask());
    world.monitored(world.ssh.ask());
    world.enforce();
    expect(world.gate, world.ssh.ask(), gate_reason_no_grant);
  }
  SECTION("not answered") {
    world.enforce();
    expect(world.gate, world.ssh.ask(), gate_reason_no_grant);
  }
}

TEST_CASE("learned UDP ends with its longest session, however much the machine sends") {
  World world = each_family();
  world.guarded.port = world.ssh.machine_port = 53;
  world.guarded.protocol = world.ssh.protocol = udp;
  world.service = world.gate.guard(world.guarded);
  world.gate.configure([](gate_config& config) { config.udp_without_grant_session_ns = 100 * second; });
  world.monitored(world.ssh.ask(), half_open_created);
  learn(world.gate, world.ssh.respond());
  world.monitored(world.ssh.ask(), promoted);
  gate_flow flow = world.ssh.established(world.gate).value();
  CHECK(flow.session_end_boot_ns == flow.opened_boot_ns + 100 * second);
  flow.session_end_boot_ns = now_boot_ns() - 1;
  world.ssh.put_established(world.gate, flow);
  learn(world.gate, world.ssh.respond());
  SECTION("enforced, it is over") {
    world.enforce();
    expect(world.gate, world.ssh.ask(), gate_reason_no_grant, established_gone);
    learn(world.gate, world.ssh.respond());
    expect(world.gate, world.ssh.ask(), gate_reason_no_grant);
  }
  SECTION("monitored, it is learned anew") {
    world.monitored(world.ssh.ask(), {.half_open = 1, .established = -1});
    learn(world.gate, world.ssh.respond());
    world.monitored(world.ssh.ask(), promoted);
  }
}

TEST_CASE("what is learned takes its part of the established flows and no more") {
  World world = each_family();
  world.gate.configure([](gate_config& config) { config.learned_max = 2; });
  const auto established = [&](int i) {
    Connection connection = world.ssh;
    connection.client_port = static_cast<std::uint16_t>(20000 + i);
    world.monitored(connection.send(syn), half_open_created);
    learn(world.gate, connection.reply(syn | ack));
    world.gate.judge(connection.send(ack).bytes());
    return connection.established(world.gate).has_value();
  };
  CHECK(established(1));
  CHECK(established(2));
  for (int i = 3; i < 8; ++i) CHECK_FALSE(established(i));
  CHECK(world.gate.maps.learned_usage.find(0)->established == 2);
  // A grant is not held back by them.
  world.gate.admit(world.service, {.source = world.ssh.client});
  world.ssh.open(world.gate);
  CHECK(world.gate.maps.learned_usage.find(0)->established == 2);
  // One that goes makes room.
  Connection first = world.ssh;
  first.client_port = 20001;
  gate_flow old = first.established(world.gate).value();
  old.machine.flags |= GATE_SIDE_REOPENED;
  first.put_established(world.gate, old);
  world.gate.expire(world.service, {.source = world.ssh.client});
  world.gate.judge(first.in({.flags = ack}).bytes());
  CHECK(world.gate.maps.learned_usage.find(0)->established == 1);
  CHECK(established(9));
}

TEST_CASE("a flood at a service that learns pushes no half-open connection of another out") {
  Gate gate{{.half_open = 64}};
  const std::uint32_t ssh_service = gate.guard();
  gate.admit(ssh_service);
  gate.guard({.port = 80, .flags = GATE_SERVICE_LEARN, .address_flags = 0});
  Connection ssh;
  expect(gate, ssh.send(syn), gate_reason_grant, half_open_created);
  learn(gate, ssh.reply(syn | ack));
  for (int i = 0; i < 1000; ++i) {
    Connection flood;
    flood.machine_port = 80;
    flood.client_port = static_cast<std::uint16_t>(20000 + i);
    gate.judge(flood.send(syn).bytes());
  }
  CHECK(gate.maps.half_open_v4.size() == 1);
  expect(gate, ssh.send(ack), gate_reason_flow_half_open, promoted);
}

TEST_CASE("learned connections are not told, however many: their packets are, as drops that were not") {
  World world = each_family();
  world.monitored(world.ssh.send(syn), half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  expect(world.gate, world.ssh.send(ack), gate_reason_flow, promoted);
  gate_flow old = world.ssh.established(world.gate).value();
  old.machine.flags |= GATE_SIDE_REOPENED;
  world.ssh.put_established(world.gate, old);
  const std::uint64_t lost = world.gate.maps.tallies.total(gate_tally_flow_events_lost).packets;
  world.enforce();
  expect(world.gate, world.ssh.in({.flags = ack}), gate_reason_no_grant, established_gone);
  CHECK(world.gate.told_flows().empty());
  CHECK(world.gate.told_drops().size() == 2);
  CHECK(world.gate.maps.tallies.total(gate_tally_flow_events_lost).packets == lost);
}

TEST_CASE("a service learns only if it is told to and does not enforce") {
  World world = each_family();
  const std::uint32_t flags = GENERATE(as<std::uint32_t>{}, 0, GATE_SERVICE_ENFORCE, GATE_SERVICE_ENFORCE | GATE_SERVICE_LEARN);
  world.set_flags(flags);
  for (const Packet& packet : {world.ssh.in({.flags = syn}), world.ssh.in({.flags = psh | ack}, 10)}) {
    const Judged judged = world.gate.judge(packet.bytes());
    CHECK(text_of(judged.reasons) == (flags ? "no_grant" : "monitored + no_grant"));
    CHECK(text_of(judged.changes) == text_of(Changes{}));
  }
}

TEST_CASE("a grant that comes while a connection is learned begins it anew, and it ends with the grant") {
  World world = each_family();
  world.monitored(world.ssh.send(syn), half_open_created);
  CHECK(world.ssh.learning(world.gate).has_value());
  world.gate.admit(world.service, {.source = world.ssh.client});
  expect(world.gate, world.ssh.in({.seq = 1000, .flags = syn}), gate_reason_grant);
  CHECK_FALSE(world.ssh.learning(world.gate).has_value());
  const gate_flow flow = world.ssh.half_open(world.gate).value();
  CHECK(flow.serial != 0);
  CHECK((flow.flags & GATE_FLOW_LEARNED) == 0);
  learn(world.gate, world.ssh.reply(syn | ack));
  world.enforce();
  world.gate.expire(world.service, {.source = world.ssh.client});
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant);
}

TEST_CASE("a connection whose grant ended is learned where its service learns") {
  World world = each_family();
  world.gate.admit(world.service, {.source = world.ssh.client});
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  world.gate.expire(world.service, {.source = world.ssh.client});
  learn(world.gate, world.ssh.reply(syn | ack));
  world.monitored(world.ssh.send(psh | ack, 10));
  CHECK_FALSE(world.ssh.half_open(world.gate).has_value());
  CHECK(world.ssh.learning(world.gate).has_value());
  learn(world.gate, world.ssh.reply(psh | ack, 10));
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow, promoted);
}
