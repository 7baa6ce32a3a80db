// SPDX-License-Identifier: Apache-2.0
// Who gets which answer: every route of both APIs, for each built-in role, over everything, over the group that the call
// is about, and over another group. The table is written out from docs/api.md and docs/azure-api.md, not computed.
#include <sstream>

#include "controlplane/http/routes.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;
using Json = nlohmann::json;

namespace {

const std::string other_group = "/subscriptions/" + subscription + "/resourceGroups/lab2";
const std::string vm1 = machine_id("vm1");
const std::vector<std::string> roles{"reader", "requester", "approver", "operator", "admin", "auditor"};

struct Row {
  const char *method, *pattern;  // of the route
  std::string target;            // <grant>, <token>, <request> and <use> stand for what there is
  std::string body;
  const char *everywhere, *group, *elsewhere;  // statuses, in the order of `roles`; elsewhere: over another group
};

#define SUB "/subscriptions/{sub}"
#define GROUP SUB "/resourceGroups/{rg}"
#define SECURITY "/providers/Microsoft.Security"
#define POLICY GROUP SECURITY "/locations/{loc}/jitNetworkAccessPolicies/{name}"
constexpr const char* all_200 = "200 200 200 200 200 200";
constexpr const char* none = "403 403 403 403 403 403";
constexpr const char* gate = "200 403 403 200 200 200";  // reads what is the gate's as a whole
constexpr const char* admin_200 = "403 403 403 403 200 403";

// clang-format off
const std::vector<Row> rows{
    {"GET", SUB SECURITY "/jitNetworkAccessPolicies", "/subscriptions/" + subscription + SECURITY "/jitNetworkAccessPolicies" + version, "",
     all_200, all_200, all_200},
    {"GET", SUB SECURITY "/locations/{loc}/jitNetworkAccessPolicies",
     "/subscriptions/" + subscription + SECURITY "/locations/westeurope/jitNetworkAccessPolicies" + version, "", all_200, all_200, all_200},
    {"GET", GROUP SECURITY "/jitNetworkAccessPolicies", group_scope + SECURITY "/jitNetworkAccessPolicies" + version, "", all_200, all_200, all_200},
    {"GET", GROUP SECURITY "/locations/{loc}/jitNetworkAccessPolicies",
     group_scope + SECURITY "/locations/westeurope/jitNetworkAccessPolicies" + version, "", all_200, all_200, all_200},
    {"GET", POLICY, policy_path + version, "", all_200, all_200, none},
    {"PUT", POLICY, policy_path + version, policy_body(good_rule), admin_200, admin_200, none},
    {"DELETE", POLICY, policy_path + version, "", admin_200, admin_200, none},
    {"POST", POLICY "/initiate", policy_path + "/initiate" + version, good_ask, "403 202 403 202 202 403", "403 202 403 202 202 403", none},
    {"POST", POLICY "/revoke", policy_path + "/revoke" + version, ask_body(R"("number":22)"),
     "403 202 403 202 202 403", "403 202 403 202 202 403", none},

    {"GET", "/v1/machines", "/v1/machines", "", all_200, all_200, all_200},
    {"POST", "/v1/machines", "/v1/machines", R"({"machines":[{"id":")" + vm1 + R"(","addresses":["10.0.0.1"]}]})", admin_200, admin_200, none},
    {"GET", "/v1/machines/{name}", "/v1/machines/vm1", "", all_200, all_200, "404 404 404 404 404 404"},
    {"PUT", "/v1/machines/{name}", "/v1/machines/vm1", R"({"id":")" + vm1 + R"(","addresses":["10.0.0.1"]})", admin_200, admin_200, none},
    {"DELETE", "/v1/machines/{name}", "/v1/machines/spare", "", "403 403 403 403 204 403", "403 403 403 403 204 403", "403 403 403 403 404 403"},
    {"GET", "/v1/machines/{name}/connection", "/v1/machines/vm1/connection", "", all_200, all_200, "404 404 404 404 404 404"},
    {"POST", "/v1/machines/enable", "/v1/machines/enable", R"({"machines":["spare"],"ports":"recommended"})",
     admin_200, admin_200, "403 403 403 403 400 403"},
    {"POST", "/v1/machines/disable", "/v1/machines/disable", R"({"machines":["vm1"]})", admin_200, admin_200, "403 403 403 403 400 403"},
    {"GET", "/v1/exposure", "/v1/exposure", "", all_200, all_200, all_200},
    {"GET", "/v1/switches", "/v1/switches", "", gate, gate, gate},
    {"PUT", "/v1/switches/{name}", "/v1/switches/global", R"({"enforcing":true})", admin_200, none, none},
    {"GET", "/v1/policies", "/v1/policies", "", all_200, all_200, all_200},
    {"GET", "/v1/requests", "/v1/requests", "", all_200, all_200, all_200},
    {"GET", "/v1/requests/{id}", "/v1/requests/<request>", "", all_200, all_200, "404 404 404 404 404 404"},
    {"POST", "/v1/requests/{id}/approve", "/v1/requests/<request>/approve", "", "403 403 200 403 200 403", "403 403 200 403 200 403",
     "403 403 404 403 404 403"},
    {"POST", "/v1/requests/{id}/deny", "/v1/requests/<request>/deny", "", "403 403 200 403 200 403", "403 403 200 403 200 403",
     "403 403 404 403 404 403"},
    {"POST", "/v1/requests", "/v1/requests", R"({"machines":[{"machine":"vm1","ports":[{"number":22,"duration":"PT1H","sources":["203.0.113.7"]}]}]})",
     "403 201 403 201 201 403", "403 201 403 201 201 403", "403 404 403 404 404 403"},
    {"GET", "/v1/grants", "/v1/grants?all=true", "", all_200, all_200, all_200},
    {"POST", "/v1/grants/{serial}/revoke", "/v1/grants/<grant>/revoke", "", "403 403 403 200 200 403", "403 403 403 200 200 403", "403 404 403 404 404 403"},
    {"POST", "/v1/grants/{serial}/extend", "/v1/grants/<grant>/extend", R"({"duration":"PT2H"})",
     "403 403 403 200 200 403", "403 403 403 200 200 403", "403 404 403 404 404 403"},
    {"GET", "/v1/status", "/v1/status", "", gate, none, none},
    {"GET", "/metrics", "/metrics", "", gate, none, none},
    {"GET", "/v1/gate/explain", "/v1/gate/explain?source=203.0.113.7&destination=10.0.0.1&port=22", "", gate, none, none},
    {"GET", "/v1/gate/services", "/v1/gate/services", "", gate, none, none},
    {"GET", "/v1/gate/events", "/v1/gate/events", "", gate, none, none},
    {"GET", "/v1/events/stream", "/v1/events/stream", "", all_200, all_200, all_200},  // of what he may list
    {"GET", "/v1/tokens", "/v1/tokens", "", "403 403 403 403 200 200", "403 403 403 403 200 200", "403 403 403 403 200 200"},
    {"POST", "/v1/tokens", "/v1/tokens", R"({"principal":"kim","role":"requester","scope":")" + group_scope + R"("})",
     "403 403 403 403 201 403", "403 403 403 403 201 403", none},
    {"DELETE", "/v1/tokens/{id}", "/v1/tokens/<token>", "", "403 403 403 403 204 403", "403 403 403 403 204 403", "403 403 403 403 404 403"},
    {"GET", "/v1/roles", "/v1/roles", "", gate, gate, gate},
    {"GET", "/v1/breakglass", "/v1/breakglass", "", "403 403 403 200 200 200", "403 403 403 200 200 200", "403 403 403 200 200 200"},
    {"POST", "/v1/breakglass", "/v1/breakglass", R"({"principal":"eve","duration":"PT1H","reason":"x","scope":")" + group_scope + R"("})",
     "403 403 403 403 201 403", "403 403 403 403 201 403", none},
    {"DELETE", "/v1/breakglass/{id}", "/v1/breakglass/1?cut=true", "", admin_200, admin_200, "403 403 403 403 404 403"},
    {"POST", "/v1/breakglass/uses/{request}/review", "/v1/breakglass/uses/<use>/review", "",
     "403 403 403 403 200 200", "403 403 403 403 200 200", "403 403 403 403 404 404"},
    {"GET", "/v1/audit", "/v1/audit", "", "403 403 403 200 200 200", none, none},
    {"GET", "/v1/audit/verify", "/v1/audit/verify", "", "403 403 403 200 200 200", none, none},
    {"POST", "/v1/audit/verify", "/v1/audit/verify", R"({"heads":[]})", "403 403 403 200 200 200", none, none},
    {"GET", "/v1/audit/flows", "/v1/audit/flows", "", "403 403 403 200 200 200", none, none},
    {"GET", "/v1/audit/review", "/v1/audit/review", "", "403 403 403 200 200 200", none, none},
};
// clang-format on

std::vector<int> statuses(const char* text) {
  std::istringstream words(text);
  std::vector<int> found;
  for (int status = 0; words >> status;) found.push_back(status);
  return found;
}

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

// The lab with somebody's grant, somebody's token and a machine that no policy names.
struct RightsWorld : ApiWorld {
  RightsWorld() {
    REQUIRE(gate->put_machine(admin(), machine_draft("spare", {"10.0.0.9"})));
    grant = std::to_string(granted(alice(), ask("vm1", {"22", "PT1H", {"203.0.113.7"}})).serial);
    token = issue("alice@example.com", "requester", group_scope).token.id;
    core::ArmingDraft arming;
    arming.principal = "bob@example.com";
    arming.scope = group_scope;
    arming.duration = "PT1H";
    arming.reason = "on call";
    REQUIRE(gate->arm(admin(), arming));
    auto broken = ask("vm2", {"22", "PT1H", {"198.51.100.7"}});
    broken.break_glass = true;
    broken.justification = "locked out";
    use = std::to_string(gate->request(bob(), broken).value().request.id);
    Rule agreed;
    agreed.approval = "approve";
    REQUIRE(gate->put_machine(admin(), machine_draft("slow", {"10.0.0.8"})));
    REQUIRE(gate->put_policy(admin(), policy_id("slow"), policy_draft({{"slow", {agreed}}})));
    request = std::to_string(gate->initiate(alice(), policy_id("slow"), ask("slow", {"22", "PT1H", {"203.0.113.7"}})).value().request.id);
  }
  core::IssuedToken issue(const std::string& name, const std::string& role, const std::string& scope) {
    core::TokenDraft draft;
    draft.principal = name;
    draft.role = role;
    draft.scope = scope;
    return gate->issue_token(admin(), draft).value();
  }
  std::string target_of(const Row& row) const {
    return replaced(replaced(replaced(replaced(row.target, "<grant>", grant), "<token>", token), "<use>", use), "<request>", request);
  }
  std::string grant, token, request, use;  // `request`: waits for somebody to approve; `use`: of break-glass, armed as number 1
};

}  // namespace

