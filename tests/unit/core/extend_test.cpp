// SPDX-License-Identifier: Apache-2.0
// A running grant gets more time: by whom, how much, and that nothing else changes.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

ExtensionDraft lasting(const std::string& duration) {
  ExtensionDraft draft;
  draft.duration = duration;
  return draft;
}

ExtensionDraft until(UtcTime end) {
  ExtensionDraft draft;
  draft.end_time = format_time(end);
  return draft;
}

ErrorCode refusal(GateWorld& world, const Caller& who, const ExtensionDraft& draft, std::uint64_t serial = 1) {
  const auto maps = world.dataplane.maps;
  const auto records = world.store.records().size();
  const auto extended = world.gate->extend(who, serial, draft);
  REQUIRE_FALSE(extended);
  CHECK(world.dataplane.maps == maps);
  const auto added = world.records_since(records);
  REQUIRE(added.size() == 1);
  CHECK(added[0].operation == "grant.extend");
  CHECK(added[0].outcome == Outcome::refused);
  return extended.error().code;
}

struct ExtendWorld : GateWorld {
  ExtendWorld() {
    furnish();
    first = granted(alice(), ask("vm1"));  // one hour of three
  }
  Grant first;
};

}  // namespace

TEST_CASE("an extension moves the end in place, with one record") {
  ExtendWorld world;
  const auto maps = world.dataplane.maps;
  const auto steps = world.dataplane.steps;
  world.clock.advance(30min);
  const auto records = world.store.records().size();
  const auto extended = world.gate->extend(alice(), 1, lasting("PT2H"));
  REQUIRE(extended);
  CHECK(extended->grant.serial == 1);
  CHECK(extended->grant.start == world.first.start);
  CHECK(extended->grant.end == world.first.start + 2h + 30min);
  CHECK(extended->grant.extended == world.clock.now().utc);
  REQUIRE(world.dataplane.maps.entries.size() == maps.entries.size());
  for (const auto& [key, entry] : world.dataplane.maps.entries) {
    CHECK(maps.entries.at(key).slot == entry.slot);
    CHECK(maps.entries.at(key).serial == entry.serial);
  }
  CHECK(world.dataplane.steps == steps + 2);  // its record and its entry, each once
  const auto added = world.records_since(records);
  REQUIRE(added.size() == 1);
  CHECK(added[0].operation == "grant.extend");
  CHECK(added[0].principal == "alice@example.com");
  CHECK(added[0].grants == std::vector<std::uint64_t>{1});
  world.require_in_step();
  world.clock.advance(2h - 1ns);
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.clock.advance(1ns);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("who asked may extend while he may ask, an operator any grant, nobody else") {
  ExtendWorld world;
  CHECK(refusal(world, bob(), lasting("PT2H")) == ErrorCode::authorization_failed);
  for (const char* role : {"reader", "auditor", "approver"}) {
    CHECK(refusal(world, person("eve", role), lasting("PT2H")) == ErrorCode::authorization_failed);
    CHECK(refusal(world, person("alice@example.com", role), lasting("PT2H")) == ErrorCode::authorization_failed);
  }
  // Who may not see it learns nothing of it.
  const auto elsewhere = person("eve", "operator", "203.0.113.9", "/subscriptions/" + subscription + "/resourceGroups/other");
  CHECK(refusal(world, elsewhere, lasting("PT2H")) == ErrorCode::grant_not_found);
  CHECK(refusal(world, elsewhere, lasting("PT2H"), 99) == ErrorCode::grant_not_found);
  CHECK(world.gate->extend(alice(), 1, lasting("PT90M")));
  CHECK(world.gate->extend(person("olga", "operator"), 1, lasting("PT2H")));
  CHECK(world.store.grants().at(1).end == world.clock.now().utc + 2h);
}

TEST_CASE("an extension lies inside the rule as it is now, and never shortens") {
  ExtendWorld world;
  const auto now = world.clock.now().utc;
  CHECK(refusal(world, alice(), lasting("PT3H2M")) == ErrorCode::not_subset_of_policy);
  CHECK(refusal(world, alice(), until(now + 3h + 61s)) == ErrorCode::not_subset_of_policy);
  CHECK(refusal(world, alice(), lasting("PT59M")) == ErrorCode::invalid_input);
  CHECK(refusal(world, alice(), until(now)) == ErrorCode::invalid_input);
  CHECK(refusal(world, alice(), lasting("PT0S")) == ErrorCode::invalid_input);
  CHECK(refusal(world, alice(), lasting("soon")) == ErrorCode::invalid_input);
  CHECK(refusal(world, alice(), {}) == ErrorCode::invalid_input);
  auto both = until(now + 2h);
  both.duration = "PT2H";
  CHECK(refusal(world, alice(), both) == ErrorCode::invalid_input);
  CHECK(refusal(world, alice(), lasting("PT2H"), 0) == ErrorCode::grant_not_found);
  CHECK(world.gate->extend(alice(), 1, until(now + 1h)));        // no longer than it is: nothing moves
  CHECK(world.gate->extend(alice(), 1, until(now + 3h + 60s)));  // a client's clock may be ahead
  CHECK(world.grant(1).end == now + 3h);

  // The rule allows less now: what was granted stays, more is judged by the new one.
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {{"22", "TCP", {"*"}, "PT4H"}}}})));
  world.clock.advance(2h);
  CHECK(refusal(world, alice(), lasting("PT4H2M")) == ErrorCode::not_subset_of_policy);
  CHECK(world.gate->extend(alice(), 1, lasting("PT4H")));
  world.require_in_step();
}

