// SPDX-License-Identifier: Apache-2.0
// Guarding machines in one step and taking them out again, and machines that the admin excluded.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const std::string other_subscription = "99999999-2222-3333-4444-555555555555";

EnableDraft enabling(const std::vector<std::string>& machines, const std::string& preset = "default") {
  EnableDraft draft;
  draft.machines = machines;
  draft.preset = preset;
  return draft;
}

DisableDraft disabling(const std::vector<std::string>& machines) {
  DisableDraft draft;
  draft.machines = machines;
  return draft;
}

MachineDraft machine(const std::string& id, const std::string& os, const std::string& address) {
  auto draft = machine_draft("x", {address});
  draft.id = id;
  draft.os = os;
  return draft;
}

std::string id_in(const std::string& subscription_id, const std::string& group, const std::string& name) {
  return "/subscriptions/" + subscription_id + "/resourceGroups/" + group + "/providers/Microsoft.Compute/virtualMachines/" + name;
}

std::vector<std::string> targets_of(const Error& error) {
  std::vector<std::string> targets;
  for (const auto& fault : error.faults) targets.push_back(fault.target);
  return targets;
}

struct EnableWorld : GateWorld {
  EnableWorld() {
    settings.location = "westeurope";
    restart();
    furnish();
    REQUIRE(gate->put_machine(admin(), machine(machine_id("vm3"), "linux", "10.0.0.3")));
    REQUIRE(gate->put_machine(admin(), machine(id_in(subscription, "other", "win1"), "windows", "10.0.0.4")));
    REQUIRE(gate->put_machine(admin(), machine(id_in(other_subscription, "lab", "vm5"), "linux", "10.0.0.5")));
  }
};

}  // namespace

TEST_CASE("machines of three groups are enabled in one step, each by its system, and nobody else's rules change") {
  EnableWorld world;
  const auto open = world.granted(alice(), ask("vm1"));
  const auto before = world.store.policies().at(policy_id().key());
  const auto records = world.store.records().size();
  const auto views = world.gate->enable_machines(admin(), enabling({"vm3", "win1", "vm5"}));
  REQUIRE(views);
  REQUIRE(views->size() == 3);
  for (const auto& view : *views) CHECK(view.state == "configured");
  CHECK(views->at(1).ports.at(0).number == 3389);
  CHECK(views->at(1).ports.at(0).max_duration == 3h);
  CHECK(views->at(1).ports.at(0).sources == std::vector<Source>{Source{}});
  CHECK(world.guards("10.0.0.3", 22));
  CHECK_FALSE(world.guards("10.0.0.3", 3389));
  CHECK(world.guards("10.0.0.4", 3389));
  CHECK(world.guards("10.0.0.5", 22));
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.grant(open.serial).state == GrantState::live);

  const auto after = world.store.policies().at(policy_id().key());
  REQUIRE(after.machines.size() == 3);
  CHECK(after.generation == before.generation);
  CHECK(after.machines[0].ports.size() == before.machines[0].ports.size());
  CHECK(world.store.policies().size() == 3);
  const auto told = world.records_since(records);
  REQUIRE(told.size() == 3);  // one for each policy that changed
  for (const auto& record : told) {
    CHECK(record.operation == "machine.enable");
    CHECK(record.machines.size() == 1);
  }
  world.require_in_step();
}

TEST_CASE("the recommended ports leave alone what policies have rules for, and doing it twice changes nothing") {
  EnableWorld world;
  REQUIRE(world.gate->enable_machines(admin(), enabling({"vm1", "vm3"}, "recommended")));
  const auto policy = world.store.policies().at(policy_id().key());
  REQUIRE(policy.machines.size() == 3);
  CHECK(policy.machines[0].ports.size() == 4);
  CHECK(policy.machines[0].ports[1].number == 3389);
  CHECK(policy.machines[0].ports[1].max_duration == 1h);  // as it was
  for (const auto port : world.settings.recommended_ports) CHECK(world.guards("10.0.0.3", port));
  CHECK_FALSE(world.guards("10.0.0.2", 5985));
  const auto records = world.store.records().size();
  REQUIRE(world.gate->enable_machines(admin(), enabling({"vm1", "vm3"}, "recommended")));
  REQUIRE(world.store.records().size() == records + 1);
  CHECK(world.store.records().back().policy.empty());
  world.require_in_step();
}