TEST_CASE("the table of answers names every route") {
  std::set<std::pair<std::string, std::string>> named, there;
  for (const auto& row : rows) named.insert({row.method, row.pattern});
  for (const auto& route : http::route_table()) {
    INFO(route.method << " " << route.pattern << " has no row in this test: write down who may");
    CHECK(named.contains({std::string(route.method), std::string(route.pattern)}));
    there.insert({std::string(route.method), std::string(route.pattern)});
  }
  for (const auto& [method, pattern] : named) {
    INFO(method << " " << pattern << " is no route any more");
    CHECK(there.contains({method, pattern}));
  }
  CHECK(named.size() == rows.size());
}

TEST_CASE("every route for every built-in role, in and out of its scope") {
  for (const auto& row : rows) {
    const std::pair<std::string, const char*> scopes[] = {{"/", row.everywhere}, {group_scope, row.group}, {other_group, row.elsewhere}};
    for (const auto& [scope, expected] : scopes) {
      const auto wanted = statuses(expected);
      REQUIRE(wanted.size() == roles.size());
      for (std::size_t i = 0; i < roles.size(); ++i) {
        INFO(row.method << " " << row.target << " as " << roles[i] << " over " << scope);
        RightsWorld world;
        const auto secret = world.issue("kim", roles[i], scope).secret;
        const auto before = world.store.records().size();
        const auto maps = world.dataplane.maps;
        const auto answer = world.call_as(secret, row.method, world.target_of(row), row.body);
        CHECK(answer.status() == wanted[i]);
        if (wanted[i] != 403) continue;
        CHECK(answer.code() == "AuthorizationFailed");
        CHECK(world.dataplane.maps == maps);
        const auto records = world.records_since(before);  // also of a read
        REQUIRE(records.size() == 1);
        CHECK(records.front().outcome == core::Outcome::refused);
        CHECK(records.front().code == "AuthorizationFailed");
        CHECK(records.front().principal == "kim");
      }
    }
  }
}

