// SPDX-License-Identifier: Apache-2.0
// Connections that a machine opens itself from a guarded port: only the answer to that very SYN gets in.
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  Connection out;

  explicit World(bool v6 = false) {
    if (v6) {
      out.client = client6;
      out.machine = machine6;
    }
    gate.guard({.address = out.machine});
  }
  void dial() { learn(gate, out.reply(syn), half_open_created); }
};

World each_family() {
  return World{GENERATE(false, true)};
}

}  // namespace

TEST_CASE("a connection that the machine opened is established by the SYN-ACK") {
  World world = each_family();
  world.dial();
  expect(world.gate, world.out.send(syn | ack), gate_reason_machine_opened, promoted);
  learn(world.gate, world.out.reply(ack));
  const gate_flow flow = world.out.established(world.gate).value();
  CHECK(flow.serial == 0);
  CHECK((flow.flags & GATE_FLOW_MACHINE_OPENED) != 0);
  expect(world.gate, world.out.send(psh | ack, 100), gate_reason_flow);
  learn(world.gate, world.out.reply(psh | ack, 100));
  expect(world.gate, world.out.send(ack), gate_reason_flow);
}

TEST_CASE("nothing but the answer to its SYN passes") {
  World world = each_family();
  expect(world.gate, world.out.in({.acknowledgment = 5001, .flags = syn | ack}), gate_reason_no_grant);
  world.dial();
  for (const std::uint32_t wrong : {0U, 4999U, 5000U, 5002U, 0x80001389U}) {
    INFO("acknowledges " << wrong);
    expect(world.gate, world.out.in({.acknowledgment = wrong, .flags = syn | ack}), gate_reason_no_grant);
    expect(world.gate, world.out.in({.acknowledgment = wrong, .flags = rst | ack}), gate_reason_no_grant);
  }
  for (const std::uint8_t flags : Octets{syn, rst, fin}) {
    INFO("flags " << int{flags});
    expect(world.gate, world.out.in({.flags = flags}), gate_reason_no_grant);
  }
  expect(world.gate, world.out.in({.acknowledgment = 5001, .flags = ack}), gate_reason_no_grant);
  expect(world.gate, world.out.in({.acknowledgment = 5001, .flags = psh | ack}, 10), gate_reason_no_grant);
  expect(world.gate, world.out.in({.acknowledgment = 5001, .flags = fin | ack}), gate_reason_no_grant);
  CHECK_FALSE(world.out.established(world.gate).has_value());
  expect(world.gate, world.out.send(syn | ack), gate_reason_machine_opened, promoted);
}

TEST_CASE("a refusal reaches the machine, and opens nothing") {
  World world = each_family();
  world.dial();
  const Judged judged =
      world.gate.judge(world.out.in({.seq = 0, .acknowledgment = world.out.machine_next, .flags = rst | ack}).bytes());
  CHECK(text_of(judged.reasons) == "machine_opened");
  CHECK_FALSE(world.out.established(world.gate).has_value());
  expect_tidying(world.gate, world.out.in({.acknowledgment = world.out.machine_next, .flags = ack}, 5),
                 gate_reason_no_grant);
}

TEST_CASE("another peer cannot answer in its place") {
  World world;
  world.dial();
  Connection stranger = world.out;
  stranger.client = "198.51.100.8";
  expect(world.gate, stranger.in({.acknowledgment = 5001, .flags = syn | ack}), gate_reason_no_grant);
  Connection other_port = world.out;
  ++other_port.client_port;
  expect(world.gate, other_port.in({.acknowledgment = 5001, .flags = syn | ack}), gate_reason_no_grant);
}

TEST_CASE("only a SYN without ACK from a guarded port is learned") {
  World world;
  for (const std::uint8_t flags : Octets{syn | ack, ack, fin, rst, psh, 0}) {
    INFO("flags " << int{flags});
    learn(world.gate, world.out.out({.seq = 5000, .flags = flags}));
  }
  Connection unguarded = world.out;
  unguarded.machine_port = 40022;
  learn(world.gate, unguarded.out({.seq = 5000, .flags = syn}));
  expect(world.gate, unguarded.in({.acknowledgment = 5001, .flags = syn | ack}), gate_reason_unguarded);
  Connection elsewhere = world.out;
  elsewhere.machine = "192.0.2.99";
  learn(world.gate, elsewhere.out({.seq = 5000, .flags = syn}));
}

TEST_CASE("a machine that connects on the tuple of an old connection has forgotten that one") {
  World world;
  world.gate.admit(1);
  world.out.open(world.gate);
  world.gate.expire(1);
  learn(world.gate, world.out.out({.seq = 90000, .flags = syn}), half_open_created);
  expect_tidying(world.gate, world.out.in({.seq = 1001, .acknowledgment = 5001, .flags = psh | ack}, 10),
                 gate_reason_no_grant);
  expect(world.gate, world.out.in({.seq = 7, .acknowledgment = 90001, .flags = syn | ack}), gate_reason_machine_opened,
         promoted);
}

TEST_CASE("both sides open at once: each SYN stands for itself") {
  World world;
  world.gate.admit(1);
  world.dial();
  expect(world.gate, world.out.send(syn), gate_reason_grant);
  world.gate.expire(1);
  expect_tidying(world.gate, world.out.in({.seq = 1000, .flags = syn}), gate_reason_no_grant);
}

TEST_CASE("an unanswered SYN of the machine is forgotten after the half-open time") {
  World world;
  world.dial();
  gate_flow older = world.out.half_open(world.gate).value();
  older.machine.last_seen_coarse_ns -= half_open_idle + second;
  older.opened_coarse_ns -= half_open_idle + second;
  world.out.put_half_open(world.gate, older);
  expect_tidying(world.gate, world.out.send(syn | ack), gate_reason_no_grant);
}
