// SPDX-License-Identifier: Apache-2.0
// What is asked for ahead: it opens when its start has come, by a clock that is believed, and not before.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

struct BookingWorld : GateWorld {
  BookingWorld() { furnish(); }
  UtcTime in(std::chrono::nanoseconds ahead) const { return clock.now().utc + ahead; }
  Grant booked(const Caller& who, std::chrono::nanoseconds ahead, const AccessDraft& draft) {
    const auto view = gate->request(who, starting(in(ahead), draft));
    if (!view) FAIL(view.error().message);
    CHECK(state_of(*view) == GrantState::scheduled);
    require_in_step();
    return view->grants.front();
  }
  void pass(std::chrono::nanoseconds time) {
    clock.advance(time);
    gate->sweep();
    require_in_step();
  }
  bool open(const char* address = "10.0.0.1") const { return admits("203.0.113.7", address, 22); }
  std::size_t recorded(const std::string& operation) const {
    std::size_t count = 0;
    for (const auto& record : store.records()) count += record.operation == operation;
    return count;
  }
};

}  // namespace

TEST_CASE("a booking opens at its start, lasts its length, and leaves a record of each") {
  BookingWorld world;
  const auto before = world.dataplane.maps;
  const auto grant = world.booked(alice(), 2h, ask("vm1"));
  CHECK(world.dataplane.maps == before);
  CHECK(grant.start == world.in(2h));
  CHECK(grant.end == world.in(3h));
  CHECK(world.gate->next_deadline() == world.clock.now().boot + 2h);
  world.pass(2h - 1s);
  CHECK_FALSE(world.open());
  world.pass(1s);
  CHECK(world.open());
  CHECK(world.recorded("grant.start") == 1);
  CHECK(world.store.records().back().principal == own_name);
  world.clock.advance(1h - 1ns);
  CHECK(world.open());
  world.clock.advance(1ns);
  CHECK_FALSE(world.open());
  world.pass(0s);
  CHECK(world.recorded("grant.expire") == 1);
}

TEST_CASE("a start lies ahead, by seven days at most; the length is the rule's from then on") {
  BookingWorld world;
  const auto refused = [&](UtcTime start, const AccessDraft& draft, const std::string& target) {
    const auto answer = world.gate->request(alice(), starting(start, draft));
    REQUIRE_FALSE(answer);
    REQUIRE_FALSE(answer.error().faults.empty());
    CHECK(answer.error().faults.front().target == target);
  };
  refused(world.in(-61s), ask("vm1"), "startTimeUtc");
  refused(world.in(7 * 24h + 1s), ask("vm1"), "startTimeUtc");
  refused(world.in(1h), ask("vm1", {"22", "PT3H2M"}), "virtualMachines[0].ports[0]");
  auto ends_before = ask("vm1");
  ends_before.machines[0].ports[0].duration.reset();
  ends_before.machines[0].ports[0].end_time = format_time(world.in(1h));
  refused(world.in(2h), ends_before, "virtualMachines[0].ports[0].endTimeUtc");
  AccessDraft never = ask("vm1");
  never.start = "tomorrow";
  CHECK_FALSE(world.gate->request(alice(), never));

  const auto now = world.gate->request(alice(), starting(world.in(-30s), ask("vm1")));  // a clock that is behind
  REQUIRE(now);
  CHECK(state_of(*now) == GrantState::live);
  CHECK(now->grants.front().end == world.in(1h));
  CHECK(world.booked(bob(), 7 * 24h, ask("vm1", {"22", "PT3H"})).end == world.in(7 * 24h + 3h));
}

TEST_CASE("a booking survives restart and reboot, and a start that was slept through does not lengthen it") {
  BookingWorld world;
  world.booked(alice(), 2h, ask("vm1"));
  world.restart();
  world.require_in_step();
  world.reboot("boot-2");
  world.clock.advance(1h);
  world.restart();
  CHECK_FALSE(world.open());
  world.gate.reset();
  world.clock.advance(1h + 20min);
  world.restart();
  world.require_in_step();
  CHECK(world.open());
  world.clock.advance(40min - 1ns);
  CHECK(world.open());
  world.clock.advance(1ns);
  CHECK_FALSE(world.open());

  BookingWorld other;
  const auto grant = other.booked(alice(), 2h, ask("vm1"));
  other.gate.reset();
  other.clock.advance(4h);
  other.restart();
  other.require_in_step();
  CHECK_FALSE(other.open());
  CHECK(other.grant(grant.serial).end_reason == EndReason::expired);
  CHECK(other.recorded("grant.expire") == 1);
  CHECK(other.recorded("grant.start") == 0);
}