TEST_CASE("what lies outside of one's scope answers like what there is not") {
  struct Pair {
    const char* method;
    std::string real, fake;  // what stands in target and body in place of the real thing
    std::string target, body;
  };
  const std::string place = R"({"machines":[{"machine":"vm1","ports":[{"number":22,"duration":"PT1H","sources":["203.0.113.7"]}]}]})";
  const std::vector<Pair> pairs{
      {"GET", "vm1", "vm7", "/v1/machines/vm1", ""},
      {"GET", "vm1", "vm7", "/v1/machines/" + replaced(vm1, "/", "%2F"), ""},
      {"PUT", "vm1", "vm7", "/v1/machines/vm1", R"({"id":")" + vm1 + R"(","addresses":["10.0.0.7"]})"},
      {"DELETE", "spare", "space", "/v1/machines/spare", ""},
      {"POST", "vm1", "vm7", "/v1/requests", place},
      {"POST", vm1, machine_id("vm7"), "/v1/requests", replaced(place, "vm1", vm1)},
      {"POST", "<grant>", "4711", "/v1/grants/<grant>/revoke", ""},
      {"POST", "<grant>", "4711", "/v1/grants/<grant>/revoke", R"({"ending":"cut"})"},
      {"POST", "<grant>", "4711", "/v1/grants/<grant>/extend", R"({"duration":"PT2H"})"},
      {"GET", "<request>", "4711", "/v1/requests/<request>", ""},
      {"POST", "<request>", "4711", "/v1/requests/<request>/approve", ""},
      {"POST", "<request>", "4711", "/v1/requests/<request>/deny", ""},
      {"GET", "vm1", "vm7", "/v1/machines/vm1/connection", ""},
      {"POST", "spare", "space", "/v1/machines/enable", R"({"machines":["spare"],"ports":"default"})"},
      {"POST", "vm1", "vm7", "/v1/machines/disable", R"({"machines":["vm1"]})"},
      {"DELETE", "<token>", "abcdef012345", "/v1/tokens/<token>", ""},
      {"DELETE", "<arming>", "77", "/v1/breakglass/<arming>", ""},
      {"POST", "<use>", "4711", "/v1/breakglass/uses/<use>/review", ""},
      {"GET", "default", "nothing", policy_path + version, ""},
      {"PUT", "default", "nothing", policy_path + version, policy_body(good_rule)},
      {"DELETE", "default", "nothing", policy_path + version, ""},
      {"POST", "default", "nothing", policy_path + "/initiate" + version, good_ask},
      {"POST", "default", "nothing", policy_path + "/revoke" + version, ask_body(R"("number":22)")},
  };
  for (const auto& pair : pairs) {
    for (const auto& role : roles) {
      INFO(pair.method << " " << pair.target << " as " << role);
      RightsWorld world;
      const auto secret = world.issue("kim", role, other_group).secret;
      const Row named{"", "", pair.real, "", "", "", ""};
      const std::string real = replaced(world.target_of(named), "<arming>", "1");
      const auto there = world.call_as(secret, pair.method, replaced(pair.target, pair.real, real), replaced(pair.body, pair.real, real));
      const auto none_such = world.call_as(secret, pair.method, replaced(pair.target, pair.real, pair.fake), replaced(pair.body, pair.real, pair.fake));
      CHECK(there.status() >= 400);
      CHECK(there.status() == none_such.status());
      // Sentences cut long ids short.
      const bool number = real.find_first_not_of("0123456789") == std::string::npos;  // stands in statuses, too
      const auto shown = number            ? replaced(there.response.body, " " + real, " " + pair.fake)
                         : pair.real == vm1 ? replaced(there.response.body, "vm1", "vm7")
                                            : replaced(there.response.body, real, pair.fake);
      CHECK(shown == none_such.response.body);
    }
  }
}

