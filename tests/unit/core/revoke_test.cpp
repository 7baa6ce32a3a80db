// SPDX-License-Identifier: Apache-2.0
// What a revocation that cuts reaches, what it says of others, and what it tells to those who may not know.
#include <algorithm>

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

Caller olga() {
  return person("olga", "operator", "");
}

AuditRecord last_record(const GateWorld& world) {
  return world.store.records().back();
}

bool says(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

Caller of_elsewhere(const std::string& role) {
  return person("eve", role, "203.0.113.9", "/subscriptions/" + subscription + "/resourceGroups/other");
}

// carol comes from alice's address.
Caller carol() {
  return person("carol@example.com", "requester", "203.0.113.7");
}

}  // namespace

TEST_CASE("a cut reaches the sessions of the same access before it was renewed, and after") {
  GateWorld world;
  world.furnish();
  const auto expired = world.granted(alice(), ask("vm1", {"22", "PT5M"}));
  world.clock.advance(6min);
  world.gate->sweep();
  const auto first = world.granted(alice(), ask("vm1"));
  const auto wider = world.granted(alice(), ask("vm1", {"22", "PT1H", {"203.0.113.0/28"}}));
  REQUIRE(world.gate->revoke(alice(), wider.serial));
  const auto second = world.granted(alice(), ask("vm1"));
  const auto beside = world.granted(alice(), ask("vm2"));
  const auto elsewhere = world.granted(alice(), ask("vm1", {"22", "PT1H", {"198.51.100.1"}}));
  REQUIRE(world.gate->revoke(alice(), beside.serial));
  REQUIRE(world.gate->revoke(alice(), elsewhere.serial));
  REQUIRE(world.record_of(first.serial) == RecordState::draining);  // its sessions go on, under its number
  const auto generation = world.dataplane.cut_generation;

  SECTION("named by the number in force") {
    REQUIRE(world.gate->revoke(olga(), second.serial, by("cut")));
  }
  SECTION("named by an old number, once the new one is over") {
    REQUIRE(world.gate->revoke(olga(), second.serial));
    REQUIRE(world.gate->revoke(olga(), expired.serial, by("cut")));
  }
  for (const auto serial : {expired.serial, first.serial, wider.serial, second.serial}) {
    INFO(serial);
    CHECK(world.record_of(serial) == RecordState::cut);
    CHECK(world.grant(serial).ending == Ending::cut);
  }
  CHECK(world.record_of(beside.serial) == RecordState::draining);
  CHECK(world.record_of(elsewhere.serial) == RecordState::draining);
  CHECK(world.dataplane.cut_generation > generation);
  auto reached = last_record(world).grants;
  std::sort(reached.begin(), reached.end());
  CHECK(reached == std::vector<std::uint64_t>{expired.serial, first.serial, wider.serial, second.serial});
  world.require_in_step();
  world.restart();
  CHECK(world.record_of(first.serial) == RecordState::cut);
  world.require_in_step();
}

TEST_CASE("a cut of a grant that was renewed says that its sessions live on under the newer one") {
  GateWorld world;
  world.furnish();
  const auto first = world.granted(alice(), ask("vm1"));
  const auto second = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(olga(), first.serial, by("cut")));
  CHECK(world.grant(second.serial).state == GrantState::live);
  CHECK(says(last_record(world).detail, "covered by live grant " + std::to_string(second.serial)));
}

TEST_CASE("a cut names whose sessions it may end besides, and does not touch their grants") {
  GateWorld world;
  world.furnish();
  const auto theirs = world.granted(carol(), ask("vm1"));
  const auto hers = world.granted(alice(), ask("vm1"));
  const auto apart = world.granted(bob(), ask("vm1"));
  SECTION("who is let in still, stays") {
    REQUIRE(world.gate->revoke(olga(), hers.serial, by("cut")));
    CHECK(says(last_record(world).detail,
               "covered by live grant " + std::to_string(theirs.serial) + " of 'carol@example.com'"));
  }
  SECTION("who is not, may lose what he had open") {
    REQUIRE(world.gate->revoke(carol(), theirs.serial));
    REQUIRE(world.gate->revoke(olga(), hers.serial, by("cut")));
    CHECK(says(last_record(world).detail, "'carol@example.com'"));
    CHECK(world.record_of(theirs.serial) == RecordState::draining);
  }
  CHECK_FALSE(says(last_record(world).detail, "bob"));
  CHECK(world.grant(apart.serial).state == GrantState::live);
  world.require_in_step();
}