TEST_CASE("named rules take the place of those with their number") {
  EnableWorld world;
  EnableDraft draft;
  draft.machines = {"vm2", "vm3"};
  draft.ports.resize(1);
  draft.ports[0].number = "22";
  draft.ports[0].protocol = "TCP";
  draft.ports[0].max_duration = "PT30M";
  REQUIRE(world.gate->enable_machines(admin(), draft));
  const auto policy = world.store.policies().at(policy_id().key());
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    REQUIRE(policy.machines[i].ports.size() == 1);
    CHECK(policy.machines[i].ports[0].max_duration == 30min);
  }
  CHECK(policy.machines[0].ports[0].max_duration == 3h);
  world.require_in_step();
}

TEST_CASE("what cannot be enabled is told, each with its place, and nothing is") {
  EnableWorld world;
  REQUIRE(world.gate->put_machine(admin(), machine(machine_id("bare"), "linux", "10.0.0.6")));
  auto excluded = machine(machine_id("bare"), "linux", "10.0.0.6");
  excluded.excluded = "in the lab's own cage";
  REQUIRE(world.gate->put_machine(admin(), excluded));
  auto silent = machine(machine_id("silent"), "", "10.0.0.7");
  REQUIRE(world.gate->put_machine(admin(), silent));
  REQUIRE(world.gate->put_machine(admin(), machine_draft("nowhere", {})));
  const auto policies = world.store.policies().size();
  const auto refused = world.gate->enable_machines(admin(), enabling({"vm3", "nobody", "bare", "silent", "nowhere", "vm3"}));
  REQUIRE_FALSE(refused);
  CHECK(targets_of(refused.error()) == std::vector<std::string>{"machines[1]", "machines[5]", "machines[2]", "machines[3]", "machines[4]"});
  CHECK(world.store.policies().size() == policies);
  CHECK_FALSE(world.guards("10.0.0.3", 22));
  CHECK(world.store.records().back().outcome == Outcome::refused);

  CHECK_FALSE(world.gate->enable_machines(admin(), enabling({})));
  CHECK(targets_of(world.gate->enable_machines(admin(), enabling({"vm3"}, "all")).error()) == std::vector<std::string>{"ports"});
  EnableDraft wrong;
  wrong.machines = {"vm3", "win1"};
  wrong.ports.resize(1);
  wrong.ports[0].number = "0";
  wrong.ports[0].protocol = "TCP";
  wrong.ports[0].max_duration = "PT3H";
  CHECK(targets_of(world.gate->enable_machines(admin(), wrong).error()) == std::vector<std::string>{"ports[0].number"});
}

TEST_CASE("the mode of a policy that others stand in is not changed on the way") {
  EnableWorld world;
  auto draft = enabling({"vm3"});
  draft.mode = "monitor";
  const auto refused = world.gate->enable_machines(admin(), draft);
  REQUIRE_FALSE(refused);
  CHECK(targets_of(refused.error()) == std::vector<std::string>{"mode"});
  draft.machines = {"win1"};
  REQUIRE(world.gate->enable_machines(admin(), draft));
  CHECK(world.guards("10.0.0.4", 3389));
  CHECK_FALSE(verdicts_of(world.dataplane.maps).enforced.contains({parse_prefix("10.0.0.4").value(), 3389, Protocol::tcp}));
}

TEST_CASE("who may not write a group's policies enables and disables nothing of it") {
  EnableWorld world;
  const auto greta = person("greta", "admin", "203.0.113.7", "/subscriptions/" + subscription + "/resourceGroups/other");
  CHECK(world.gate->enable_machines(greta, enabling({"win1"})));
  CHECK_FALSE(world.gate->enable_machines(greta, enabling({"win1", machine_id("vm3")})));
  CHECK(world.store.records().back().outcome == Outcome::refused);
  CHECK_FALSE(world.guards("10.0.0.3", 22));
  for (const auto* role : {"reader", "requester", "operator", "auditor"}) {
    CHECK(world.gate->enable_machines(person("eve", role), enabling({"vm3"})).error().code == ErrorCode::authorization_failed);
    CHECK(world.gate->disable_machines(person("eve", role), disabling({"vm1"})).error().code == ErrorCode::authorization_failed);
  }
  CHECK(world.guards("10.0.0.1", 22));
}

