// SPDX-License-Identifier: Apache-2.0
// How a TCP connection becomes established: the client acknowledges the machine's SYN-ACK, and nobody who cannot see
// that SYN-ACK gets so far. Until then the flow lives no longer than its grant. (checks 16, 18; I1, I4)
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
    gate.admit(service, grant);
  }
  void expire() { gate.expire(service, grant); }
};

World each_family() {
  return World{GENERATE(false, true)};
}

}  // namespace

TEST_CASE("a connection opened under a grant outlives it, and no other begins") {
  World world = each_family();
  world.ssh.open(world.gate);
  expect(world.gate, world.ssh.send(psh | ack, 21), gate_reason_flow);
  learn(world.gate, world.ssh.reply(psh | ack, 1000));
  world.expire();
  expect(world.gate, world.ssh.send(ack), gate_reason_flow);
  expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_flow);
  learn(world.gate, world.ssh.reply(ack));
  expect(world.gate, world.ssh.in({.seq = 9, .flags = syn}), gate_reason_no_grant);
  Connection second = world.ssh;
  ++second.client_port;
  expect(world.gate, second.in({.flags = syn}), gate_reason_no_grant);
  expect(world.gate, second.in({.acknowledgment = second.machine_next, .flags = ack}, 10), gate_reason_no_grant);
  expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_flow);
}

TEST_CASE("the entry tells who let it in and what has passed") {
  World world = each_family();
  world.ssh.open(world.gate);
  expect(world.gate, world.ssh.send(psh | ack, 100), gate_reason_flow);
  learn(world.gate, world.ssh.reply(psh | ack, 50));
  const gate_flow flow = world.ssh.established(world.gate).value();
  const gate_record record = world.gate.maps.grant_records.find(1).value();
  CHECK(flow.serial == record.serial);
  CHECK(flow.slot == 1);
  CHECK(flow.service == world.service);
  CHECK(flow.client.packets == 3);
  CHECK(flow.machine.packets == 2);
  CHECK(flow.client.seq_next == world.ssh.client_next);
  CHECK(flow.machine.seq_next == world.ssh.machine_next);
  const std::uint64_t header = is_v6(world.ssh.machine) ? 60 : 40;
  CHECK(flow.client.bytes == 3 * header + 100);
  CHECK(flow.machine.bytes == 2 * header + 50);
  CHECK(now_coarse_ns() - flow.client.last_seen_coarse_ns < 10 * second);
  CHECK(now_coarse_ns() - flow.machine.last_seen_coarse_ns < 10 * second);
  CHECK(world.gate.maps.grant_usage.find(1).value().established == 1);
}

TEST_CASE("a handshake whose SYN-ACK was never seen stays half-open and dies with the grant") {
  World world = each_family();
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  // The spoofer guesses: anything but the machine's number.
  for (const std::uint32_t guess : {0U, 1U, 4999U, 5000U, 5002U, 0x80001389U}) {
    INFO("acknowledges " << guess);
    expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = guess, .flags = ack}), gate_reason_flow_half_open);
    expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = guess, .flags = psh | ack}, 10),
           gate_reason_flow_half_open);
  }
  CHECK(world.ssh.half_open(world.gate).has_value());
  world.expire();
  expect_tidying(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = 1, .flags = ack}), gate_reason_no_grant);
  // Too late, also with the right number.
  expect_tidying(world.gate, world.ssh.send(ack), gate_reason_no_grant);
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
}

TEST_CASE("without an answer of the machine nothing is established, whatever the client says") {
  World world = each_family();
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  for (const std::uint32_t guess : {0U, 1U, 5001U}) {
    expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = guess, .flags = ack}, 10),
           gate_reason_flow_half_open);
  }
  expect(world.gate, world.ssh.in({.seq = 1000, .flags = syn}), gate_reason_grant);
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
  world.expire();
  expect_tidying(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = 5001, .flags = ack}), gate_reason_no_grant);
}

TEST_CASE("a SYN-ACK that acknowledges something else opens nothing") {
  World world = each_family();
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.out({.seq = 5000, .acknowledgment = world.ssh.client_next + 7, .flags = syn | ack}));
  expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = 5001, .flags = ack}), gate_reason_flow_half_open);
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
  // The right one does.
  learn(world.gate, world.ssh.reply(syn | ack));
  expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open, promoted);
}

TEST_CASE("a challenge ACK or a reset of the machine is no SYN-ACK") {
  World world = each_family();
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.out({.seq = 5000, .acknowledgment = world.ssh.client_next, .flags = ack}));
  expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = 5000, .flags = ack}), gate_reason_flow_half_open);
  expect(world.gate, world.ssh.in({.seq = 1001, .acknowledgment = 5001, .flags = ack}), gate_reason_flow_half_open);
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
}

TEST_CASE("the last ACK of the handshake may be lost: the first data does as well") {
  World world = each_family();
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  expect(world.gate, world.ssh.send(psh | ack, 30), gate_reason_flow_half_open, promoted);
}

TEST_CASE("SYN and SYN-ACK sent again change nothing") {
  World world = each_family();
  const Packet first = world.ssh.send(syn);
  const Packet answer = world.ssh.reply(syn | ack);
  expect(world.gate, first, gate_reason_grant, half_open_created);
  expect(world.gate, first, gate_reason_grant);
  learn(world.gate, answer);
  learn(world.gate, answer);
  expect(world.gate, first, gate_reason_grant);
  learn(world.gate, answer);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open, promoted);
}

TEST_CASE("sequence numbers wrap around zero") {
  World world = each_family();
  world.ssh.client_next = 0xffffffff;
  world.ssh.machine_next = 0xfffffffe;
  world.ssh.open(world.gate);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
  learn(world.gate, world.ssh.reply(psh | ack, 10));
  const gate_flow flow = world.ssh.established(world.gate).value();
  CHECK(flow.client.seq_next == world.ssh.client_next);
  CHECK(flow.machine.seq_next == world.ssh.machine_next);
}

TEST_CASE("a new SYN on an open connection needs a live grant, and the open one does not notice it") {
  World world = each_family();
  world.ssh.open(world.gate);
  const gate_flow before = world.ssh.established(world.gate).value();
  expect(world.gate, world.ssh.in({.seq = 77000, .flags = syn}), gate_reason_grant, half_open_created);
  const gate_flow after = world.ssh.established(world.gate).value();
  CHECK(after.client.seq_next == before.client.seq_next);
  CHECK(after.client.flags == before.client.flags);
  CHECK(after.serial == before.serial);
  world.expire();
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("a tuple opened anew under a live grant belongs to that grant") {
  World world = each_family();
  world.ssh.open(world.gate);
  const std::uint64_t old_serial = world.ssh.established(world.gate)->serial;
  const std::uint64_t serial = world.gate.admit(world.service, world.grant);
  world.ssh.client_next = 770000;
  world.ssh.machine_next = 990000;
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  CHECK(world.ssh.established(world.gate)->serial == old_serial);
  expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open, half_open_gone);
  const gate_flow flow = world.ssh.established(world.gate).value();
  CHECK(flow.serial == serial);
  CHECK(flow.client.seq_first == 770001);
  CHECK(flow.machine.seq_first == 990001);
  world.expire();
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
}