TEST_CASE("while the clock is not believed nothing starts") {
  BookingWorld world;
  world.booked(alice(), 10min, ask("vm1"));
  world.granted(bob(), ask("vm2"));
  world.reboot("boot-2");
  world.clock.step_wall(-24h);
  world.restart();
  for (int i = 0; i < 60; ++i) world.pass(10min);
  CHECK_FALSE(world.open());
  world.clock.step_wall(24h - 10h + 15min);
  world.gate->clock_changed();
  world.require_in_step();
  CHECK(world.open());
}

TEST_CASE("what was due when the gate was away does not start by a clock that is behind the records") {
  BookingWorld world;
  world.booked(alice(), 10min, ask("vm1"));
  world.dataplane.lasts = 0;
  world.clock.advance(30min);
  world.gate->sweep();
  REQUIRE_FALSE(world.gate->initiate(person("eve", "reader"), policy_id(), ask("vm1")));  // which leaves a record
  world.dataplane.lasts = SIZE_MAX;
  world.reboot("boot-2");
  world.clock.step_wall(-15min);
  world.restart();
  world.require_in_step();
  CHECK_FALSE(world.open());
  world.clock.step_wall(15min);
  world.gate->clock_changed();
  world.require_in_step();
  CHECK(world.open());
}

TEST_CASE("a clock that is set ahead starts it, one that is set back does not lengthen it") {
  BookingWorld world;
  world.booked(alice(), 2h, ask("vm1"));
  world.clock.step_wall(2h + 10min);
  world.gate->clock_changed();
  world.require_in_step();
  CHECK(world.open());
  world.clock.step_wall(-2h);
  world.gate->clock_changed();
  world.require_in_step();
  world.clock.advance(50min - 1ns);
  CHECK(world.open());
  world.clock.advance(1ns);
  CHECK_FALSE(world.open());
}

TEST_CASE("a booking can be revoked before it starts, by who asked and by an operator, and each alone") {
  BookingWorld world;
  const auto view = world.gate->request(alice(), starting(world.in(1h), access_draft({{"vm1", {{}}}, {"vm2", {{}}}})));
  REQUIRE(view);
  CHECK_FALSE(world.gate->revoke(bob(), view->grants[0].serial));
  REQUIRE(world.gate->revoke(alice(), view->grants[0].serial));
  world.pass(1h);
  CHECK_FALSE(world.open());
  CHECK(world.open("10.0.0.2"));
  const auto second = world.booked(alice(), 1h, ask("vm1"));
  AccessDraft ports = ask("vm1");
  ports.machines[0].ports[0].duration.reset();
  REQUIRE(world.gate->revoke_ports(person("olga", "operator"), policy_id(), ports));
  CHECK(world.grant(second.serial).state == GrantState::ended);
  world.pass(1h);
  CHECK_FALSE(world.open());
}

TEST_CASE("a booking goes with its policy, with a rule that is narrower, and with one that wants approval now") {
  BookingWorld world;
  const auto grant = world.booked(alice(), 1h, ask("vm1"));
  const auto put = [&](const Rule& rule) {
    REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {rule}}})));
    world.require_in_step();
  };
  put({"22", "*", {"*"}, "PT1H"});
  CHECK(world.grant(grant.serial).state == GrantState::scheduled);
  SECTION("shorter") { put({"22", "TCP", {"*"}, "PT30M"}); }
  SECTION("other sources") { put({"22", "TCP", {"198.51.100.0/24"}}); }
  SECTION("gone") { REQUIRE(world.gate->erase_policy(admin(), policy_id())); }
  SECTION("approval") {
    Rule rule;
    rule.approval = "approve";
    put(rule);
  }
  CHECK(world.grant(grant.serial).state == GrantState::ended);
  world.pass(1h);
  CHECK_FALSE(world.open());
}