TEST_CASE("disabling takes a machine out of every policy, ends its grants and nobody else's") {
  EnableWorld world;
  REQUIRE(world.gate->put_policy(admin(), policy_id("second"), policy_draft({{"vm1", {{"5985"}}}, {"vm2", {{"5985"}}}})));
  const auto hers = world.granted(alice(), ask("vm1"));
  const auto his = world.granted(bob(), ask("vm2"));
  const auto records = world.store.records().size();
  const auto views = world.gate->disable_machines(admin(), disabling({"vm1"}));
  REQUIRE(views);
  CHECK(views->at(0).state == "not_configured");
  CHECK_FALSE(world.guards("10.0.0.1", 22));
  CHECK_FALSE(world.guards("10.0.0.1", 5985));
  CHECK(world.guards("10.0.0.2", 22));
  CHECK(world.guards("10.0.0.2", 5985));
  CHECK(world.grant(hers.serial).state == GrantState::ended);
  CHECK(world.grant(his.serial).state == GrantState::live);
  CHECK(world.records_since(records).size() == 2);
  world.require_in_step();
}

TEST_CASE("an excluded machine says why, no policy can take it in, and one that stands in a policy cannot be excluded") {
  EnableWorld world;
  auto draft = machine(machine_id("vm3"), "linux", "10.0.0.3");
  draft.excluded = "decommissioned on Friday";
  REQUIRE(world.gate->put_machine(admin(), draft));
  const auto view = world.gate->get_machine(admin(), "vm3");
  CHECK(view->state == "unsupported");
  CHECK(view->reason.find("decommissioned on Friday") != std::string::npos);
  CHECK(world.gate->put_policy(admin(), policy_id("new"), policy_draft({{"vm3", {{}}}})).error().code == ErrorCode::conflict);
  draft.excluded.reset();
  REQUIRE(world.gate->put_machine(admin(), draft));  // an inventory that does not know of it leaves it
  CHECK(world.gate->get_machine(admin(), "vm3")->state == "unsupported");
  world.restart();
  CHECK(world.gate->get_machine(admin(), "vm3")->state == "unsupported");
  draft.excluded = "";
  REQUIRE(world.gate->put_machine(admin(), draft));
  CHECK(world.gate->get_machine(admin(), "vm3")->state == "not_configured");

  auto guarded = machine_draft("vm1", {"10.0.0.1", "2001:db8::1"});
  guarded.excluded = "no more";
  CHECK(world.gate->put_machine(admin(), guarded).error().code == ErrorCode::conflict);
  CHECK(targets_of(world.gate->put_machines(admin(), {{}, {guarded}}).error()) == std::vector<std::string>{"machines[0].excluded"});
  guarded.excluded = std::string("a\x1b[31m");
  CHECK(world.gate->put_machine(admin(), guarded).error().code == ErrorCode::invalid_machine_input);
  CHECK(world.guards("10.0.0.1", 22));
}

TEST_CASE("machines are listed by state, subscription and group") {
  EnableWorld world;
  const auto names = [&](const MachineFilter& filter) {
    const auto views = world.gate->list_machines(admin(), filter);
    std::vector<std::string> found;
    for (const auto& view : *views) found.push_back(view.machine.name);
    return found;
  };
  CHECK(names({"configured", "", ""}) == std::vector<std::string>{"vm1", "vm2"});
  CHECK(names({"not_configured", subscription, "LAB"}) == std::vector<std::string>{"vm3"});
  CHECK(names({"", other_subscription, ""}) == std::vector<std::string>{"vm5"});
  CHECK(names({"unsupported", "", ""}).empty());
}
