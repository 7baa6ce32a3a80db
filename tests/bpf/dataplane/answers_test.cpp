// SPDX-License-Identifier: Apache-2.0
// What egress noted of unguarded services, as the core gets it; and which ports it is told to watch.
#include <arpa/inet.h>

#include "controlplane/dataplane/map_dataplane.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"

using namespace postern;
using test::PinnedGate;

TEST_CASE("the watched ports are those of the options, and what answered comes with whom it answered") {
  PinnedGate gate;
  const auto maps = gate.open();
  gate_config config{};
  config.abi = GATE_ABI;
  REQUIRE(maps.config.update(0, config));
  REQUIRE(maps.watched_ports.update(1, ~0ULL));  // of an earlier daemon
  dataplane::MapDataplane plane({.run_dir = gate.run_dir(), .watched_ports = {22, 5985}});
  CHECK_FALSE(plane.answers());
  REQUIRE(plane.read());
  CHECK(maps.watched_ports.lookup(0)->value() == 1ULL << 22);
  CHECK(maps.watched_ports.lookup(1)->value() == 0);
  CHECK(maps.watched_ports.lookup(5985 / 64)->value() == 1ULL << (5985 % 64));
  CHECK(plane.answers()->empty());

  gate_answer_key v4{}, v6{};
  inet_pton(AF_INET, "192.0.2.10", v4.address);
  v4.port_be = htons(22);
  v4.family = GATE_IPV4;
  inet_pton(AF_INET6, "2001:db8::10", v6.address);
  v6.port_be = htons(5985);
  v6.family = GATE_IPV6;
  REQUIRE(maps.answers.update(v4, {100, 300, 7}));
  REQUIRE(maps.answers.update(v6, {200, 200, 1}));
  gate_answer_peer_key peer{};
  inet_pton(AF_INET, "192.0.2.10", peer.address);
  inet_pton(AF_INET, "198.51.100.7", peer.peer);
  peer.port_be = htons(22);
  peer.family = GATE_IPV4;
  REQUIRE(maps.answer_peers.update(peer, {100, 250, 3}));
  inet_pton(AF_INET, "192.0.2.99", peer.address);  // its answer is forgotten
  REQUIRE(maps.answer_peers.update(peer, {100, 250, 3}));
  const auto answers = plane.answers();
  REQUIRE(answers);
  REQUIRE(answers->size() == 2);
  CHECK(core::to_string(answers->at(0).address) == "192.0.2.10");
  CHECK(answers->at(0).port == 22);
  CHECK(answers->at(0).count == 7);
  CHECK(answers->at(0).last.time_since_epoch().count() == 300);
  REQUIRE(answers->at(0).peers.size() == 1);
  CHECK(core::to_string(answers->at(0).peers[0].address) == "198.51.100.7");
  CHECK(answers->at(0).peers[0].count == 3);
  CHECK(core::to_string(answers->at(1).address) == "2001:db8::10");
  CHECK(answers->at(1).port == 5985);
  CHECK(answers->at(1).peers.empty());
}
