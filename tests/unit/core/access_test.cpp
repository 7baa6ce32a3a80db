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

TEST_CASE("the first fault in the contract's order decides, and is recorded once") {
  struct Row {
    const char* name;
    const char* role;
    const char* policy;
    bool unreadable;
    const char* port;
    const char* machine;
    ErrorCode code;
  };
  const auto row = GENERATE(values<Row>({
      {"no right, whatever else is wrong", "reader", "nowhere", true, "0", "vm9", ErrorCode::authorization_failed},
      {"no right, all else right", "reader", "default", false, "22", "vm1", ErrorCode::authorization_failed},
      {"no JSON, before anything it might say", "requester", "nowhere", true, "0", "vm9",
       ErrorCode::invalid_request_content},
      {"malformed, before the policy is looked for", "requester", "nowhere", false, "0", "vm9",
       ErrorCode::invalid_initiate_input},
      {"no such policy", "requester", "nowhere", false, "22", "vm9", ErrorCode::policy_not_found},
      {"machine outside the policy", "requester", "default", false, "22", "vm9", ErrorCode::not_subset_of_policy},
      {"port outside the policy", "requester", "default", false, "23", "vm1", ErrorCode::not_subset_of_policy},
  }));
  DYNAMIC_SECTION(row.name) {
    GateWorld world;
    world.furnish();
    const auto before = world.store.records().size();
    auto draft = ask(row.machine, {row.port});
    if (row.unreadable) draft.unreadable = "This is no JSON.";

    const auto refused = world.gate->initiate(person("eve", row.role), policy_id(row.policy), draft);

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == row.code);
    CHECK_FALSE(refused.error().message.empty());
    const auto records = world.records_since(before);
    REQUIRE(records.size() == 1);
    CHECK(records[0].outcome == Outcome::refused);
    CHECK(records[0].code == wire_name(row.code));
    CHECK(records[0].principal == "eve");
    CHECK(world.store.requests().empty());
    world.require_in_step();
  }
}

TEST_CASE("nothing is partly granted, and every port outside of the policy is named") {
  GateWorld world;
  world.furnish();
  auto draft = access_draft({{"vm1", {{}, {"3389", "PT2H", {"198.51.100.1"}}}}, {"vm3", {{}}}});
  const auto refused = world.gate->initiate(alice(), policy_id(), draft);
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().faults.size() == 3);
  CHECK(refused.error().faults[0].target == "virtualMachines[0].ports[1]");
  CHECK(refused.error().faults[1].target == "virtualMachines[0].ports[1].allowedSourceAddressPrefix");
  CHECK(refused.error().faults[2].target == "virtualMachines[1].id");
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("a 403 names client, action and scope, as the users of the roles need it") {
  GateWorld world;
  const auto refused = world.gate->initiate(person("eve", "reader"), policy_id(), ask("vm1"));
  CHECK(refused.error().message ==
        "The client 'eve' does not have authorization to perform action "
        "'Microsoft.Security/locations/jitNetworkAccessPolicies/initiate/action' over scope '" +
            policy_id().path() + "'.");
}

TEST_CASE("who may ask") {
  struct Row {
    const char* name;
    const char* role;
    std::string scope;
    bool allowed;
  };
  const auto row = GENERATE(values<Row>({
      {"a requester everywhere", "requester", "/", true},
      {"a requester of the subscription", "requester", "/subscriptions/" + subscription, true},
      {"a requester of the group, in other letters", "requester",
       "/SUBSCRIPTIONS/" + subscription + "/resourcegroups/LAB", true},
      {"a requester of the policy", "requester", policy_id().path(), true},
      {"a requester of the machine", "requester", machine_id("vm1"), true},
      {"a requester of another machine", "requester", machine_id("vm2"), false},
      {"a requester of a group whose name begins alike", "requester", group_scope + "oratory", false},
      {"a requester of a group whose name goes on", "requester", group_scope.substr(0, group_scope.size() - 1), false},
      {"a requester of another policy", "requester", policy_id("other").path(), false},
      {"an operator", "operator", "/", true},
      {"an admin", "admin", "/", true},
      {"a reader", "reader", "/", false},
      {"an approver", "approver", "/", false},
      {"an auditor", "auditor", "/", false},
      {"a role that is not there", "root", "/", false},
      {"no scope", "admin", "", false},
  }));
  DYNAMIC_SECTION(row.name) {
    GateWorld world;
    world.furnish();
    const auto answer =
        world.gate->initiate(person("eve", row.role, "203.0.113.7", row.scope), policy_id(), ask("vm1"));
    CHECK(answer.has_value() == row.allowed);
    if (!answer) CHECK(answer.error().code == ErrorCode::authorization_failed);
    CHECK(world.admits("203.0.113.7", "10.0.0.1", 22) == row.allowed);
  }
}

