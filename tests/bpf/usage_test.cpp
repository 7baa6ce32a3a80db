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

// Between a recount that sets the count to 0 and the flows that go meanwhile it may be below for a moment.
TEST_CASE("a count of flows that is below nothing for a moment holds nobody back, and gets no lower") {
  World world;
  world.gate.configure([](gate_config& config) { config.established_per_grant_max = 1; });
  world.gate.admit(world.service);
  const auto set_count = [&](std::uint64_t flows) {
    gate_usage usage = world.usage();
    usage.established = flows;
    world.gate.maps.grant_usage.put(1, usage);
  };
  const auto reopened = [&] {  // so that the next packet deletes it
    gate_flow old = world.ssh.established(world.gate).value();
    old.machine.flags |= GATE_SIDE_REOPENED;
    world.ssh.put_established(world.gate, old);
    world.gate.judge(world.ssh.in({.flags = ack}).bytes());
    CHECK_FALSE(world.ssh.established(world.gate).has_value());
  };
  const std::uint64_t below = ~0ULL;
  set_count(below);
  world.ssh.open(world.gate);
  CHECK(world.usage().established == 0);
  reopened();
  CHECK(world.usage().established == 0);
  ++world.ssh.client_port;
  world.ssh.open(world.gate);
  set_count(below);
  reopened();
  CHECK(world.usage().established == below);
}

TEST_CASE("nor does a count of learned flows") {
  Gate& gate = Gate::fresh();
  gate.guard({.flags = GATE_SERVICE_LEARN, .address_flags = 0});
  gate.configure([](gate_config& config) { config.learned_max = 1; });
  gate.maps.learned_usage.put(0, {0, ~0ULL, 0, 0});
  Connection ssh;
  const auto open = [&] {
    gate.judge(ssh.send(syn).bytes());
    learn(gate, ssh.reply(syn | ack));
    gate.judge(ssh.send(ack).bytes());
    return ssh.established(gate).has_value();
  };
  CHECK(open());
  CHECK(gate.maps.learned_usage.find(0)->established == 0);
  gate_flow old = ssh.established(gate).value();
  old.machine.flags |= GATE_SIDE_REOPENED;
  ssh.put_established(gate, old);
  gate.judge(ssh.in({.flags = ack}).bytes());
  CHECK(gate.maps.learned_usage.find(0)->established == 0);
  for (const bool room : {true, false}) {
    ++ssh.client_port;
    CHECK(open() == room);
    CHECK(gate.maps.learned_usage.find(0)->established == 1);
  }
}
