// SPDX-License-Identifier: Apache-2.0
// How often a grant let somebody in and when last; what became of the packets to each service.
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  std::uint32_t service = gate.guard();
  Connection ssh;

  gate_usage usage(std::uint32_t slot = 1) const { return gate.maps.grant_usage.find(slot).value(); }
  std::uint64_t admitted() const { return gate.service_counter(service).admitted; }
};

}  // namespace

TEST_CASE("a grant's new connections are counted once each, with the time of the last") {
  World world;
  world.gate.admit(world.service);
  CHECK(world.usage().admitted == 0);
  CHECK(world.usage().last_admitted_boot_ns == 0);
  const std::uint64_t before = now_boot_ns();
  const Bytes opening = world.ssh.send(syn).bytes();
  expect(world.gate, opening, gate_reason_grant, half_open_created);
  expect(world.gate, opening, gate_reason_grant);  // the same SYN once more
  learn(world.gate, world.ssh.reply(syn | ack));
  expect(world.gate, world.ssh.send(ack), gate_reason_flow_half_open, promoted);
  expect(world.gate, world.ssh.send(psh | ack, 10), gate_reason_flow);
  CHECK(world.usage().admitted == 1);
  CHECK(world.usage().last_admitted_boot_ns >= before);
  CHECK(world.usage().last_admitted_boot_ns <= now_boot_ns());
  CHECK(world.admitted() == 1);
  ++world.ssh.client_port;
  world.ssh.open(world.gate);
  CHECK(world.usage().admitted == 2);
  CHECK(world.admitted() == 2);
}

TEST_CASE("a slot that belongs to another grant meanwhile is not counted up") {
  World world;
  world.gate.admit(world.service);
  gate_usage usage = world.usage();
  usage.serial += 1000;
  world.gate.maps.grant_usage.put(1, usage);
  world.ssh.open(world.gate);
  CHECK(world.usage().admitted == 0);
  CHECK(world.admitted() == 1);
}

TEST_CASE("each service has counts of its own") {
  World world;
  const std::uint32_t other = world.gate.guard({.port = 3389, .flags = 0, .address_flags = 0});
  expect(world.gate, Packet{Ethernet{}} / Ipv4{} / Tcp{}, gate_reason_no_grant);
  expect(world.gate, Packet{Ethernet{}} / Ipv4{} / Tcp{}, gate_reason_no_grant);
  world.gate.judge((Packet{Ethernet{}} / Ipv4{} / Tcp{.destination = 3389}).bytes());
  CHECK(world.gate.service_counter(world.service).dropped == 2);
  CHECK(world.gate.service_counter(world.service).would_be == 0);
  CHECK(world.gate.service_counter(other).dropped == 0);
  CHECK(world.gate.service_counter(other).would_be == 1);
  expect(world.gate, truncated((Packet{Ethernet{}} / Ipv4{} / Tcp{}).bytes(), 40), gate_reason_malformed);
  CHECK(world.gate.service_counter(0).dropped == 0);  // of no service
}
