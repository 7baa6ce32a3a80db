// SPDX-License-Identifier: Apache-2.0
// The inventory, tokens and revocation: what they change, and who may.
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

TEST_CASE("a machine that moves takes its guard and its grants along") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm1", {"10.0.0.9"})));
  CHECK(world.admits("203.0.113.7", "10.0.0.9", 22));
  CHECK(world.guards("10.0.0.9", 3389));
  CHECK_FALSE(world.guards("10.0.0.1", 22));
  world.require_in_step();
}

TEST_CASE("a machine that a policy names is not erased: its ports would stand open") {
  GateWorld world;
  world.furnish();
  const auto refused = world.gate->erase_machine(admin(), "vm2");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::conflict);
  CHECK(refused.error().message.find(policy_id().path()) != std::string::npos);
  CHECK(world.guards("10.0.0.2", 22));
  REQUIRE(world.gate->put_policy(admin(), policy_id(), policy_draft({{"vm1", {{}}}})));
  CHECK(world.gate->erase_machine(admin(), "VM2").value());
  CHECK_FALSE(world.gate->erase_machine(admin(), "vm2").value());
}

TEST_CASE("two machines cannot have one address") {
  GateWorld world;
  world.furnish();
  const auto refused = world.gate->put_machine(admin(), machine_draft("vm3", {"10.0.0.3", "10.0.0.2"}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::conflict);
  CHECK(refused.error().target == "addresses[1]");
}

TEST_CASE("an inventory is taken whole") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  const auto records = world.store.records().size();
  // vm1 and vm2 change places, which one by one they could not.
  const auto taken = world.gate->put_machines(
      admin(), {{}, {machine_draft("vm2", {"10.0.0.1"}), machine_draft("vm1", {"10.0.0.2"}), machine_draft("vm3", {"10.0.0.3"})}});
  REQUIRE(taken);
  CHECK(taken->size() == 3);
  CHECK(world.admits("203.0.113.7", "10.0.0.2", 22));
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.gate->get_machine(admin(), "vm3")->state == "not_configured");
  REQUIRE(world.store.records().size() == records + 3);
  CHECK(world.store.records().back().machines == std::vector<std::string>{machine_id("vm3")});
  world.require_in_step();
}

TEST_CASE("an inventory with a fault changes nothing, and every fault is told with its place") {
  GateWorld world;
  world.furnish();
  struct Row {
    std::vector<MachineDraft> machines;
    ErrorCode code;
    std::vector<std::string> targets;
  };
  MachineDraft nameless;
  auto wrong = machine_draft("vm4", {"10.0.0.4"});
  wrong.faults.push_back({"Must be a string.", "os"});
  const std::vector<Row> rows{
      {{}, ErrorCode::invalid_machine_input, {"machines"}},
      {{machine_draft("vm3", {"10.0.0.3"}), nameless, machine_draft("vm5", {"x", "0.0.0.0/0"}), wrong},
       ErrorCode::invalid_machine_input,
       {"machines[1].name", "machines[2].addresses[0]", "machines[2].addresses[1]", "machines[3].os"}},
      {{machine_draft("vm3", {"10.0.0.3"}), machine_draft("VM3", {})}, ErrorCode::invalid_machine_input, {"machines[1]"}},
      {{machine_draft("vm3", {"10.0.0.2"})}, ErrorCode::conflict, {"machines[0].addresses[0]"}},
      {{machine_draft("vm3", {"10.0.0.3"}), machine_draft("vm4", {"10.0.0.0/28"})},
       ErrorCode::conflict,
       {"machines[0].addresses[0]", "machines[1].addresses[0]", "machines[1].addresses[0]", "machines[1].addresses[0]"}},
      {std::vector<MachineDraft>(inventory_machines_max + 1), ErrorCode::invalid_machine_input, {"machines"}},
  };
  for (const auto& row : rows) {
    const auto refused = world.gate->put_machines(admin(), {{}, row.machines});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == row.code);
    std::vector<std::string> targets;
    for (const auto& fault : refused.error().faults) targets.push_back(fault.target);
    CHECK(targets == row.targets);
    CHECK(world.gate->list_machines(admin())->size() == 2);
    CHECK(world.store.records().back().outcome == Outcome::refused);
  }
}