TEST_CASE("lists show what lies in one's scope, and nothing else") {
  RightsWorld world;
  const std::string far = other_group + "/providers/Microsoft.Compute/virtualMachines/far1";
  auto machine = machine_draft("far1", {"10.0.0.50"});
  machine.id = far;
  REQUIRE(world.gate->put_machine(admin(), machine));
  auto draft = policy_draft({{"far1", {{"22", "TCP", {"*"}, "PT3H", "drain", {"198.51.100.9"}}}}});
  draft.machines[0].id = far;
  const core::PolicyId far_policy{subscription, "lab2", "westeurope", "default"};
  REQUIRE(world.gate->put_policy(admin(), far_policy, draft));
  auto asked = ask("far1", {"22", "PT1H", {"203.0.113.8"}});
  asked.machines[0].id = far;
  REQUIRE(world.gate->initiate(bob(), far_policy, asked));
  world.issue("bob@example.com", "requester", other_group);

  struct Row {
    const char* target;
    std::string member;
  };
  const std::string list = SECURITY "/jitNetworkAccessPolicies" + version;
  const std::vector<Row> lists{{"/v1/machines", "machines"}, {"/v1/policies", "policies"}, {"/v1/grants?all=true", "grants"},
                               {"/v1/tokens", "tokens"}};
  for (const auto& [scope, own, others] :
       {std::tuple{group_scope, "/lab/", "/lab2"}, std::tuple{other_group, "/lab2/", "/lab/"}}) {
    const auto secret = world.issue("kim", "auditor", scope).secret;
    for (const auto& each : lists) {
      INFO(each.target << " over " << scope);
      const auto answer = world.call_as(secret, "GET", each.target);
      REQUIRE(answer.status() == 200);
      CHECK_FALSE(answer.json[each.member].empty());
      CHECK(answer.response.body.find(others) == std::string::npos);
    }
    const auto policies = world.call_as(secret, "GET", "/subscriptions/" + subscription + list);
    CHECK(policies.json["value"].size() == (scope == group_scope ? 2 : 1));
    CHECK(policies.response.body.find(others) == std::string::npos);
    CHECK(policies.response.body.find(own) != std::string::npos);
  }
  const auto of_machine = world.issue("kim", "reader", machine_id("vm2")).secret;
  CHECK(world.call_as(of_machine, "GET", "/v1/machines").json["machines"].size() == 1);
  const auto grants = world.call_as(of_machine, "GET", "/v1/grants?all=true").json["grants"];
  REQUIRE(grants.size() == 1);
  CHECK(grants[0]["machineName"] == "vm2");
  CHECK(grants[0]["breakGlass"] == true);
  CHECK(world.call_as(of_machine, "GET", "/v1/policies").json["policies"].empty());
}
