// SPDX-License-Identifier: Apache-2.0
// Roles that the configuration adds: what is wrong with them, what they grant, and that nobody climbs by them.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const std::string jit = "Microsoft.Security/locations/jitNetworkAccessPolicies/";

struct RoleWorld : GateWorld {
  explicit RoleWorld(std::vector<Role> roles) {
    settings.roles = std::move(roles);
    restart();
    furnish();
  }
};

TokenDraft token_for(const std::string& name, const std::string& role, const std::string& scope = "/") {
  TokenDraft draft;
  draft.principal = name;
  draft.role = role;
  draft.scope = scope;
  return draft;
}

std::vector<std::string> places(const std::vector<Fault>& faults) {
  std::vector<std::string> found;
  for (const auto& fault : faults) found.push_back(fault.target);
  return found;
}

}  // namespace

TEST_CASE("what is wrong with roles of one's own, each with its place") {
  struct Row {
    const char* name;
    std::vector<Role> roles;
    std::vector<std::string> places;
  };
  const auto row = GENERATE(values<Row>({
      {"good ones", {{"night shift", {jit + "*/read"}, {}}, {"all but audit", {"*"}, {"*/audit/read"}}}, {}},
      {"with Azure's other actions", {{"jit", {jit + "initiate/action", "Microsoft.Compute/virtualMachines/read"}, {}}}, {}},
      {"a built-in's name", {{"Admin", {"*/read"}, {}}}, {"Admin"}},
      {"no name", {{"", {"*"}, {}}}, {""}},
      {"a name with a slash", {{"a/b", {"*"}, {}}}, {"a/b"}},
      {"a name between blanks", {{" admin", {"*"}, {}}}, {" admin"}},
      {"one name in two cases", {{"ops", {"*"}, {}}, {"OPS", {"*"}, {}}}, {"OPS"}},
      {"no action", {{"ops", {}, {}}}, {"ops.actions"}},
      {"only unknown actions", {{"ops", {"Microsoft.Compute/*"}, {}}}, {"ops.actions"}},
      {"everything taken away", {{"ops", {"*/read"}, {"*"}}}, {"ops.actions"}},
      {"an empty pattern", {{"ops", {"*", ""}, {}}}, {"ops.actions[1]"}},
      {"a pattern with a blank", {{"ops", {"*", "a b"}, {}}}, {"ops.actions[1]"}},
      {"a misspelt notAction", {{"ops", {"*"}, {"Postern/audits/read"}}}, {"ops.notActions[0]"}},
      {"all at once",
       {{"reader", {"*"}, {}}, {"x/y", {""}, {"nothing"}}},
       {"reader", "x/y", "x/y.actions[0]", "x/y.notActions[0]", "x/y.actions"}},
  }));
  INFO(row.name);
  CHECK(places(faults_of(row.roles)) == row.places);
}

TEST_CASE("too many roles, patterns and letters are refused") {
  CHECK(places(faults_of(std::vector<Role>(101, Role{"", {"*"}, {}}))).front().empty());
  CHECK(places(faults_of({{"ops", std::vector<std::string>(101, "*"), {}}})) == std::vector<std::string>{"ops.actions"});
  CHECK(faults_of({{"ops", {"*", std::string(257, 'x')}, {}}}).size() == 1);
  CHECK(faults_of({{std::string(65, 'x'), {"*"}, {}}}).size() == 1);
  CHECK(faults_of({{std::string(64, 'x'), {"*", std::string(256, 'x')}, {}}}).empty());
}