TEST_CASE("a role for one machine does not help with two") {
  GateWorld world;
  world.furnish();
  const auto eve = person("eve", "requester", "203.0.113.7", machine_id("vm1"));
  CHECK_FALSE(world.gate->initiate(eve, policy_id(), access_draft({{"vm1", {{}}}, {"vm2", {{}}}})));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("my IP: the caller's own address stands in; over a socket there is none") {
  GateWorld world;
  world.furnish();
  world.granted(person("carol", "requester", "2001:db8:9::1"), ask("vm1"));
  CHECK(world.admits("2001:db8:9::1", "2001:db8::1", 22));
  CHECK_FALSE(world.admits("2001:db8:9::2", "2001:db8::1", 22));

  const auto nowhere = person("carol", "requester", "");
  const auto refused = world.gate->initiate(nowhere, policy_id(), ask("vm1"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_initiate_input);
  CHECK(refused.error().target == "virtualMachines[0].ports[0].allowedSourceAddressPrefix");
  CHECK(world.gate->initiate(nowhere, policy_id(), ask("vm1", {"22", "PT1H", {"198.51.100.4"}})));
}

TEST_CASE("what cannot be opened is refused with a sentence") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_policy(admin(), policy_id(),
                                 policy_draft({{"vm1", {{}}}, {"vm2", {{}}}, {"vm3", {{}}}, {"vm4", {{}}}})));
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm3", {})));
  const auto refusal = [&](const AccessDraft& draft) {
    const auto answer = world.gate->initiate(alice(), policy_id(), draft);
    REQUIRE_FALSE(answer);
    return answer.error().message;
  };
  CHECK(refusal(ask("vm4")).find("not registered") != std::string::npos);
  CHECK(refusal(ask("vm3")).find("no address") != std::string::npos);
  CHECK(refusal(ask("vm2", {"22", "PT1H", {"2001:db8::9"}})).find("same family") != std::string::npos);
  CHECK(world.store.requests().empty());
}

TEST_CASE("two people behind one NAT: revoking one leaves the other in") {
  GateWorld world;
  world.furnish();
  const auto nat = [](const char* name) { return person(name, "requester", "198.51.100.9"); };
  const auto longer = world.granted(nat("alice"), ask("vm1", {"22", "PT3H"}));
  const auto shorter = world.granted(nat("bob"), ask("vm1", {"22", "PT1H"}));

  SECTION("the one with the longer time is revoked: the other's end counts") {
    REQUIRE(world.gate->revoke(admin(), longer.serial));
    CHECK(world.admits("198.51.100.9", "10.0.0.1", 22));
    world.clock.advance(1h - 1ns);
    CHECK(world.admits("198.51.100.9", "10.0.0.1", 22));
    world.clock.advance(1ns);
    CHECK_FALSE(world.admits("198.51.100.9", "10.0.0.1", 22));
  }
  SECTION("the one with the shorter time is revoked: nothing changes for the other") {
    REQUIRE(world.gate->revoke(admin(), shorter.serial));
    world.clock.advance(3h - 1ns);
    CHECK(world.admits("198.51.100.9", "10.0.0.1", 22));
  }
  SECTION("both are revoked") {
    REQUIRE(world.gate->revoke(admin(), longer.serial));
    REQUIRE(world.gate->revoke(admin(), shorter.serial));
    CHECK_FALSE(world.admits("198.51.100.9", "10.0.0.1", 22));
  }
  world.require_in_step();
}