TEST_CASE("an inventory with one machine that its sender may not register is refused whole") {
  GateWorld world;
  world.furnish();
  const std::string other_group = "/subscriptions/" + subscription + "/resourceGroups/other";
  const auto greta = person("greta", "admin", "203.0.113.7", other_group);
  MachineDraft own;
  own.id = other_group + "/providers/Microsoft.Compute/virtualMachines/vm8";
  CHECK(world.gate->put_machines(greta, {{}, {own}}));
  CHECK(world.gate->put_machines(greta, {{}, {own, machine_draft("vm9", {"10.0.0.9"})}}).error().code ==
        ErrorCode::authorization_failed);
  CHECK(world.gate->put_machines(person("eve", "reader"), {}).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->get_machine(admin(), "vm9").error().code == ErrorCode::machine_not_found);
}

TEST_CASE("a machine's name is enough, unless two have it") {
  GateWorld world;
  world.furnish();
  CHECK(world.gate->get_machine(admin(), "VM1")->machine.id == machine_id("vm1"));
  CHECK(world.gate->get_machine(admin(), machine_id("VM1"))->machine.id == machine_id("vm1"));
  CHECK(world.gate->get_machine(admin(), "vm9").error().code == ErrorCode::machine_not_found);
  MachineDraft twin;
  twin.name = "vm1";
  REQUIRE(world.gate->put_machine(admin(), twin));
  CHECK(world.gate->get_machine(admin(), "vm1").error().code == ErrorCode::conflict);
}

TEST_CASE("machines are configured, not configured or unsupported") {
  GateWorld world;
  world.furnish();
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm3", {"10.0.0.3"})));
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm4", {})));
  const auto vm1 = world.gate->get_machine(admin(), "vm1");
  CHECK(vm1->state == "configured");
  REQUIRE(vm1->ports.size() == 2);
  CHECK(vm1->ports[0].number == 22);
  CHECK(world.gate->get_machine(admin(), "vm3")->state == "not_configured");
  CHECK(world.gate->get_machine(admin(), "vm4")->state == "unsupported");
  CHECK_FALSE(world.gate->get_machine(admin(), "vm4")->reason.empty());
}

TEST_CASE("every fault of a machine is told with its place") {
  GateWorld world;
  auto draft = machine_draft("vm1", {"10.0.0.300", "0.0.0.0/0"}, {{"192.0.2.1/24", "0", "icmp", "x"}});
  draft.name = "vm2";
  draft.os = "beos";
  const auto refused = world.gate->put_machine(admin(), draft);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::invalid_machine_input);
  std::vector<std::string> targets;
  for (const auto& fault : refused.error().faults) targets.push_back(fault.target);
  CHECK(targets == std::vector<std::string>{"name", "os", "addresses[0]", "addresses[1]", "forwards[0].address"});
}

TEST_CASE("UDP to a port of DHCP cannot be forwarded to a guarded one") {
  GateWorld world;
  const auto refused =
      world.gate->put_machine(admin(), machine_draft("vm1", {"10.0.0.3"}, {{"192.0.2.1", "67", "udp", "3389"}}));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().faults.at(0).target == "forwards[0].port");
  CHECK(world.gate->put_machine(admin(), machine_draft("vm1", {"10.0.0.3"}, {{"192.0.2.1", "67", "tcp", "3389"}})));
}

TEST_CASE("who may change and see machines") {
  GateWorld world;
  world.furnish();
  for (const auto* role : {"reader", "requester", "operator", "auditor"}) {
    INFO(role);
    CHECK(world.gate->put_machine(person("eve", role), machine_draft("vm3", {})).error().code ==
          ErrorCode::authorization_failed);
    CHECK(world.gate->erase_machine(person("eve", role), "vm1").error().code == ErrorCode::authorization_failed);
    CHECK(world.gate->list_machines(person("eve", role))->size() == 2);
  }
  CHECK(world.gate->list_machines(person("eve", "reader", "", machine_id("vm1")))->size() == 1);
  CHECK_FALSE(world.gate->get_machine(person("eve", "reader", "", machine_id("vm1")), "vm2"));
}