TEST_CASE("a role of one's own grants what it says, in any case, and is listed beside the built-in ones") {
  RoleWorld world(std::vector<Role>{{"Night Shift", {jit + "*/read", jit + "initiate/action"}, {}}});
  CHECK(world.gate->initiate(person("kim", "night SHIFT"), policy_id(), ask("vm1")));
  CHECK(world.gate->get_policy(person("kim", "Night Shift"), policy_id()));
  CHECK_FALSE(world.gate->list_machines(person("kim", "Night Shift")));
  const auto roles = world.gate->list_roles(person("kim", "reader", "", group_scope));
  REQUIRE(roles);
  REQUIRE(roles->size() == 7);
  CHECK(roles->back().role.name == "Night Shift");
  CHECK_FALSE(roles->back().built_in);
  CHECK(roles->front().built_in);
  const auto before = world.store.records().size();
  CHECK(world.gate->list_roles(alice()).error().code == ErrorCode::authorization_failed);
  REQUIRE(world.records_since(before).size() == 1);
  CHECK(world.records_since(before).front().operation == "role.list");
}

TEST_CASE("a token whose role is gone grants nothing, and the status says so") {
  RoleWorld world(std::vector<Role>{{"ops", {"*"}, {"Postern/audit/read"}}});
  const auto issued = world.gate->issue_token(admin(), token_for("kim", "OPS"));
  REQUIRE(issued);
  CHECK(issued->token.principal.assignments.front().role == "ops");
  CHECK(world.gate->warnings().empty());
  const auto as_kim = [&] { return Caller{world.gate->authenticate(issued->secret).value(), std::nullopt, "", ""}; };
  CHECK(world.gate->list_machines(as_kim()));

  world.settings.roles.clear();
  world.restart();
  CHECK(world.gate->list_machines(as_kim()).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->list_tokens(as_kim()).error().code == ErrorCode::authorization_failed);
  CHECK(world.gate->initiate(as_kim(), policy_id(), ask("vm1")).error().code == ErrorCode::authorization_failed);
  REQUIRE(world.gate->warnings().size() == 1);
  CHECK(world.gate->warnings().front().find("'ops'") != std::string::npos);
  CHECK(world.gate->gate_status(admin())->warnings == world.gate->warnings());
  REQUIRE(world.gate->erase_token(admin(), issued->token.id).value());
  CHECK(world.gate->warnings().empty());
}

TEST_CASE("many tokens without a role make few warnings, ended ones none") {
  RoleWorld world(std::vector<Role>{{"ops", {"*"}, {}}});
  for (int i = 0; i < 8; ++i) {
    auto draft = token_for("kim", "ops");
    if (i == 7) draft.duration = "PT1H";
    REQUIRE(world.gate->issue_token(admin(), draft));
  }
  world.settings.roles.clear();
  world.restart();
  CHECK(world.gate->warnings().size() == 6);
  CHECK(world.gate->warnings().back().find("3 more") != std::string::npos);
  world.clock.advance(2h);
  CHECK(world.gate->warnings().back().find("2 more") != std::string::npos);
}

// Attacks of a person whose job is to hand out tokens.
TEST_CASE("who issues tokens hands on no more than he holds, there") {
  RoleWorld world({
      {"clerk", {"Postern/tokens/*", jit + "read", jit + "initiate/action", "Postern/machines/read"}, {}},
      {"blind admin", {"*"}, {"Postern/audit/read"}},
      {"wild", {jit + "*/read", "*/INITIATE/*", "Postern/m*s/read"}, {}},
      {"wilder", {"*/initiate/*", "*s/write"}, {}},
      {"nearly", {"*"}, {jit + "*/read"}},
  });
  const auto clerk = person("carl", "clerk", "", group_scope);
  struct Row {
    const char* name;
    std::string role, scope;
    bool allowed;
  };
  const auto row = GENERATE(values<Row>({
      {"what he holds", "requester", group_scope, true},
      {"what he holds, on a machine", "requester", machine_id("vm1"), true},
      {"his own role", "clerk", group_scope, true},
      {"his own role with a slash behind", "clerk", group_scope + "/", true},
      {"admin", "admin", group_scope, false},
      {"admin in another case", "ADMIN", group_scope, false},
      {"admin of one machine", "admin", machine_id("vm1"), false},
      {"reader, who sees the gate", "reader", group_scope, false},
      {"approver", "approver", group_scope, false},
      {"nearly an admin", "blind admin", group_scope, false},
      {"a wildcard that comes to what he holds", "wild", group_scope, true},
      {"a wildcard that comes to more", "wilder", group_scope, false},
      {"all but reading", "nearly", group_scope, false},
      {"what he holds, everywhere", "requester", "/", false},
      {"what he holds, beside", "requester", group_scope + "2", false},
      {"what he holds, above", "requester", "/subscriptions/" + subscription, false},
      {"no scope", "requester", "", false},
  }));
  INFO(row.name);
  const auto before = world.store.records().size();
  const auto issued = world.gate->issue_token(clerk, token_for("carl", row.role, row.scope));
  CHECK(issued.has_value() == row.allowed);
  if (!issued) CHECK(issued.error().code == ErrorCode::authorization_failed);
  REQUIRE(world.records_since(before).size() == 1);
  CHECK(world.records_since(before).front().outcome == (row.allowed ? Outcome::allowed : Outcome::refused));
  CHECK(world.gate->list_tokens(admin())->size() == (row.allowed ? 1 : 0));
}

