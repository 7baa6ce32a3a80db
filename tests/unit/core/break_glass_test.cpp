// SPDX-License-Identifier: Apache-2.0
// Break-glass as its user would like it to be: longer, wider, again, and unseen.
#include "tests/unit/core/glass_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

std::vector<std::string> places(const Error& error) {
  std::vector<std::string> found;
  for (const auto& fault : error.faults) found.push_back(fault.target);
  return found;
}

}  // namespace

TEST_CASE("the armed person gets in without a role and past the rule's sources, loudly, and is reviewed") {
  GlassWorld world;
  world.refused(eve(), glass(), ErrorCode::authorization_failed);
  const auto id = world.armed();
  const auto before = world.store.records().size();
  const auto grant = world.used(glass("vm1", {"3389", "PT30M", {"198.51.100.7"}}));
  CHECK(world.admits("198.51.100.7", "10.0.0.1", 3389));
  CHECK_FALSE(world.admits("198.51.100.8", "10.0.0.1", 3389));
  CHECK_FALSE(world.admits("198.51.100.7", "10.0.0.1", 22));
  const auto records = world.records_since(before);
  REQUIRE(records.size() == 1);
  CHECK(records[0].operation == "breakglass.use");
  CHECK(records[0].principal == "eve");
  CHECK(records[0].grants == std::vector<std::uint64_t>{grant.serial});
  CHECK(records[0].machines == std::vector<std::string>{machine_id("vm1")});
  CHECK(records[0].detail.find("BREAK-GLASS") == 0);
  CHECK(records[0].detail.find("locked out") != std::string::npos);

  const auto grants = world.gate->list_grants(admin(), {});
  REQUIRE(grants->size() == 1);
  CHECK(grants->front().break_glass);
  const auto warned = [&](const std::string& text) {
    for (const auto& sentence : world.gate->warnings())
      if (sentence.find(text) != std::string::npos) return true;
    return false;
  };
  CHECK(warned("nobody has reviewed"));
  CHECK(warned("armed for 'eve'"));
  const auto listed = world.gate->list_break_glass(person("olga", "auditor"));
  REQUIRE(listed->size() == 1);
  CHECK(listed->front().armed);
  REQUIRE(listed->front().uses.size() == 1);
  const auto request = listed->front().uses.front().request;

  const auto reviewed = world.gate->review_break_glass(person("olga", "auditor"), request, {});
  REQUIRE(reviewed);
  CHECK(reviewed->reviewed_by == "olga");
  CHECK_FALSE(warned("nobody has reviewed"));
  CHECK(world.store.records().back().operation == "breakglass.review");
  CHECK(world.gate->review_break_glass(admin(), request, {}).error().code == ErrorCode::conflict);
  REQUIRE(world.gate->disarm(admin(), id, false));
  CHECK_FALSE(warned("armed for 'eve'"));
  world.require_in_step();
}

TEST_CASE("what break-glass does not open") {
  GlassWorld world;
  world.armed();
  struct Row {
    const char* name;
    AccessDraft draft;
    ErrorCode code;
  };
  auto unjustified = glass(), blank = glass();
  unjustified.justification.reset();
  blank.justification = " \t";
  auto two_places = glass();
  two_places.machines.front().ports.push_back(glass("vm1", {"3389", "PT1H", {"198.51.100.8"}}).machines.front().ports.front());
  const std::vector<Row> rows{
      {"a port that no policy guards", glass("vm1", {"23", "PT1H", {"198.51.100.7"}}), ErrorCode::policy_not_found},
      {"a machine that there is not", glass("vm9"), ErrorCode::policy_not_found},
      {"without a justification", unjustified, ErrorCode::invalid_initiate_input},
      {"with a blank one", blank, ErrorCode::invalid_initiate_input},
      {"longer than armed for", glass("vm1", {"22", "PT1H2M", {"198.51.100.7"}}), ErrorCode::not_subset_of_policy},
      {"to everybody", glass("vm1", {"22", "PT1H", {"*"}}), ErrorCode::invalid_initiate_input},
      {"to all of IPv4", glass("vm1", {"22", "PT1H", {"0.0.0.0/0"}}), ErrorCode::invalid_initiate_input},
      {"to a wide block", glass("vm1", {"22", "PT1H", {"198.51.100.0/23"}}), ErrorCode::invalid_initiate_input},
      {"to a wide block of IPv6", glass("vm1", {"22", "PT1H", {"2001:db8::/63"}}), ErrorCode::invalid_initiate_input},
      {"to two addresses", glass("vm1", {"22", "PT1H", {"198.51.100.7", "198.51.100.99"}}), ErrorCode::invalid_initiate_input},
      {"to two addresses, one a port", two_places, ErrorCode::invalid_initiate_input},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    world.refused(eve(), row.draft, row.code);
  }
  CHECK(world.gate->request(eve(), glass("vm1", {"22", "PT1H30S", {"198.51.100.0/24"}})));  // cut to the hour
  CHECK(world.gate->list_grants(admin(), {})->front().grant.end == world.clock.now().utc + 1h);
  CHECK(world.gate->request(eve(), glass("vm1", {"22", "PT1H", {"2001:db8:9::/64"}})));
  CHECK(world.gate->request(eve(), glass("vm2", {"22", "PT1H", {}})));  // his own address
  world.require_in_step();
}

