// SPDX-License-Identifier: Apache-2.0
// The switches: off, policies only monitor; nothing else changes, and on again they enforce.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const SwitchDraft off{{}, false, "the bastion is down"};
const SwitchDraft on{{}, true, std::nullopt};

bool enforces(const GateWorld& world, const char* address, std::uint16_t port = 22) {
  return verdicts_of(world.dataplane.maps).enforced.contains({parse_prefix(address).value(), port, Protocol::tcp});
}

}  // namespace

TEST_CASE("the global switch makes every policy monitor, and gives it back with all its grants") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1"));
  const auto maps = world.dataplane.maps;
  const auto records = world.store.records().size();
  REQUIRE(world.gate->put_switch(admin(), "global", off));
  CHECK(world.guards("10.0.0.1", 22));
  CHECK_FALSE(enforces(world, "10.0.0.1"));
  CHECK_FALSE(enforces(world, "10.0.0.2"));
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.store.policies().at(policy_id().key()).mode == Mode::enforce);
  REQUIRE(world.records_since(records).size() == 1);
  CHECK(world.store.records().back().operation == "switch.put");
  CHECK(world.store.records().back().detail.find("the bastion is down") != std::string::npos);
  REQUIRE(world.gate->gate_status(admin())->warnings.size() == 1);
  CHECK(world.gate->gate_status(admin())->warnings[0].find("NOTHING IS ENFORCED") == 0);
  CHECK(world.gate->get_machine(admin(), "vm1")->reason.find("the bastion is down") != std::string::npos);
  world.require_in_step();

  world.granted(bob(), ask("vm2"));  // people go on asking
  world.restart();                   // it survives
  CHECK_FALSE(enforces(world, "10.0.0.1"));
  world.require_in_step();

  REQUIRE(world.gate->put_switch(admin(), "GLOBAL", on));
  CHECK(enforces(world, "10.0.0.1"));
  CHECK(world.gate->gate_status(admin())->warnings.empty());
  CHECK(world.gate->get_machine(admin(), "vm1")->reason.empty());
  CHECK(world.grant(grant.serial).state == GrantState::live);
  CHECK(world.admits("203.0.113.8", "10.0.0.2", 22));
  CHECK(verdicts_of(world.dataplane.maps).enforced == verdicts_of(maps).enforced);
  world.require_in_step();
}

TEST_CASE("a subscription's switch concerns its policies only, and the global one is stronger than it") {
  GateWorld world;
  world.furnish();
  const std::string other = "99999999-2222-3333-4444-555555555555";
  auto draft = machine_draft("x", {"10.0.0.5"});
  draft.id = "/subscriptions/" + other + "/resourceGroups/lab/providers/Microsoft.Compute/virtualMachines/vm5";
  draft.os = "linux";
  REQUIRE(world.gate->put_machine(admin(), draft));
  EnableDraft enabling;
  enabling.machines = {"vm5"};
  enabling.preset = "default";
  REQUIRE(world.gate->enable_machines(admin(), enabling));
  REQUIRE(world.gate->put_switch(admin(), subscription, off));
  CHECK_FALSE(enforces(world, "10.0.0.1"));
  CHECK(enforces(world, "10.0.0.5"));
  world.require_in_step();
  REQUIRE(world.gate->put_switch(admin(), "global", off));
  REQUIRE(world.gate->put_switch(admin(), subscription, on));
  CHECK_FALSE(enforces(world, "10.0.0.1"));
  CHECK_FALSE(enforces(world, "10.0.0.5"));
  REQUIRE(world.gate->put_switch(admin(), "global", on));
  CHECK(enforces(world, "10.0.0.1"));
  CHECK(world.gate->list_switches(admin())->size() == 2);
  world.require_in_step();
}

TEST_CASE("what a policy says while its switch is off comes true when it is on") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_switch(admin(), "global", off));
  REQUIRE(world.gate->put_policy(admin(), policy_id("later"), policy_draft({{"vm2", {{"5985"}}}})));
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm1", {"10.0.0.9"})));
  CHECK(world.guards("10.0.0.2", 5985));
  CHECK_FALSE(enforces(world, "10.0.0.2", 5985));
  CHECK_FALSE(enforces(world, "10.0.0.9"));
  REQUIRE(world.gate->put_switch(admin(), "global", on));
  CHECK(enforces(world, "10.0.0.2", 5985));
  CHECK(enforces(world, "10.0.0.9"));
  world.require_in_step();
}

TEST_CASE("only who may write switches turns one, each turn says why, and what is refused changes nothing") {
  GateWorld world;
  world.furnish();
  for (const auto* role : {"reader", "requester", "approver", "operator", "auditor"})
    CHECK(world.gate->put_switch(person("eve", role), "global", off).error().code == ErrorCode::authorization_failed);
  const auto greta = person("greta", "admin", "", "/subscriptions/" + subscription);
  CHECK(world.gate->put_switch(greta, "global", off).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->put_switch(greta, "99999999-2222-3333-4444-555555555555", off).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->put_switch(admin(), "lab", off).error().faults.at(0).target == "name");
  CHECK(world.gate->put_switch(admin(), "global", {}).error().faults.at(0).target == "enforcing");
  CHECK(world.gate->put_switch(admin(), "global", {{}, false, std::nullopt}).error().faults.at(0).target == "reason");
  CHECK(world.gate->put_switch(admin(), "global", {{}, false, "a\nb"}).error().faults.at(0).target == "reason");
  CHECK(world.store.records().back().outcome == Outcome::refused);
  CHECK(enforces(world, "10.0.0.1"));
  CHECK(world.store.switches().empty());
  REQUIRE(world.gate->put_switch(greta, subscription, off));
  CHECK_FALSE(enforces(world, "10.0.0.1"));
  CHECK(world.gate->list_switches(person("eve", "requester")).error().code == ErrorCode::authorization_failed);
}

TEST_CASE("a switch that the store does not take is not turned; one that the maps do not take is turned later") {
  GateWorld world;
  world.furnish();
  world.fuse.arm(1, Fuse::Blow::once);
  CHECK(world.gate->put_switch(admin(), "global", off).error().code == ErrorCode::store_failed);
  CHECK(enforces(world, "10.0.0.1"));
  CHECK(world.gate->switched_off().empty());
  world.require_in_step();
  world.fuse.arm(2, Fuse::Blow::once);
  CHECK(world.gate->put_switch(admin(), "global", off).error().code == ErrorCode::gate_failed);
  CHECK(world.gate->switched_off().size() == 1);
  world.clock.advance(1s);
  world.gate->sweep();
  CHECK_FALSE(enforces(world, "10.0.0.1"));
  world.require_in_step();
}