TEST_CASE("a failsafe service is guarded in name only") {
  GateWorld world;
  world.settings.failsafe_services = {{parse_prefix("10.0.0.0/24").value(), 22, Protocol::tcp}};
  world.settings.failsafe_sources = {parse_prefix("192.0.2.0/24").value()};
  world.restart();
  world.furnish();
  const auto service = [&](const char* address, std::uint16_t port) {
    return world.dataplane.maps.services.at({parse_prefix(address).value(), port, Protocol::tcp});
  };
  CHECK(service("10.0.0.1", 22).failsafe);
  CHECK_FALSE(service("10.0.0.1", 3389).failsafe);
  CHECK_FALSE(service("2001:db8::1", 22).failsafe);
  CHECK(world.dataplane.maps.failsafe_sources == std::set<Prefix>{parse_prefix("192.0.2.0/24").value()});
  world.settings.failsafe_sources.clear();
  world.restart();
  CHECK(world.dataplane.maps.failsafe_sources.empty());
}

TEST_CASE("who may revoke") {
  GateWorld world;
  world.furnish();
  const auto grant = world.granted(alice(), ask("vm1"));
  const auto before = world.store.records().size();
  SECTION("the requestor himself") {
    CHECK(world.gate->revoke(alice(), grant.serial));
  }
  SECTION("an operator") {
    CHECK(world.gate->revoke(person("olga", "operator"), grant.serial));
  }
  SECTION("an operator, twice: it had ended already") {
    CHECK(world.gate->revoke(person("olga", "operator"), grant.serial));
    CHECK(world.gate->revoke(person("olga", "operator"), grant.serial)->grant.ended_by == "olga");
    CHECK(world.store.records().size() == before + 2);
    return;
  }
  SECTION("not another requester") {
    CHECK(world.gate->revoke(bob(), grant.serial).error().code == ErrorCode::authorization_failed);
    CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  }
  SECTION("not somebody of the same name without the role") {
    CHECK(world.gate->revoke(person("alice@example.com", "reader"), grant.serial).error().code ==
          ErrorCode::authorization_failed);
  }
  SECTION("nobody, what is not there") {
    CHECK(world.gate->revoke(admin(), 99).error().code == ErrorCode::grant_not_found);
  }
  CHECK(world.store.records().size() == before + 1);
  world.require_in_step();
}

TEST_CASE("revoking a policy's ports ends those named, of others only with the right") {
  GateWorld world;
  world.furnish();
  const auto hers = world.granted(alice(), ask("vm1"));
  const auto his = world.granted(bob(), ask("vm1"));
  const auto beside = world.granted(alice(), ask("vm2"));
  AccessDraft draft = ask("vm1");
  draft.machines[0].ports[0].duration.reset();
  SECTION("one's own") {
    CHECK(world.gate->revoke_ports(alice(), policy_id(), draft)->size() == 1);
    CHECK(world.grant(his.serial).state == GrantState::live);
  }
  SECTION("everybody's") {
    CHECK(world.gate->revoke_ports(person("olga", "operator"), policy_id(), draft)->size() == 2);
    CHECK(world.grant(his.serial).state == GrantState::ended);
  }
  SECTION("of one source") {
    draft.machines[0].ports[0].source = "203.0.113.7";
    CHECK(world.gate->revoke_ports(person("olga", "operator"), policy_id(), draft)->size() == 1);
    CHECK(world.grant(his.serial).state == GrantState::live);
  }
  CHECK(world.grant(hers.serial).state == GrantState::ended);
  CHECK(world.grant(beside.serial).state == GrantState::live);
  world.require_in_step();
}

TEST_CASE("grants are listed by machine and person, to those who may read") {
  GateWorld world;
  world.furnish();
  world.granted(alice(), ask("vm1"));
  world.granted(bob(), ask("vm2"));
  CHECK(world.gate->list_grants(admin(), {})->size() == 2);
  CHECK(world.gate->list_grants(admin(), {"VM1", "", false})->size() == 1);
  CHECK(world.gate->list_grants(admin(), {machine_id("vm2"), "", false})->size() == 1);
  CHECK(world.gate->list_grants(admin(), {"", "bob@example.com", false})->size() == 1);
  CHECK(world.gate->list_grants(person("eve", "reader", "", machine_id("vm2")), {})->size() == 1);
  CHECK(world.gate->list_grants({{"nobody", {}}, {}, "", ""}, {}).error().code == ErrorCode::authorization_failed);
}

