// SPDX-License-Identifier: Apache-2.0
// A connection found in mid-life under a live grant (its half-open entry was evicted, or it came another way before) is
// picked up again, and is established once each side has acknowledged bytes of the other: proof that both are there.
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  Connection ssh;
  std::uint32_t service = gate.guard();

  World() {
    gate.admit(service);
    ssh.client_next = 31000;
    ssh.machine_next = 52000;
  }
  bool established() const { return ssh.established(gate).has_value(); }
};

}  // namespace

TEST_CASE("a session whose half-open entry was evicted is picked up and outlives its grant") {
  World world;
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  world.ssh.forget_half_open(world.gate);
  learn(world.gate, world.ssh.reply(syn | ack));
  const Judged taken = expect(world.gate, world.ssh.send(ack), gate_reason_grant, half_open_created);
  CHECK(taken.tallies == std::vector{gate_tally_half_open_created, gate_tally_picked_up});
  CHECK((world.ssh.half_open(world.gate)->flags & GATE_FLOW_PICKED_UP) != 0);
  expect(world.gate, world.ssh.send(psh | ack, 20), gate_reason_flow_half_open);
  learn(world.gate, world.ssh.reply(psh | ack, 40));  // the machine acknowledges the 20 bytes
  CHECK_FALSE(world.established());
  expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open, promoted);
  world.gate.expire(world.service);
  expect(world.gate, world.ssh.send(psh | ack, 20), gate_reason_flow);
  expect(world.gate, world.ssh.in({.flags = syn}), gate_reason_no_grant);
}

TEST_CASE("the first packet seen may be the client's data, the first answer the machine's") {
  World world;
  expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(psh | ack, 1400));
  expect(world.gate, world.ssh.send(psh | ack, 1), gate_reason_flow_half_open, promoted);
}

TEST_CASE("a packet in mid-connection without a live grant is nobody's") {
  World world;
  world.gate.expire(world.service);
  expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_no_grant);
  learn(world.gate, world.ssh.reply(psh | ack, 1400));
  expect(world.gate, world.ssh.send(ack), gate_reason_no_grant);
}

TEST_CASE("picked up, but not yet acknowledged by both: it ends with the grant") {
  World world;
  SECTION("only the machine acknowledged bytes") {
    expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_grant, half_open_created);
    learn(world.gate, world.ssh.reply(ack));
    expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open);
  }
  SECTION("only the client acknowledged bytes") {
    expect(world.gate, world.ssh.send(ack), gate_reason_grant, half_open_created);
    learn(world.gate, world.ssh.reply(psh | ack, 100));
    expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open);
  }
  SECTION("nobody sent a byte") {
    expect(world.gate, world.ssh.send(ack), gate_reason_grant, half_open_created);
    learn(world.gate, world.ssh.reply(ack));
    expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open);
  }
  CHECK_FALSE(world.established());
  world.gate.expire(world.service);
  expect_tidying(world.gate, world.ssh.send(psh | ack, 10), gate_reason_no_grant);
}

TEST_CASE("a spoofer who is answered by resets never becomes a session") {
  World world;
  SECTION("data with ACK: the machine answers RST at the acknowledged number") {
    expect(world.gate, world.ssh.in({.seq = 1, .acknowledgment = 900, .flags = psh | ack}, 10), gate_reason_grant,
           half_open_created);
    learn(world.gate, world.ssh.out({.seq = 900, .flags = rst}));
    world.gate.judge(world.ssh.in({.seq = 11, .acknowledgment = 900, .flags = psh | ack}, 10).bytes());
    learn(world.gate, world.ssh.out({.seq = 900, .flags = rst}));
  }
  SECTION("data without ACK: the machine answers RST-ACK, which acknowledges the bytes") {
    expect(world.gate, world.ssh.in({.seq = 1, .flags = psh}, 10), gate_reason_grant, half_open_created);
    learn(world.gate, world.ssh.out({.seq = 0, .acknowledgment = 11, .flags = rst | ack}));
  }
  for (const std::uint32_t guess : {0U, 1U, 899U, 900U, 901U}) {
    world.gate.judge(world.ssh.in({.seq = 21, .acknowledgment = guess, .flags = psh | ack}, 10).bytes());
    CHECK_FALSE(world.established());
  }
  world.gate.expire(world.service);
  expect_tidying(world.gate, world.ssh.in({.seq = 31, .acknowledgment = 900, .flags = ack}, 10), gate_reason_no_grant);
}

TEST_CASE("a FIN or a reset out of nowhere begins nothing that lasts") {
  World world;
  const std::uint8_t flags = GENERATE(as<std::uint8_t>{}, rst, rst | ack, fin | ack, fin | psh | urg);
  const Judged judged = world.gate.judge(world.ssh.in({.acknowledgment = 7, .flags = flags}).bytes());
  CHECK(text_of(judged.reasons) == "grant");
  CHECK(judged.changes.established == 0);
  world.gate.expire(world.service);
  expect_tidying(world.gate, world.ssh.in({.acknowledgment = 7, .flags = flags}), gate_reason_no_grant);
}
