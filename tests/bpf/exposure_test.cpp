// SPDX-License-Identifier: Apache-2.0
// SYN-ACKs from watched ports that no policy guards are noted, and nothing else is.
#include <arpa/inet.h>

#include <cstring>

#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  Connection ssh;

  explicit World(bool v6 = false) {
    if (v6) {
      ssh.client = client6;
      ssh.machine = machine6;
    }
    for (const std::uint32_t port : {22U, 3389U}) gate.maps.watched_ports.put(port / 64, std::uint64_t{1} << (port % 64));
  }
  std::size_t noted() const { return gate.maps.answers.size() + gate.maps.answer_peers.size(); }
  void answer() { learn(gate, ssh.out({.seq = 5000, .acknowledgment = 1001, .flags = syn | ack})); }
};

World each_family() {
  return World{GENERATE(false, true)};
}

}  // namespace

TEST_CASE("a SYN-ACK from a watched port that nobody guards is noted with whom it answers, again and again") {
  World world = each_family();
  const std::uint64_t before = now_boot_ns();
  world.answer();
  const auto keys = world.gate.maps.answers.keys();
  REQUIRE(keys.size() == 1);
  const bool v6 = is_v6(world.ssh.machine);
  std::uint8_t address[16] = {}, peer[16] = {};
  inet_pton(v6 ? AF_INET6 : AF_INET, world.ssh.machine.c_str(), address);
  inet_pton(v6 ? AF_INET6 : AF_INET, world.ssh.client.c_str(), peer);
  CHECK(std::memcmp(keys[0].address, address, 16) == 0);
  CHECK(keys[0].port_be == htons(22));
  CHECK(keys[0].family == (v6 ? GATE_IPV6 : GATE_IPV4));
  const auto peers = world.gate.maps.answer_peers.keys();
  REQUIRE(peers.size() == 1);
  CHECK(std::memcmp(peers[0].address, address, 16) == 0);
  CHECK(std::memcmp(peers[0].peer, peer, 16) == 0);
  const gate_answer first = world.gate.maps.answers.find(keys[0]).value();
  CHECK(first.first_boot_ns >= before);
  CHECK(first.count == 1);
  world.answer();
  world.ssh.client = v6 ? "2001:db8:1::77" : "198.51.100.77";
  world.answer();
  const gate_answer third = world.gate.maps.answers.find(keys[0]).value();
  CHECK(third.count == 3);
  CHECK(third.first_boot_ns == first.first_boot_ns);
  CHECK(third.last_boot_ns > first.last_boot_ns);
  CHECK(world.gate.maps.answer_peers.find(peers[0])->count == 2);
  CHECK(world.gate.maps.answer_peers.size() == 2);
}

TEST_CASE("nothing but a SYN-ACK from a watched port is noted") {
  World world = each_family();
  for (const std::uint8_t flags : {syn, ack, static_cast<std::uint8_t>(syn | ack | rst), static_cast<std::uint8_t>(psh | ack), rst})
    learn(world.gate, world.ssh.out({.seq = 5000, .acknowledgment = 1001, .flags = flags}));
  world.ssh.machine_port = 23;
  world.answer();
  world.ssh.machine_port = 22;
  world.gate.answer(world.ssh.out({.seq = 5000, .acknowledgment = 1001, .flags = syn | ack}).bytes(), 0, 1);  // came in there
  CHECK(world.noted() == 0);
  world.answer();
  CHECK(world.noted() == 2);
}

TEST_CASE("of a guarded port only machines without a service are noted, and learning goes on as before") {
  World world = each_family();
  const auto id = world.gate.guard({.address = world.ssh.machine});
  world.gate.admit(id, {.source = world.ssh.client});
  world.ssh.open(world.gate);
  CHECK(world.noted() == 0);
  world.ssh.machine = is_v6(world.ssh.machine) ? "2001:db8:2::99" : "192.0.2.99";
  world.answer();
  CHECK(world.noted() == 2);
}

TEST_CASE("a guarded block of addresses is no exposure") {
  World world = each_family();
  const bool v6 = is_v6(world.ssh.machine);
  world.gate.guard({.address = world.ssh.machine, .prefix = v6 ? 64 : 24});
  world.answer();
  CHECK(world.noted() == 0);
}

TEST_CASE("forged answers fill the table of answers only up to its size") {
  World world;
  for (int i = 0; i < 3000; ++i) {
    world.ssh.machine = "10.9." + std::to_string(i / 250) + "." + std::to_string(i % 250);
    world.gate.answer(world.ssh.out({.seq = 5000, .acknowledgment = 1001, .flags = syn | ack}).bytes());
  }
  CHECK(world.gate.maps.answers.size() <= 1024);
  world.ssh.machine = machine4;
  world.answer();
  CHECK(world.gate.maps.answers.size() <= 1024);
  bool there = false;
  for (const auto& key : world.gate.maps.answers.keys()) there |= key.address[0] != 10;
  CHECK(there);
}