TEST_CASE("tokens: shown once, known by hash, good until they end or are erased") {
  GateWorld world;
  TokenDraft draft;
  draft.principal = "alice@example.com";
  draft.role = "Requester";
  draft.duration = "PT1H";
  const auto issued = world.gate->issue_token(admin(), draft);
  REQUIRE(issued);
  CHECK(issued->token.hash != issued->secret);
  world.restart();
  const auto principal = world.gate->authenticate(issued->secret);
  REQUIRE(principal);
  CHECK(principal->name == "alice@example.com");
  CHECK(principal->assignments.at(0).role == "requester");
  CHECK(world.gate->authenticate(issued->token.hash).error().code == ErrorCode::invalid_token);
  CHECK(world.gate->authenticate("").error().code == ErrorCode::invalid_token);
  CHECK(world.gate->list_tokens(admin())->size() == 1);
  for (const auto& record : world.store.records()) CHECK(record.detail.find(issued->secret) == std::string::npos);
  SECTION("it ends") {
    world.clock.advance(1h);
    CHECK(world.gate->authenticate(issued->secret).error().code == ErrorCode::expired_token);
  }
  SECTION("it is erased") {
    CHECK(world.gate->erase_token(admin(), issued->token.id).value());
    CHECK(world.gate->authenticate(issued->secret).error().code == ErrorCode::invalid_token);
    CHECK_FALSE(world.gate->erase_token(admin(), issued->token.id).value());
  }
}

TEST_CASE("nobody issues rights beyond his own scope") {
  GateWorld world;
  const auto of_group = person("greta", "admin", "", group_scope);
  TokenDraft draft;
  draft.principal = "greta2";
  draft.role = "admin";
  CHECK(world.gate->issue_token(of_group, draft).error().code == ErrorCode::authorization_failed);
  draft.scope = group_scope;
  CHECK(world.gate->issue_token(of_group, draft));
  CHECK(world.gate->issue_token(person("eve", "operator"), draft).error().code == ErrorCode::authorization_failed);
  draft.role = "emperor";
  draft.principal = "line\nbreak";
  draft.duration = "P100000D";
  CHECK(world.gate->issue_token(admin(), draft).error().faults.size() == 3);
}

TEST_CASE("who may look") {
  GateWorld world;
  CHECK(world.gate->gate_status(person("r", "reader")));
  CHECK_FALSE(world.gate->gate_status(person("q", "requester")));
  CHECK(world.gate->audit(person("a", "auditor"), {}));
  CHECK(world.gate->verify_audit(person("a", "auditor")));
  CHECK_FALSE(world.gate->audit(person("r", "reader"), {}));
  CHECK_FALSE(world.gate->list_tokens(person("o", "operator")));
  CHECK(world.store.records().size() == 3);  // the refusals
}

TEST_CASE("a machine that the gate does not stand in front of is unsupported, and told what to do") {
  GateWorld world;
  world.furnish();
  const auto v4 = parse_prefix("10.0.0.1").value(), v6 = parse_prefix("2001:db8::1").value();
  const auto view = [&] { return world.gate->get_machine(admin(), "vm1").value(); };
  for (const auto reach : {Reach::unknown, Reach::local, Reach::inside}) {
    world.dataplane.routes = {{v4, {reach, "eth1"}}, {v6, {reach, "eth1"}}};
    CHECK(view().state == "configured");
    CHECK(view().reason.empty());
  }
  world.dataplane.routes = {{v4, {Reach::inside, "eth1"}}, {v6, {Reach::outside, "eth0"}}};  // one way past it
  CHECK(view().state == "configured");
  CHECK(view().reason.find("2001:db8::1 is routed out of eth0") != std::string::npos);
  world.dataplane.routes[v4] = {Reach::none, ""};
  CHECK(view().state == "unsupported");
  CHECK(view().reason.find("no route to 10.0.0.1") != std::string::npos);
  CHECK(view().policies.size() == 1);
  CHECK(world.gate->list_machines(admin(), {"unsupported", "", ""})->size() == 1);
  CHECK(world.guards("10.0.0.1", 22));  // guarded all the same: routes come back
}