TEST_CASE("when a booking starts it replaces the same person's earlier grant, not one asked for later, nor another's") {
  BookingWorld world;
  const auto earlier = world.granted(alice(), ask("vm1", {"22", "PT3H"}));
  const auto booking = world.booked(alice(), 1h, ask("vm1"));
  const auto bobs = world.granted(bob(), ask("vm1", {"22", "PT3H", {"203.0.113.7"}}));
  CHECK(world.grant(earlier.serial).state == GrantState::live);
  world.pass(1h);
  CHECK(world.grant(earlier.serial).end_reason == EndReason::replaced);
  CHECK(world.grant(booking.serial).state == GrantState::live);
  CHECK(world.grant(bobs.serial).state == GrantState::live);

  const auto second = world.booked(alice(), 30min, ask("vm2", {"22", "PT10M"}));
  const auto later = world.granted(alice(), ask("vm2", {"22", "PT3H"}));
  world.pass(30min);
  CHECK(world.grant(later.serial).state == GrantState::live);  // I3: adding a grant closes nothing
  world.pass(10min);
  CHECK(world.grant(second.serial).state == GrantState::ended);
  CHECK(world.open("10.0.0.2"));
}

TEST_CASE("what has no room when its time has come ends, with a record, and the next one starts") {
  BookingWorld world;
  const auto many = world.booked(alice(), 1h, ask("vm1", {"22", "PT1H", {"203.0.113.7", "198.51.100.1", "198.51.100.9"}}));
  const auto one = world.booked(bob(), 1h, ask("vm2", {"22", "PT1H", {"203.0.113.7"}}));
  world.dataplane.room.entries_v4 = 2;
  world.pass(1h);
  CHECK(world.grant(many.serial).end_reason == EndReason::taken_back);
  CHECK(world.grant(one.serial).state == GrantState::live);
  CHECK(world.open("10.0.0.2"));
  CHECK_FALSE(world.open());
  CHECK(world.recorded("grant.start") == 2);
}

TEST_CASE("what one request booked starts as a whole or not at all") {
  BookingWorld world;
  const auto ask_both = access_draft({{"vm1", {{}}}, {"vm2", {{}}}});
  const auto both = world.booked(alice(), 1h, ask_both);
  const auto one = world.booked(bob(), 1h, ask("vm2"));
  SECTION("no room for all of it") { world.dataplane.room.entries_v4 = 1; }
  SECTION("a machine that has lost its address") {
    REQUIRE(world.gate->put_machine(admin(), machine_draft("vm1", {"2001:db8::1"})));
  }
  world.pass(1h);
  CHECK(world.grant(one.serial).state == GrantState::live);  // another request
  CHECK(world.grant(both.serial).end_reason == EndReason::taken_back);
  CHECK(world.grant(both.serial + 1).end_reason == EndReason::taken_back);
  CHECK_FALSE(world.open());
  CHECK_FALSE(world.open("10.0.0.2"));
  for (const auto& record : world.store.records()) {
    if (record.operation != "grant.start" || record.outcome != Outcome::failed) continue;
    CHECK(record.grants == std::vector<std::uint64_t>{both.serial, both.serial + 1});
    CHECK(record.machines == std::vector<std::string>{machine_id("vm1"), machine_id("vm2")});
  }
  CHECK(world.recorded("grant.start") == 2);
}

TEST_CASE("a start that fails at whichever step is made up for") {
  for (const auto how : {Fuse::Blow::once, Fuse::Blow::from_then_on, Fuse::Blow::crash_before, Fuse::Blow::crash_after}) {
    for (int at = 1;; ++at) {
      BookingWorld world;
      const auto grant = world.booked(alice(), 1h, access_draft({{"vm1", {{}, {"3389"}}}}));
      world.booked(bob(), 1h, ask("vm2"));
      world.clock.advance(1h);
      world.fuse.arm(at, how);
      bool crashed = false;
      try {
        world.gate->sweep();
      } catch (const Crash&) {
        crashed = true;
      }
      if (!world.fuse.blown()) {
        CHECK(at > 3);
        break;
      }
      CAPTURE(at);
      if (!crashed) CHECK(world.gate->next_deadline());
      world.fuse.disarm();
      if (crashed) world.restart();
      world.pass(1s);
      CHECK(world.open());
      CHECK(world.recorded("grant.start") == 2);
      CHECK(world.grant(grant.serial).state == GrantState::live);
      CHECK(world.grant(grant.serial + 1).state == GrantState::live);
    }
  }
}