TEST_CASE("the rights of two roles may be handed on together, but neither beyond its own scope") {
  RoleWorld world(std::vector<Role>{{"clerk", {"Postern/tokens/*"}, {}}});
  auto carl = person("carl", "clerk", "", "/");
  carl.principal.assignments.push_back({"requester", group_scope});
  CHECK(world.gate->issue_token(carl, token_for("kim", "requester", group_scope)));
  CHECK_FALSE(world.gate->issue_token(carl, token_for("kim", "requester", "/")));
  CHECK_FALSE(world.gate->issue_token(carl, token_for("kim", "requester", group_scope + "2")));
}

TEST_CASE("a token with several assignments: all of them are judged, and all must be in reach of who reads or erases it") {
  RoleWorld world(std::vector<Role>{{"clerk", {"Postern/tokens/*", jit + "*", "Postern/machines/*"}, {}}});
  TokenDraft draft;
  draft.principal = "kim";
  draft.assignments = {{"requester", machine_id("vm1")}, {"requester", machine_id("vm2")}};
  const auto clerk = person("carl", "clerk", "", group_scope);
  const auto issued = world.gate->issue_token(clerk, draft);
  REQUIRE(issued);
  const Caller kim{world.gate->authenticate(issued->secret).value(), parse_address("203.0.113.7").value(), "", ""};
  CHECK(world.gate->initiate(kim, policy_id(), access_draft({{"vm1", {{}}}, {"vm2", {{}}}})));

  const auto of_vm1 = person("otto", "clerk", "", machine_id("vm1"));
  CHECK(world.gate->list_tokens(clerk)->size() == 1);
  CHECK(world.gate->list_tokens(of_vm1)->empty());
  CHECK_FALSE(world.gate->erase_token(of_vm1, issued->token.id).value());  // as if there were none
  CHECK(world.gate->erase_token(clerk, issued->token.id).value());

  draft.assignments->push_back({"requester", "/"});
  CHECK(world.gate->issue_token(clerk, draft).error().code == ErrorCode::authorization_failed);
  draft.assignments->back() = {"admin", group_scope};
  CHECK(world.gate->issue_token(clerk, draft).error().code == ErrorCode::authorization_failed);
  draft.assignments = {{"king", "/"}, {std::nullopt, "x"}};
  draft.role = "requester";
  CHECK(places(world.gate->issue_token(admin(), draft).error().faults) ==
        std::vector<std::string>{"assignments", "assignments[0].role", "assignments[1].role", "assignments[1].scope"});
  draft.assignments->clear();
  draft.role.reset();
  CHECK(places(world.gate->issue_token(admin(), draft).error().faults) == std::vector<std::string>{"assignments"});
}