TEST_CASE("a scope ends at its border") {
  const std::string vm1 = machine_id("vm1"), policy = policy_id().path();
  const std::vector<std::pair<std::string, bool>> rows{
      {"/", true},          {group_scope, true},         {group_scope + "/", true}, {policy, true},
      {vm1, true},          {folded(vm1), true},         {other_group, false},      {group_scope + "1", false},
      {group_scope.substr(0, group_scope.size() - 1), false}, {machine_id("vm"), false}, {machine_id("vm10"), false},
      {machine_id("vm2"), false}, {group_scope + "/../lab2", false}, {"/*", false}};
  for (const auto& [scope, reaches] : rows) {
    INFO(scope);
    GlassWorld world;
    world.armed(arming_of("eve", scope));
    if (reaches) CHECK(world.gate->request(eve(), glass()));
    if (!reaches) world.refused(eve(), glass(), ErrorCode::policy_not_found);
  }
  GlassWorld world;  // one machine of two is not enough
  world.armed(arming_of("eve", machine_id("vm1")));
  auto both = glass();
  both.machines.push_back(glass("vm2").machines.front());
  world.refused(eve(), both, ErrorCode::policy_not_found);
}

TEST_CASE("it is one name's, as it is spelt; nobody arms himself, in any spelling") {
  GlassWorld world;
  for (const auto* self : {"root", "Root", "ROOT", "oidc:root"})
    CHECK(world.gate->arm(admin(), arming_of(self)).error().code == ErrorCode::authorization_failed);
  CHECK(world.store.records().back().operation == "breakglass.arm");
  world.armed();
  for (const auto* other : {"Eve", "EVE", "eve ", "ev", "eve@example.com"}) {
    auto caller = eve();
    caller.principal.name = other;
    world.refused(caller, glass(), ErrorCode::authorization_failed);
  }
  CHECK(world.gate->request(eve(), glass()));
}

TEST_CASE("who may arm, disarm, review and look, and where") {
  GlassWorld world;
  for (const auto* role : {"reader", "requester", "approver", "operator", "auditor"}) {
    INFO(role);
    CHECK(world.gate->arm(person("kim", role), arming_of("eve")).error().code == ErrorCode::authorization_failed);
  }
  const auto of_group = person("kim", "admin", "", group_scope);
  CHECK(world.gate->arm(of_group, arming_of("eve")).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->arm(of_group, arming_of("eve", other_group)).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->arm(of_group, arming_of("eve", "//")).error().code == ErrorCode::authorization_failed);
  const auto narrow = world.gate->arm(of_group, arming_of("eve", group_scope));
  REQUIRE(narrow);
  REQUIRE(world.gate->disarm(of_group, narrow->arming.id, false));

  const auto wide = world.armed();
  CHECK(world.gate->disarm(of_group, wide, true).error().code == ErrorCode::break_glass_not_found);
  CHECK(world.gate->disarm(person("olga", "auditor"), wide, true).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->disarm(eve(), wide, false).error().code == ErrorCode::authorization_failed);
  const auto grant = world.used();
  CHECK(world.gate->review_break_glass(of_group, grant.request, {}).error().code == ErrorCode::break_glass_not_found);
  CHECK(world.gate->review_break_glass(admin(), grant.request + 1, {}).error().code == ErrorCode::break_glass_not_found);
  CHECK(world.gate->review_break_glass(person("kim", "operator"), grant.request, {}).error().code == ErrorCode::authorization_failed);
  for (const auto* self : {"eve", "EVE", "cert:eve"})
    CHECK(world.gate->review_break_glass(person(self, "auditor"), grant.request, {}).error().code == ErrorCode::authorization_failed);

  CHECK(world.gate->list_break_glass(eve())->size() == 2);  // her own
  CHECK(world.gate->list_break_glass(of_group)->size() == 1);
  CHECK(world.gate->list_break_glass(person("olga", "auditor", "", other_group))->empty());
  const auto before = world.store.records().size();
  CHECK(world.gate->list_break_glass(alice()).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->list_break_glass(person("kim", "reader")).error().code == ErrorCode::authorization_failed);
  CHECK(world.records_since(before).size() == 2);
}

