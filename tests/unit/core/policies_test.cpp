// SPDX-License-Identifier: Apache-2.0
// Policies put as a whole and removed, and what becomes of running grants; who sees which policies.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

TEST_CASE("a put policy ends what it no longer allows, and nothing else") {
  struct Row {
    const char* name;
    std::vector<std::pair<std::string, std::vector<Rule>>> machines;
    bool lives;
  };
  // Alice holds 22/TCP of vm1 from 203.0.113.7 for two hours.
  const auto row = GENERATE(values<Row>({
      {"the same again", {{"vm1", {{}}}}, true},
      {"the machine in other letters", {{"VM1", {{}}}}, true},
      {"another machine beside it", {{"vm1", {{}}}, {"vm2", {{}}}}, true},
      {"another port beside it", {{"vm1", {{}, {"80"}}}}, true},
      {"a source that still holds hers", {{"vm1", {{"22", "TCP", {"203.0.113.0/24"}}}}}, true},
      {"exactly her time", {{"vm1", {{"22", "TCP", {"*"}, "PT2H"}}}}, true},
      {"more protocols", {{"vm1", {{"22", "*"}}}}, true},
      {"the machine fell away", {{"vm2", {{}}}}, false},
      {"every machine fell away", {}, false},
      {"the port fell away", {{"vm1", {{"80"}}}}, false},
      {"a source that does not hold hers", {{"vm1", {{"22", "TCP", {"198.51.100.0/24"}}}}}, false},
      {"less than her time", {{"vm1", {{"22", "TCP", {"*"}, "PT1H59M59S"}}}}, false},
      {"another protocol", {{"vm1", {{"22", "UDP"}}}}, false},
  }));
  DYNAMIC_SECTION(row.name) {
    GateWorld world;
    world.furnish();
    const auto grant = world.granted(alice(), ask("vm1", {"22", "PT2H"}));
    const auto before = world.store.records().size();

    REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft(row.machines)));

    CHECK((world.grant(grant.serial).state == GrantState::live) == row.lives);
    CHECK(world.admits("203.0.113.7", "10.0.0.1", 22) == row.lives);
    const auto records = world.records_since(before);
    REQUIRE(records.size() == 1);
    CHECK(records[0].operation == "policy.put");
    CHECK(records[0].grants.empty() == row.lives);
    const auto is_vm1 = [](const std::string& id) { return folded(id) == folded(machine_id("vm1")); };
    CHECK(std::count_if(records[0].machines.begin(), records[0].machines.end(), is_vm1) == 1);
    if (!row.lives) CHECK(wire_name(world.grant(grant.serial).end_reason) == "UserRequested");
    world.require_in_step();
  }
}

TEST_CASE("what a put ends, it ends in the rule's mode") {
  GateWorld world;
  world.furnish();
  const auto drains = world.granted(alice(), ask("vm1"));
  const auto cuts = world.granted(alice(), ask("vm1", {"3389", "PT1H"}));
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm2", {{}}}})));
  CHECK(world.record_of(drains.serial) == RecordState::draining);
  CHECK(world.record_of(cuts.serial) == RecordState::cut);
}

TEST_CASE("a policy that goes ends all its grants; made anew, it has no requests") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1"));
  CHECK(world.gate->erase_policy(admin(), policy_id()).value());
  CHECK(world.grant(grant.serial).state == GrantState::ended);
  CHECK_FALSE(world.guards("10.0.0.1", 22));
  CHECK(world.dataplane.maps.entries.empty());
  CHECK_FALSE(world.gate->erase_policy(admin(), policy_id()).value());
  CHECK(world.gate->get_policy(admin(), policy_id()).error().code == ErrorCode::policy_not_found);
  world.furnish();
  CHECK(world.gate->get_policy(admin(), policy_id())->requests.empty());
  world.restart();
  CHECK(world.gate->get_policy(admin(), policy_id())->requests.empty());
  world.require_in_step();
}

TEST_CASE("a policy keeps its requests over a put, and the spelling of its first one") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  auto shouted = policy_id("DEFAULT");
  shouted.resource_group = "LAB";
  const auto put = world.gate->put_policy(admin(), shouted, policy_draft({{"vm1", {{}}}}));
  REQUIRE(put);
  CHECK(put->policy.id.path() == policy_id().path());
  REQUIRE(put->requests.size() == 1);
  CHECK(put->requests[0].request.requestor == "alice@example.com");
}

TEST_CASE("two policies on one port: guarded while either does; a grant goes with its own") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_policy(admin(), policy_id("second"), policy_draft({{"vm1", {{"22", "*"}}}})));
  const auto of_first = world.granted(alice(), ask("vm1"));
  const auto of_second = world.gate->initiate(bob(), policy_id("second"), ask("vm1"));
  REQUIRE(of_second);
  REQUIRE(world.gate->erase_policy(admin(), policy_id()));
  CHECK(world.guards("10.0.0.1", 22));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.admits("203.0.113.8", "10.0.0.1", 22));
  CHECK(world.grant(of_first.serial).state == GrantState::ended);
  world.require_in_step();
  REQUIRE(world.gate->erase_policy(admin(), policy_id("second")));
  CHECK_FALSE(world.guards("10.0.0.1", 22));
  CHECK(world.dataplane.maps.services.empty());
  CHECK(world.dataplane.maps.ports.empty());
}

TEST_CASE("a policy may name machines that come later") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_policy(admin(), policy_id("later"), policy_draft({{"vm7", {{}}}})));
  CHECK_FALSE(world.guards("10.0.0.7", 22));
  REQUIRE(world.gate->put_machine(admin(), machine_draft("VM7", {"10.0.0.7"})));
  CHECK(world.guards("10.0.0.7", 22));
  world.require_in_step();
}

TEST_CASE("one bad rule changes nothing") {
  GateWorld world;
  world.furnish();
  const auto refused = world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {{}, {"99999"}}}}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_policy_input);
  CHECK(world.gate->get_policy(admin(), policy_id())->policy.machines.size() == 2);
}

TEST_CASE("who may write and read policies") {
  GateWorld world;
  world.furnish();
  const auto draft = policy_draft({{"vm1", {{}}}});
  for (const auto* role : {"reader", "requester", "operator", "approver", "auditor"}) {
    INFO(role);
    CHECK(world.gate->put_policy(person("eve", role), policy_id(), draft).error().code ==
          ErrorCode::authorization_failed);
    CHECK(world.gate->erase_policy(person("eve", role), policy_id()).error().code == ErrorCode::authorization_failed);
    CHECK(world.gate->get_policy(person("eve", role), policy_id()));
    CHECK(world.gate->list_policies(person("eve", role), {})->size() == 1);
  }
  const auto elsewhere = person("eve", "admin", "", "/subscriptions/" + subscription + "/resourceGroups/other");
  CHECK_FALSE(world.gate->get_policy(elsewhere, policy_id()));
  CHECK(world.gate->list_policies(elsewhere, {})->empty());
  const auto before = world.store.records().size();
  CHECK_FALSE(world.gate->list_policies({{"nobody", {}}, {}, "", ""}, {}));
  CHECK(world.store.records().size() == before + 1);
}

TEST_CASE("lists can be narrowed, without regard to case") {
  GateWorld world;
  world.furnish();
  CHECK(world.gate->list_policies(admin(), {subscription, "LAB", "WestEurope"})->size() == 1);
  CHECK(world.gate->list_policies(admin(), {subscription, "", "northeurope"})->empty());
  CHECK(world.gate->list_policies(admin(), {"", "office", ""})->empty());
}
