// SPDX-License-Identifier: Apache-2.0
// Idempotent requests: a client that repeats itself gets its answer again, not a second grant (docs/azure-api.md);
// and the own API's way in, which finds the policy by itself.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

Caller with_id(Caller caller, const std::string& id = "client-1") {
  caller.client_request_id = id;
  return caller;
}

}  // namespace

TEST_CASE("a repeated request gets the stored answer") {
  GateWorld world;
  world.furnish();
  const auto first = world.granted(with_id(alice()), ask("vm1"));
  const auto records = world.store.records().size();

  SECTION("at once, without another record") {
    CHECK(world.granted(with_id(alice()), ask("vm1")).serial == first.serial);
    CHECK(world.store.records().size() == records);
  }
  SECTION("after a restart") {
    world.restart();
    CHECK(world.granted(with_id(alice()), ask("vm1")).serial == first.serial);
  }
  SECTION("within ten minutes") {
    world.clock.advance(10min);
    CHECK(world.granted(with_id(alice()), ask("vm1")).serial == first.serial);
  }
  SECTION("not after ten minutes") {
    world.clock.advance(10min + 1ns);
    CHECK(world.granted(with_id(alice()), ask("vm1")).serial != first.serial);
  }
  SECTION("another body under the same id is another request") {
    CHECK(world.granted(with_id(alice()), ask("vm1", {"22", "PT2H"})).serial != first.serial);
  }
  SECTION("another person's request under the same id is another request") {
    CHECK(world.granted(with_id(bob()), ask("vm1")).serial != first.serial);
  }
  SECTION("another id is another request") {
    CHECK(world.granted(with_id(alice(), "client-2"), ask("vm1")).serial != first.serial);
  }
  SECTION("no id is no repeat") {
    const auto second = world.granted(alice(), ask("vm1"));
    CHECK(world.granted(alice(), ask("vm1")).serial != second.serial);
  }
  SECTION("of a policy that was made anew: another request") {
    REQUIRE(world.gate->erase_policy(admin(), policy_id()));
    REQUIRE_FALSE(world.gate->initiate(with_id(alice()), policy_id(), ask("vm1")));
    world.furnish();
    CHECK(world.granted(with_id(alice()), ask("vm1")).serial != first.serial);
  }
  SECTION("a revoked grant is not opened by repeating") {
    REQUIRE(world.gate->revoke(admin(), first.serial));
    const auto again = world.granted(with_id(alice()), ask("vm1"));
    CHECK(again.serial == first.serial);
    CHECK(again.state == GrantState::ended);
    CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  }
  SECTION("not for somebody who has lost the right") {
    const auto answer = world.gate->initiate(with_id(person("alice@example.com", "reader")), policy_id(), ask("vm1"));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::authorization_failed);
  }
  world.require_in_step();
}

TEST_CASE("the gate finds the policy for a machine's name") {
  GateWorld world;
  world.furnish();
  auto draft = ask("vm1");
  draft.machines[0].id = "VM1";

  SECTION("one policy") {
    const auto answer = world.gate->request(alice(), draft);
    REQUIRE(answer);
    CHECK(answer->grants[0].machine_id == machine_id("vm1"));
    CHECK(answer->request.policy.name == "default");
    CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  }
  SECTION("none") {
    draft.machines[0].id = "vm9";
    const auto answer = world.gate->request(alice(), draft);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::policy_not_found);
    CHECK(answer.error().message.find("'vm9' port 22") != std::string::npos);
  }
  SECTION("a name that two machines of the policy have") {
    auto policy = policy_draft({{"vm1", {{}}}, {"vm2", {{}}}});
    policy.machines[1].id =
        "/subscriptions/" + subscription + "/resourceGroups/other/providers/Microsoft.Compute/virtualMachines/vm1";
    REQUIRE(world.gate->put_policy(admin(), policy_id(), policy));
    CHECK(world.gate->request(alice(), draft).error().message.find("use the id") != std::string::npos);
    draft.machines[0].id = machine_id("vm1");
    CHECK(world.gate->request(alice(), draft));
  }
  SECTION("several") {
    REQUIRE(world.gate->put_policy(admin(), policy_id("second"), policy_draft({{"vm1", {{}}}})));
    const auto answer = world.gate->request(alice(), draft);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::conflict);
    CHECK(answer.error().message.find("second") != std::string::npos);
    // … of which the caller may use one.
    CHECK(world.gate->request(person("eve", "requester", "203.0.113.7", policy_id("second").path()), draft));
  }
  SECTION("no right anywhere") {
    const auto answer = world.gate->request(person("eve", "reader"), draft);
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::authorization_failed);
  }
  SECTION("a repeat") {
    const auto first = world.gate->request(with_id(alice()), draft);
    const auto second = world.gate->request(with_id(alice()), draft);
    REQUIRE((first && second));
    CHECK(first->request.id == second->request.id);
  }
  world.require_in_step();
}