TEST_CASE("a booking does not take back an extension that was asked for after it") {
  BookingWorld world;
  ExtensionDraft longer;
  longer.duration = "PT3H";
  const auto running = world.granted(alice(), ask("vm1"));
  const auto other = world.granted(alice(), ask("vm2"));
  world.clock.advance(1min);
  REQUIRE(world.gate->extend(alice(), other.serial, longer));  // before it was booked
  world.clock.advance(1min);
  world.booked(alice(), 30min, ask("vm1", {"22", "PT10M"}));
  world.booked(alice(), 30min, ask("vm2", {"22", "PT10M"}));
  world.clock.advance(1min);
  REQUIRE(world.gate->extend(alice(), running.serial, longer));
  world.pass(29min);
  CHECK(world.grant(running.serial).state == GrantState::live);
  CHECK(world.grant(other.serial).end_reason == EndReason::replaced);
  world.pass(2h);
  CHECK(world.open());
  CHECK_FALSE(world.open("10.0.0.2"));
}

// A running grant does neither: the gate knows roles of who calls, not of who called.
TEST_CASE("what is booked or runs does not end with its requestor's token") {
  BookingWorld world;
  TokenDraft draft;
  draft.principal = "alice@example.com";
  draft.role = "requester";
  const auto issued = world.gate->issue_token(admin(), draft);
  REQUIRE(issued);
  auto caller = alice();
  caller.principal = world.gate->authenticate(issued->secret).value();
  world.granted(caller, ask("vm2", {"22", "PT3H"}));
  const auto booking = world.booked(caller, 1h, ask("vm1"));
  REQUIRE(world.gate->erase_token(admin(), issued->token.id));
  world.pass(1h);
  CHECK(world.open());
  CHECK(world.open("10.0.0.2"));
  REQUIRE(world.gate->revoke(admin(), booking.serial));
  CHECK_FALSE(world.open());
}

TEST_CASE("a booking that wants approval: approved before its start it is booked, after it a duration counts from then") {
  BookingWorld world;
  Rule rule;
  rule.approval = "approve";
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {rule}}, {"vm2", {rule}}})));
  const auto carol = person("carol", "approver");
  const auto ask_ahead = [&](const char* machine, std::chrono::nanoseconds ahead, bool by_duration) {
    auto draft = starting(world.in(ahead), ask(machine));
    if (!by_duration) {
      draft.machines[0].ports[0].duration.reset();
      draft.machines[0].ports[0].end_time = format_time(world.in(ahead + 1h));
    }
    const auto view = world.gate->request(alice(), draft);
    REQUIRE(view);
    CHECK(state_of(*view) == GrantState::pending);
    return view->grants.front();
  };
  const auto soon = ask_ahead("vm1", 1h, true);
  REQUIRE(world.gate->approve(carol, soon.request));
  CHECK(world.grant(soon.serial).state == GrantState::scheduled);
  CHECK(world.grant(soon.serial).start == soon.start);
  // A rule that is put again does not undo what was agreed to.
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {rule}}, {"vm2", {rule}}})));
  world.pass(1h);
  CHECK(world.open());

  const auto late = ask_ahead("vm2", 1h, true);
  const auto fixed = ask_ahead("vm2", 1h, false);
  world.pass(90min);
  CHECK(world.grant(fixed.serial).end_reason == EndReason::expired);  // it would not be what was asked for
  CHECK(world.grant(late.serial).state == GrantState::pending);
  REQUIRE(world.gate->approve(carol, late.request));
  CHECK(world.grant(late.serial).end == world.in(1h));
  CHECK(world.open("10.0.0.2"));
  world.require_in_step();
}
