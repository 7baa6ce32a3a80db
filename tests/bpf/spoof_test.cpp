// SPDX-License-Identifier: Apache-2.0
// What somebody who cannot see the answers must not reach by packets in another's name, nor by having a router send
// them out again; and what packets that are merely sent twice must not break. (I1, I3, I4)
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  Connection ssh;
  std::uint32_t service = 0;
  Grant grant;

  explicit World(bool v6) {
    if (v6) {
      ssh.client = grant.source = client6;
      ssh.machine = machine6;
    }
    service = gate.guard({.address = ssh.machine});
  }
  void admit() { gate.admit(service, grant); }
  void expire() { gate.expire(service, grant); }
};

World each_family() {
  return World{GENERATE(false, true)};
}

}  // namespace

TEST_CASE("a machine's SYN sent again after its answer came in does not end the connection") {
  World world = each_family();
  learn(world.gate, world.ssh.reply(syn), half_open_created);
  expect(world.gate, world.ssh.send(syn | ack), gate_reason_machine_opened, promoted);
  learn(world.gate, world.ssh.out({.seq = 5000, .flags = syn}));
  learn(world.gate, world.ssh.reply(ack));
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("SYN and SYN-ACK sent again after the handshake do not end the connection") {
  World world = each_family();
  world.admit();
  world.ssh.open(world.gate);
  expect(world.gate, world.ssh.in({.seq = 1000, .flags = syn}), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.out({.seq = 5000, .acknowledgment = 1001, .flags = syn | ack}));
  world.expire();
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("a machine's SYN-ACK ends the old flow, also if another SYN has come in since the one it answers") {
  World world = each_family();
  world.admit();
  world.ssh.open(world.gate);
  expect(world.gate, world.ssh.in({.seq = 70000, .flags = syn}), gate_reason_grant, half_open_created);
  expect(world.gate, world.ssh.in({.seq = 80000, .flags = syn}), gate_reason_grant);
  learn(world.gate, world.ssh.out({.seq = 90000, .acknowledgment = 70001, .flags = syn | ack}));
  world.expire();
  expect_tidying(world.gate, world.ssh.in({.seq = 70001, .acknowledgment = 90001, .flags = ack}), gate_reason_no_grant);
}

TEST_CASE("a spoofed SYN amid the handshake does not keep the connection from outliving its grant") {
  World world = each_family();
  world.admit();
  const std::uint32_t number = GENERATE(0x40000000U, 0x90000000U, 0xf0000000U);
  const bool before_the_answer = GENERATE(true, false);
  INFO("SYN " << number);
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  const Packet answer = world.ssh.reply(syn | ack);
  if (!before_the_answer) learn(world.gate, answer);
  expect(world.gate, world.ssh.in({.seq = number, .flags = syn}), gate_reason_grant);
  if (before_the_answer) learn(world.gate, answer);
  world.gate.judge(world.ssh.send(ack).bytes());
  world.gate.judge(world.ssh.send(psh | ack, 20).bytes());
  learn(world.gate, world.ssh.reply(psh | ack, 40));
  world.gate.judge(world.ssh.send(ack).bytes());
  CHECK(world.ssh.established(world.gate).has_value());
  world.expire();
  expect(world.gate, world.ssh.send(psh | ack, 20), gate_reason_flow);
}

TEST_CASE("a SYN that came in by the very interface it leaves by was not sent by a machine") {
  World world = each_family();
  const Changes changes = world.gate.answer(world.ssh.out({.seq = 5000, .flags = syn}).bytes(), 0, 1);
  CHECK(text_of(changes) == text_of(Changes{}));
  expect(world.gate, world.ssh.in({.acknowledgment = 5001, .flags = syn | ack}), gate_reason_no_grant);
}

TEST_CASE("a SYN-ACK that answers no SYN the gate let in ends no session") {
  World world = each_family();
  world.admit();
  world.ssh.open(world.gate);
  world.expire();
  learn(world.gate, world.ssh.out({.seq = 9, .acknowledgment = 10, .flags = syn | ack}));
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("packets of nobody's connection do not keep a handshake from becoming a session") {
  World world = each_family();
  world.admit();
  const std::uint32_t number = GENERATE(0x40000000U, 0x90000000U, 0xf0000000U);
  const bool before_the_answer = GENERATE(true, false);
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  const Packet answer = world.ssh.reply(syn | ack);
  if (!before_the_answer) learn(world.gate, answer);
  world.gate.judge(world.ssh.in({.seq = number, .acknowledgment = 7, .flags = psh | ack}, 30).bytes());
  if (before_the_answer) learn(world.gate, answer);
  world.gate.judge(world.ssh.send(ack).bytes());
  world.gate.judge(world.ssh.send(psh | ack, 20).bytes());
  learn(world.gate, world.ssh.reply(psh | ack, 40));
  world.gate.judge(world.ssh.send(ack).bytes());
  world.expire();
  expect(world.gate, world.ssh.send(psh | ack, 20), gate_reason_flow);
}

TEST_CASE("such a SYN does not end a session either") {
  World world = each_family();
  world.admit();
  world.ssh.open(world.gate);
  world.expire();
  world.gate.answer(world.ssh.out({.seq = 9, .flags = syn}).bytes(), 0, 1);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}