TEST_CASE("the number of what one may not see answers like one that there is not") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1"));
  Rule rule;
  rule.standing = {"192.0.2.1"};
  REQUIRE(world.gate->put_policy(admin(), policy_id("secret"), policy_draft({{"vm2", {rule}}})));
  const auto standing = world.standing().begin()->first;
  for (const auto* role : {"operator", "requester", "reader"}) {
    INFO(role);
    for (const auto serial : {grant.serial, standing}) {
      const auto before = world.store.records().size();
      const auto absent = world.gate->revoke(of_elsewhere(role), 987654321).error();
      const auto refused = world.gate->revoke(of_elsewhere(role), serial).error();
      auto message = absent.message;
      if (const auto at = message.find("987654321"); at != std::string::npos)
        message.replace(at, 9, std::to_string(serial));
      CHECK(refused.code == absent.code);
      CHECK(refused.message == message);
      CHECK(world.records_since(before).size() == 2);
    }
  }
  CHECK(world.gate->revoke(olga(), standing).error().code == ErrorCode::conflict);  // who may see it is told
  CHECK(world.grant(grant.serial).state == GrantState::live);
}

TEST_CASE("what a cut cannot reach is told, and not among what was cut") {
  GateWorld world;
  world.furnish();
  const auto cut_of = [&](const Grant& grant) {
    const auto revoked = world.gate->revoke(olga(), grant.serial, by("cut"));
    REQUIRE(revoked);
    REQUIRE(revoked->cut);
    return *revoked->cut;
  };
  SECTION("the gate has given the record away") {
    world.dataplane.room.records = 1;
    const auto first = world.granted(alice(), ask("vm1"));
    REQUIRE(world.gate->revoke(alice(), first.serial));
    const auto second = world.granted(alice(), ask("vm1"));
    const auto reach = cut_of(second);
    CHECK(reach.grants == std::vector<std::uint64_t>{second.serial});
    CHECK(reach.forgotten == std::vector<std::uint64_t>{first.serial});
    CHECK(says(last_record(world).detail, "forgotten grant " + std::to_string(first.serial)));
  }
  SECTION("its policy only monitors") {
    const auto grant = world.granted(alice(), ask("vm1"));
    auto draft = policy_draft({{"vm1", {{}}}}, "monitor");
    REQUIRE(world.gate->put_policy(admin(), policy_id(), draft));
    CHECK_FALSE(cut_of(grant).enforced);
    draft.mode = "enforce";
    REQUIRE(world.gate->put_policy(admin(), policy_id(), draft));
    CHECK(cut_of(grant).enforced);
  }
  SECTION("nothing guards the port any more") {
    const auto grant = world.granted(alice(), ask("vm1"));
    REQUIRE(world.gate->erase_policy(admin(), policy_id()));
    CHECK_FALSE(cut_of(grant).enforced);
  }
  SECTION("it is the same person's by a policy that is not the caller's") {
    auto theirs = policy_id("theirs");
    theirs.resource_group = "other";
    REQUIRE(world.gate->put_policy(admin(), theirs, policy_draft({{"vm1", {{}}}})));
    const auto first = world.gate->initiate(alice(), theirs, ask("vm1"));
    REQUIRE(first);
    const auto second = world.granted(alice(), ask("vm1"));
    const auto of_policy = person("olga", "operator", "", policy_id().path());
    const auto revoked = world.gate->revoke(of_policy, second.serial, by("cut"));
    REQUIRE(revoked);
    CHECK(revoked->cut->grants == std::vector<std::uint64_t>{second.serial});
    CHECK(revoked->cut->may_include.empty());  // he may not see it
    const auto old = first->grants.front().serial;
    CHECK(world.record_of(old) == RecordState::draining);
    CHECK(says(last_record(world).detail, "grant " + std::to_string(old)));
  }
  SECTION("another's live grant covers what a wider one of hers let in") {
    const auto wider = world.granted(alice(), ask("vm1", {"22", "PT1H", {"203.0.113.0/28"}}));
    REQUIRE(world.gate->revoke(alice(), wider.serial));
    const auto beside = world.granted(bob(), ask("vm1", {"22", "PT1H", {"203.0.113.9"}}));
    const auto reach = cut_of(world.granted(alice(), ask("vm1")));
    CHECK(reach.grants.front() == wider.serial);
    REQUIRE(reach.covered_by.size() == 1);
    CHECK(reach.covered_by.front().serial == beside.serial);
  }
  world.require_in_step();
}

TEST_CASE("a cut says that it reaches nothing that came in without a grant") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(olga(), grant.serial, by("cut")));
  CHECK(says(last_record(world).detail, "that have no grant are not reached"));
  const auto drained = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(olga(), drained.serial));
  CHECK_FALSE(says(last_record(world).detail, "not reached"));
}

TEST_CASE("what was cut is not said to live on by who would have it drained") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1", {"3389", "PT30M"}));  // its rule cuts
  REQUIRE(world.gate->revoke(alice(), grant.serial));
  const auto late = world.gate->revoke(olga(), grant.serial, by("drain"));
  REQUIRE(late);
  CHECK(late->grant.ending == Ending::cut);
  CHECK_FALSE(says(last_record(world).detail, "live on"));
  CHECK(says(last_record(world).detail, "stays cut"));
  CHECK(world.record_of(grant.serial) == RecordState::cut);
}