TEST_CASE("a short /32 beside a long /24: the block lives on after the address's end") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1", {"22", "PT5M"}));
  world.granted(bob(), ask("vm1", {"22", "PT1H", {"203.0.113.0/24"}}));
  world.clock.advance(6min);
  world.gate->sweep();
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  world.require_in_step();
}

TEST_CASE("a newer request takes the place of the same person's own") {
  GateWorld world;
  world.furnish();
  const auto first = world.granted(alice(), ask("vm1", {"22", "PT30M"}));
  const auto other = world.granted(bob(), ask("vm1", {"22", "PT2H", {"203.0.113.7"}}));

  SECTION("longer: extended") {
    const auto second = world.granted(alice(), ask("vm1", {"22", "PT3H"}));
    CHECK(world.grant(first.serial).end_reason == EndReason::replaced);
    CHECK(wire_name(world.grant(first.serial).end_reason) == "NewerRequestInitiated");
    CHECK(world.grant(second.serial).state == GrantState::live);
    world.clock.advance(3h - 1ns);
    CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  }
  SECTION("shorter: cut short, the other person's untouched") {
    world.granted(alice(), ask("vm1", {"22", "PT5M"}));
    CHECK(world.grant(first.serial).state == GrantState::ended);
    CHECK(world.grant(other.serial).state == GrantState::live);
    world.clock.advance(2h - 1ns);
    CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  }
  SECTION("another source: both run") {
    world.granted(alice(), ask("vm1", {"22", "PT5M", {"203.0.113.0/24"}}));
    CHECK(world.grant(first.serial).state == GrantState::live);
  }
  SECTION("another port: both run") {
    world.granted(alice(), ask("vm1", {"3389", "PT5M"}));
    CHECK(world.grant(first.serial).state == GrantState::live);
  }
  SECTION("another machine: both run") {
    world.granted(alice(), ask("vm2", {"22", "PT5M"}));
    CHECK(world.grant(first.serial).state == GrantState::live);
  }
  world.require_in_step();
}

TEST_CASE("cutting one's own: the old record is cut after the new entry is there") {
  GateWorld world;
  world.furnish();
  const auto first = world.granted(alice(), ask("vm1", {"3389", "PT30M"}));
  const auto second = world.granted(alice(), ask("vm1", {"3389", "PT1H"}));
  CHECK(world.record_of(first.serial) == RecordState::cut);
  CHECK(world.record_of(second.serial) == RecordState::live);
  CHECK(world.dataplane.cut_generation == 1);
  REQUIRE(world.gate->revoke(admin(), second.serial));
  CHECK(world.record_of(second.serial) == RecordState::cut);
  CHECK(world.dataplane.cut_generation == 2);
  const auto drained = world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->revoke(admin(), drained.serial));
  CHECK(world.record_of(drained.serial) == RecordState::draining);
  CHECK(world.dataplane.cut_generation == 2);
}

TEST_CASE("a forward is opened with the machine's port") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm2", {"10.0.0.2"}, {{"192.0.2.1", "2222", "tcp", "22"}})));
  CHECK(world.guards("192.0.2.1", 2222));
  CHECK_FALSE(world.guards("192.0.2.1", 22));
  world.granted(alice(), ask("vm2"));
  CHECK(world.admits("203.0.113.7", "192.0.2.1", 2222));
  CHECK(world.admits("203.0.113.7", "10.0.0.2", 22));
  CHECK_FALSE(world.admits("203.0.113.8", "192.0.2.1", 2222));
  world.require_in_step();
}

TEST_CASE("protocol * opens TCP and UDP") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1", {"3389", "PT1H"}));
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 3389, Protocol::tcp));
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 3389, Protocol::udp));
}
