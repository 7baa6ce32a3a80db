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

TEST_CASE("UDP is learned by the machine's answer") {
  World world = each_family();
  world.guarded.port = world.ssh.machine_port = 53;
  world.guarded.protocol = world.ssh.protocol = udp;
  world.service = world.gate.guard(world.guarded);
  world.monitored(world.ssh.ask(), half_open_created);
  SECTION("answered") {
    learn(world.gate, world.ssh.respond(), promoted);
    world.enforce();
    expect(world.gate, world.ssh.ask(), gate_reason_flow);
  }
  SECTION("not answered") {
    world.enforce();
    expect(world.gate, world.ssh.ask(), gate_reason_no_grant);
  }
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

TEST_CASE("a grant that comes while a flow is learned takes it over, and it ends with the grant") {
  World world = each_family();
  world.monitored(world.ssh.send(syn), half_open_created);
  world.gate.admit(world.service, {.source = world.ssh.client});
  expect(world.gate, world.ssh.in({.seq = 1000, .flags = syn}), gate_reason_grant);
  const gate_flow flow = world.ssh.half_open(world.gate).value();
  CHECK(flow.serial != 0);
  CHECK((flow.flags & GATE_FLOW_LEARNED) == 0);
  learn(world.gate, world.ssh.reply(syn | ack));
  world.enforce();
  world.gate.expire(world.service, {.source = world.ssh.client});
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant);
}