TEST_CASE("what is wrong with an arming, all of it at once") {
  GlassWorld world;
  CHECK(places(world.gate->arm(admin(), ArmingDraft{}).error()) == std::vector<std::string>{"principal", "reason", "duration"});
  auto draft = arming_of("postern", "x", "P7DT1S");
  draft.grant_max = "PT8H1S";
  draft.reason = "  ";
  CHECK(places(world.gate->arm(admin(), draft).error()) ==
        std::vector<std::string>{"principal", "scope", "reason", "duration", "maxGrantDuration"});
  draft = arming_of("eve", "/", "P7D");
  draft.grant_max = "PT8H";
  CHECK(world.gate->arm(admin(), draft));
  CHECK(world.gate->arm(admin(), arming_of("eve", "/", "PT59S")).error().code == ErrorCode::invalid_input);
}

TEST_CASE("nothing new after its end or after it was disarmed, not by a repeat either; what runs ends at its time") {
  GlassWorld world;
  const auto id = world.armed(arming_of("eve", "/", "PT10M"));
  auto caller = eve();
  caller.client_request_id = "again";
  const auto first = world.gate->request(caller, glass());
  REQUIRE(first);
  const auto records = world.store.records().size();
  const auto again = world.gate->request(caller, glass());
  REQUIRE(again);
  CHECK(again->request.id == first->request.id);
  CHECK(world.store.records().size() == records);

  SECTION("its end") {
    world.clock.advance(10min);
    world.refused(caller, glass(), ErrorCode::authorization_failed);
    CHECK(world.admits("198.51.100.7", "10.0.0.1", 22));
  }
  SECTION("its end, and a clock that was set back") {
    world.clock.advance(10min);
    world.clock.step_wall(-5min);
    world.gate->clock_changed();
    world.refused(caller, glass(), ErrorCode::authorization_failed);
  }
  SECTION("disarmed") {
    REQUIRE(world.gate->disarm(admin(), id, false));
    CHECK(world.store.records().back().operation == "breakglass.disarm");
    world.refused(caller, glass(), ErrorCode::authorization_failed);
    CHECK(world.admits("198.51.100.7", "10.0.0.1", 22));
    world.clock.advance(1h);
    world.gate->sweep();
    CHECK_FALSE(world.admits("198.51.100.7", "10.0.0.1", 22));
  }
  SECTION("disarmed and cut") {
    REQUIRE(world.gate->disarm(admin(), id, true));
    CHECK_FALSE(world.admits("198.51.100.7", "10.0.0.1", 22));
    CHECK(world.record_of(first->grants.front().serial) == RecordState::cut);
    CHECK(world.store.records().back().grants == std::vector<std::uint64_t>{first->grants.front().serial});
    world.refused(caller, glass(), ErrorCode::authorization_failed);
  }
  SECTION("over, then cut: what is open still") {
    world.clock.advance(2h);
    world.gate->sweep();
    REQUIRE(world.gate->disarm(admin(), id, true));
    CHECK(world.record_of(first->grants.front().serial) == RecordState::cut);
  }
  SECTION("armed again, after the answer was forgotten: a request of its own, to be reviewed") {
    world.clock.advance(11min);
    world.armed();
    const auto third = world.gate->request(caller, glass());
    REQUIRE(third);
    CHECK(third->request.id != first->request.id);
    CHECK(world.gate->list_break_glass(admin())->back().uses.size() == 1);
  }
  world.require_in_step();
}

TEST_CASE("who broke in may leave early, whatever his role, and only he") {
  GlassWorld world;
  world.armed();
  const auto grant = world.used();
  CHECK(world.gate->revoke(eve(), grant.serial, by("cut")).error().code == ErrorCode::authorization_failed);
  CHECK_FALSE(world.gate->revoke(bob(), grant.serial));
  auto other = eve();
  other.principal.vouched = {other_group};  // somebody else's token of her name
  CHECK_FALSE(world.gate->revoke(other, grant.serial));
  CHECK(world.admits("198.51.100.7", "10.0.0.1", 22));
  REQUIRE(world.gate->revoke(eve(), grant.serial));
  CHECK_FALSE(world.admits("198.51.100.7", "10.0.0.1", 22));
  world.require_in_step();
}

TEST_CASE("what came by break-glass is not extended, by whomever, while it is armed or after") {
  GlassWorld world;
  auto draft = arming_of("eve");
  draft.grant_max = "PT10M";
  const auto id = world.armed(draft);
  const auto grant = world.used(glass("vm1", {"22", "PT10M", {"198.51.100.7"}}));
  ExtensionDraft longer;
  longer.duration = "PT3H";  // as its rule would allow whoever may ask
  const auto tried = [&] {
    for (const auto& who : {person("eve", "requester", "198.51.100.7"), person("eve", "operator"), admin()}) {
      const auto answer = world.gate->extend(who, grant.serial, longer);
      REQUIRE_FALSE(answer);
      CHECK(answer.error().code == ErrorCode::conflict);
    }
  };
  tried();
  REQUIRE(world.gate->disarm(admin(), id, false));
  tried();
  world.clock.advance(10min);
  CHECK_FALSE(world.admits("198.51.100.7", "10.0.0.1", 22));
  world.gate->sweep();
  world.require_in_step();
}
