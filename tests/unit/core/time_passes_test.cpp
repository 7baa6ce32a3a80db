// SPDX-License-Identifier: Apache-2.0
// The sweeper, clocks that step, reboots: a grant ends by the earlier of both clocks, and its end is recorded once.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

TEST_CASE("the sweeper records what is over and tidies up") {
  GateWorld world;
  world.furnish();
  CHECK_FALSE(world.gate->next_deadline());
  const auto drains = world.granted(alice(), ask("vm1", {"22", "PT5M"}));
  const auto cuts = world.granted(bob(), ask("vm1", {"3389", "PT10M"}));
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 5min);

  world.clock.advance(5min - 1ns);
  world.gate->sweep();
  CHECK(world.grant(drains.serial).state == GrantState::live);
  world.clock.advance(1ns);
  const auto before = world.store.records().size();
  world.gate->sweep();
  CHECK(world.grant(drains.serial).end_reason == EndReason::expired);
  CHECK(world.record_of(drains.serial) == RecordState::draining);
  const auto records = world.records_since(before);
  REQUIRE(records.size() == 1);
  CHECK(records[0].operation == "grant.expire");
  CHECK(records[0].principal == "postern");
  CHECK(records[0].grants == std::vector<std::uint64_t>{drains.serial});
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 5min);

  world.clock.advance(1h);
  world.gate->sweep();
  CHECK(world.record_of(cuts.serial) == RecordState::cut);
  CHECK_FALSE(world.gate->next_deadline());
  world.gate->sweep();
  CHECK(world.store.records().size() == before + 2);
  world.require_in_step();
}

TEST_CASE("what ended while the daemon was down is recorded when it starts") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1"));
  world.clock.advance(2h);
  world.restart();
  CHECK(world.grant(grant.serial).end_reason == EndReason::expired);
  CHECK(world.dataplane.maps.entries.empty());
  world.require_in_step();
}

TEST_CASE("a clock that steps forward ends grants at their UTC end") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1", {"22", "PT30M"}));
  world.granted(bob(), ask("vm1", {"22", "PT3H"}));
  world.clock.step_wall(1h);
  world.gate->clock_changed();
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.admits("203.0.113.8", "10.0.0.1", 22));
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 2h);
  world.require_in_step();

  world.clock.step_wall(-1h);  // it was a mistake: what is left counts in full again, what ended stays ended
  world.gate->clock_changed();
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 3h);
  world.require_in_step();
}

TEST_CASE("a clock that steps back gives nobody more than the granted length") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1", {"22", "PT1H"}));
  world.clock.step_wall(-1h);
  world.gate->clock_changed();
  world.clock.advance(1h - 1ns);
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.clock.advance(1ns);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.gate->sweep();
  world.require_in_step();
}

TEST_CASE("a clock that drifts by a hair rewrites nothing") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  const auto steps = world.dataplane.steps;
  world.clock.step_wall(3ms);
  world.gate->clock_changed();
  CHECK(world.dataplane.steps == steps);
}

TEST_CASE("after a reboot grants come back with what is left of them by the wall clock") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1", {"22", "PT1H"}));
  world.clock.advance(10min);
  world.reboot("boot-2");
  world.clock.step_wall(5min);  // it took that long
  world.restart();
  CHECK(world.gate->ready());
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 45min);
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.require_in_step();
}

TEST_CASE("a clock that was set back is not believed from the next request on, noticed or not") {
  GateWorld world;
  world.furnish();
  world.restart();
  world.clock.step_wall(-24h);
  const auto refused = world.gate->initiate(alice(), policy_id(), ask("vm1"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::service_unavailable);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.clock.step_wall(24h);
  CHECK(world.gate->initiate(alice(), policy_id(), ask("vm1")));
}

TEST_CASE("after a reboot a clock older than the newest record is not believed") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1", {"22", "PT1H"}));
  world.reboot("boot-2");
  world.clock.step_wall(-24h);
  world.restart();

  CHECK_FALSE(world.gate->ready());
  CHECK(world.guards("10.0.0.1", 22));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  const auto refused = world.gate->initiate(bob(), policy_id(), ask("vm1"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::service_unavailable);
  CHECK(refused.error().message.find("clock") != std::string::npos);
  CHECK(world.gate->revoke(admin(), 1));  // closing is always possible
  world.require_in_step();

  SECTION("until it is set") {
    world.clock.step_wall(24h);
    world.gate->clock_changed();
  }
  SECTION("or has caught up") {
    REQUIRE(world.gate->next_deadline());
    CHECK(*world.gate->next_deadline() == world.clock.now().boot + 24h - 60s);
    world.clock.advance(24h - 60s);
    world.gate->sweep();
  }
  CHECK(world.gate->ready());
  world.granted(bob(), ask("vm1"));
  world.require_in_step();
}

TEST_CASE("a minute's difference after a reboot is no reason for doubt") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  world.reboot("boot-2");
  world.clock.step_wall(-60s);
  world.restart();
  CHECK(world.gate->ready());
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("a failed sweep waits a second and is made up for") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1", {"22", "PT5M"}));
  world.clock.advance(5min);
  world.fuse.arm(1, Fuse::Blow::once);
  world.gate->sweep();
  CHECK(world.grant(grant.serial).state == GrantState::live);
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 1s);
  world.clock.advance(1s);
  world.gate->sweep();
  CHECK(world.grant(grant.serial).end_reason == EndReason::expired);
  world.require_in_step();
}

TEST_CASE("a week after their end grants are forgotten; a policy shows its newest requests") {
  GateWorld world;
  world.furnish();
  for (int i = 0; i < 205; ++i) world.granted(alice(), ask("vm1", {"22", "PT5M"}));
  const auto shown = world.gate->get_policy(admin(), policy_id());
  REQUIRE(shown->requests.size() == 200);
  CHECK(shown->requests.back().grants[0].state == GrantState::live);
  CHECK(world.gate->list_grants(admin(), {})->size() == 1);
  CHECK(world.gate->list_grants(admin(), {"", "", true})->size() == 205);
  world.clock.advance(8 * 24h);
  world.gate->sweep();
  world.gate->sweep();
  CHECK(world.gate->get_policy(admin(), policy_id())->requests.size() == 1);  // it ended just now, by the sweeper
  world.require_in_step();
}
