// SPDX-License-Identifier: Apache-2.0
// UDP: established when the machine has answered; ended for good when the machine falls silent after the grant.
// (check 19, I1)
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  Connection rdp;
  std::uint32_t service = 0;
  Grant grant;

  explicit World(bool v6) {
    rdp.protocol = udp;
    rdp.machine_port = 3389;
    if (v6) {
      rdp.client = grant.source = client6;
      rdp.machine = machine6;
    }
    service = gate.guard({.address = rdp.machine, .port = 3389, .protocol = udp});
    gate.admit(service, grant);
  }
  void expire() { gate.expire(service, grant); }
  // Question, answer, question: established by now, whichever of the two programs does it.
  void converse() {
    expect(gate, rdp.ask(), gate_reason_grant, half_open_created);
    gate.answer(rdp.respond().bytes());
    const Judged judged = gate.judge(rdp.ask().bytes());
    CHECK(text_of_action(judged.action) == "pass");
    REQUIRE(rdp.established(gate).has_value());
    CHECK_FALSE(rdp.half_open(gate).has_value());
  }
  void age(std::uint64_t client_ns, std::uint64_t machine_ns) {
    gate_flow older = rdp.established(gate).value();
    older.client.last_seen_coarse_ns -= client_ns;
    older.machine.last_seen_coarse_ns -= machine_ns;
    older.opened_coarse_ns -= machine_ns;
    rdp.put_established(gate, older);
  }
};

World each_family() {
  return World{GENERATE(false, true)};
}

}  // namespace

TEST_CASE("UDP that was answered outlives its grant") {
  World world = each_family();
  world.converse();
  world.expire();
  expect(world.gate, world.rdp.ask(), gate_reason_flow);
  learn(world.gate, world.rdp.respond());
  expect(world.gate, world.rdp.ask(), gate_reason_flow);
  Connection other = world.rdp;
  ++other.client_port;
  expect(world.gate, other.ask(), gate_reason_no_grant);
}

TEST_CASE("UDP that was not answered ends with its grant, however much was sent") {
  World world = each_family();
  expect(world.gate, world.rdp.ask(), gate_reason_grant, half_open_created);
  for (int i = 0; i < 5; ++i) expect(world.gate, world.rdp.ask(), gate_reason_flow_half_open);
  CHECK_FALSE(world.rdp.established(world.gate).has_value());
  world.expire();
  expect_tidying(world.gate, world.rdp.ask(), gate_reason_no_grant);
}

TEST_CASE("an answer after the end of the grant comes too late") {
  World world = each_family();
  expect(world.gate, world.rdp.ask(), gate_reason_grant, half_open_created);
  world.expire();
  world.gate.answer(world.rdp.respond().bytes());
  expect_tidying(world.gate, world.rdp.ask(), gate_reason_no_grant);
  CHECK_FALSE(world.rdp.established(world.gate).has_value());
}

TEST_CASE("a server that sends by itself opens nothing") {
  World world = each_family();
  world.expire();
  for (int i = 0; i < 3; ++i) learn(world.gate, world.rdp.respond());
  expect(world.gate, world.rdp.ask(), gate_reason_no_grant);
}

TEST_CASE("a server that goes on sending after the end does not re-open what ended") {
  World world = each_family();
  world.converse();
  world.expire();
  world.age(udp_idle + second, udp_idle + second);
  expect(world.gate, world.rdp.ask(), gate_reason_no_grant, established_gone);
  for (int i = 0; i < 3; ++i) learn(world.gate, world.rdp.respond());
  expect(world.gate, world.rdp.ask(), gate_reason_no_grant);
}

TEST_CASE("after the idle time the machine's next packet does not raise a dead flow") {
  World world = each_family();
  world.converse();
  world.expire();
  world.age(udp_idle + second, udp_idle + second);
  world.gate.answer(world.rdp.respond().bytes());
  expect_tidying(world.gate, world.rdp.ask(), gate_reason_no_grant);
}

TEST_CASE("a drained flow is refreshed by the machine alone") {
  World world = each_family();
  world.converse();
  world.expire();
  world.age(0, udp_idle - tolerance);
  expect(world.gate, world.rdp.ask(), gate_reason_flow);
  world.age(0, tolerance + second);
  expect(world.gate, world.rdp.ask(), gate_reason_no_grant, established_gone);
}

TEST_CASE("a drained flow lives on while the machine answers") {
  World world = each_family();
  world.converse();
  world.expire();
  for (int i = 0; i < 5; ++i) {
    world.age(udp_idle - tolerance, udp_idle - tolerance);
    expect(world.gate, world.rdp.ask(), gate_reason_flow);
    learn(world.gate, world.rdp.respond());
  }
}

TEST_CASE("a TCP grant does not open UDP on the same port, and the reverse") {
  World world{false};
  Connection over_tcp = world.rdp;
  over_tcp.protocol = tcp;
  const std::uint32_t tcp_service = world.gate.guard({.port = 3389});
  expect(world.gate, over_tcp.in({.flags = syn}), gate_reason_no_grant);
  world.expire();
  world.gate.admit(tcp_service, {.slot = 2});
  expect(world.gate, over_tcp.in({.flags = syn}), gate_reason_grant, half_open_created);
  expect(world.gate, world.rdp.ask(), gate_reason_no_grant);
}

TEST_CASE("an empty datagram counts as one") {
  World world = each_family();
  expect(world.gate, world.rdp.ask(0), gate_reason_grant, half_open_created);
  world.gate.answer(world.rdp.respond(0).bytes());
  world.gate.judge(world.rdp.ask(0).bytes());
  CHECK(world.rdp.established(world.gate).has_value());
}
