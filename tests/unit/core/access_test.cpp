// SPDX-License-Identifier: Apache-2.0
// The journey of a request: order of checks, one record for each decision, what opens and what does not.
#include "controlplane/core/access.hpp"

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

TEST_CASE("a request inside the policy opens exactly what was asked for") {
  GateWorld world;
  world.furnish();
  CHECK(world.guards("10.0.0.1", 22));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  const auto before = world.store.records().size();

  const auto grant = world.granted(alice(), ask("vm1"));

  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK_FALSE(world.admits("203.0.113.8", "10.0.0.1", 22));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.2", 22));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 3389));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22, Protocol::udp));
  CHECK(grant.end == world.clock.now().utc + 1h);
  const auto records = world.records_since(before);
  REQUIRE(records.size() == 1);
  CHECK(records[0].operation == "access.initiate");
  CHECK(records[0].outcome == Outcome::allowed);
  CHECK(records[0].principal == "alice@example.com");
  CHECK(records[0].source == "203.0.113.7");
  CHECK(records[0].grants == std::vector<std::uint64_t>{grant.serial});
  CHECK(records[0].machines == std::vector<std::string>{machine_id("vm1")});
  world.require_in_step();

  world.clock.advance(1h - 1ns);
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.clock.advance(1ns);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));  // without anybody having swept
}