TEST_CASE("an extended grant is not over-long for its rule, however often the policy is put") {
  ExtendWorld world;
  for (int i = 0; i < 3; ++i) {
    world.clock.advance(55min);
    REQUIRE(world.gate->extend(alice(), 1, lasting("PT3H")));
    REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {{}}}})));
    CHECK(world.grant(1).state == GrantState::live);
    world.require_in_step();
  }
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {{"22", "TCP", {"*"}, "PT2H"}}}})));
  CHECK(world.grant(1).state == GrantState::ended);
  world.require_in_step();
}

TEST_CASE("what was asked for without a word why is not extended once the rule wants one") {
  ExtendWorld world;
  auto said = ask("vm2");
  said.justification = "disk full";
  const auto second = world.granted(alice(), said);
  Rule rule;
  rule.justification = "required";
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {rule}}, {"vm2", {rule}}})));
  for (const auto& who : {alice(), admin()}) CHECK(refusal(world, who, lasting("PT2H")) == ErrorCode::not_subset_of_policy);
  CHECK(world.grant(1).state == GrantState::live);
  CHECK(world.gate->extend(alice(), second.serial, lasting("PT2H")));
  world.require_in_step();
}

TEST_CASE("what is over is not brought back, swept or not") {
  ExtendWorld world;
  world.clock.advance(1h);
  CHECK(refusal(world, alice(), lasting("PT1H")) == ErrorCode::conflict);  // the kernel has stopped admitting
  world.gate->sweep();
  CHECK(refusal(world, alice(), lasting("PT1H")) == ErrorCode::conflict);
  const auto second = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(alice(), second.serial));
  CHECK(refusal(world, alice(), lasting("PT1H"), second.serial) == ErrorCode::conflict);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("a standing rule and a policy made anew extend nothing") {
  ExtendWorld world;
  REQUIRE(world.gate->erase_policy(admin(), policy_id()));
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {{}}}})));
  CHECK(refusal(world, alice(), lasting("PT1H")) == ErrorCode::conflict);
}

TEST_CASE("an extension lasts by the clock that ends first, and over restart and reboot") {
  ExtendWorld world;
  world.clock.step_wall(2h);  // someone sets the clock ahead: by it, alice's hour is over
  world.gate->clock_changed();
  CHECK(refusal(world, alice(), lasting("PT1H")) == ErrorCode::conflict);
  const auto second = world.granted(alice(), ask("vm2"));
  world.clock.step_wall(1h - 1s);
  REQUIRE(world.gate->extend(alice(), second.serial, lasting("PT1H")));
  world.clock.step_wall(-3h);  // and back: it does not last longer for that
  world.gate->clock_changed();
  world.require_in_step();
  world.clock.advance(1h - 1s);
  CHECK(world.admits("203.0.113.7", "10.0.0.2", 22));
  world.clock.advance(1s);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.2", 22));

  ExtendWorld other;
  REQUIRE(other.gate->extend(alice(), 1, lasting("PT3H")));
  other.restart();
  other.require_in_step();
  other.reboot("boot-2");
  other.restart();
  other.require_in_step();
  REQUIRE(other.gate->extend(alice(), 1, lasting("PT3H")));
  other.require_in_step();
  other.clock.advance(3h - 1ns);
  CHECK(other.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("an extension that fails at whichever step is taken back, and says so") {
  std::size_t failures = 0;
  for (const bool store_too : {false, true}) {
    for (int at = 1;; ++at) {
      ExtendWorld world;
      const auto records = world.store.records().size();
      world.fuse.arm(at, store_too ? Fuse::Blow::from_then_on : Fuse::Blow::once);
      const auto extended = world.gate->extend(alice(), 1, lasting("PT2H"));
      if (!world.fuse.blown()) {
        REQUIRE(extended);
        break;
      }
      ++failures;
      REQUIRE_FALSE(extended);
      CAPTURE(at, store_too, extended.error().message);
      const bool said = extended.error().message.find("as before") != std::string::npos;
      if (at > 1) CHECK(said == !store_too);
      world.fuse.disarm();
      world.clock.advance(1s);
      world.gate->sweep();
      world.require_in_step();
      CHECK(world.grant(1).end == world.first.end);
      const auto added = world.records_since(records);
      if (at == 1) {
        CHECK(added.empty());  // nothing was recorded, so nothing was done
      } else {
        REQUIRE(added.size() == 2);
        CHECK(added[1].operation == "grant.taken_back");
        CHECK(added[1].outcome == Outcome::failed);
      }
    }
  }
  CHECK(failures >= 4);
}
