// SPDX-License-Identifier: Apache-2.0
// The Azure-compatible API as clients see it: statuses, bodies, headers, and the order in which faults are found.
#include "tests/support/catch.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;
using Json = nlohmann::json;

TEST_CASE("a policy is put, got, listed, deleted with the statuses the SDKs take") {
  ApiWorld world;
  const std::string path = policy_path.substr(0, policy_path.rfind('/')) + "/Second";
  const auto made = world.call("PUT", path + version, policy_body(good_rule));
  CHECK(made.status() == 200);  // 201 breaks every SDK
  CHECK(made.json["name"] == "Second");
  CHECK(made.json["id"] == path);
  CHECK(made.json["type"] == "Microsoft.Security/locations/jitNetworkAccessPolicies");
  CHECK(made.json["location"] == "westeurope");
  CHECK(made.json["kind"] == "Basic");
  CHECK(made.json["properties"]["provisioningState"] == "Succeeded");
  CHECK(made.json["properties"]["requests"] == Json::array());
  CHECK_FALSE(made.json.contains("virtualMachines"));
  const Json rule = made.json["properties"]["virtualMachines"][0]["ports"][0];
  CHECK(rule ==
        Json::parse(
            R"({"number":22,"protocol":"*","allowedSourceAddressPrefix":"*","maxRequestAccessDuration":"PT3H"})"));

  CHECK(world.call("GET", path + version).json == made.json);
  CHECK(world.call("GET", core::folded(path) + version).json["name"] == "Second");  // the spelling it was made under
  CHECK(world.call("PUT", path + version, policy_body(good_rule)).status() == 200);
  const auto deleted = world.call("DELETE", path + version);
  CHECK(deleted.status() == 200);
  CHECK(deleted.response.body.empty());
  const auto again = world.call("DELETE", path + version);
  CHECK(again.status() == 204);
  CHECK(again.response.body.empty());
  CHECK(world.call("GET", path + version).status() == 404);
}

TEST_CASE("several sources are written as a list, one as text") {
  ApiWorld world;
  const auto made = world.call(
      "PUT", policy_path + version,
      policy_body(
          R"("number":22,"protocol":"tcp","allowedSourceAddressPrefix":["203.0.113.0/24","198.51.100.1"],"maxRequestAccessDuration":"pt3h","ending":"cut")"));
  const Json rule = made.json["properties"]["virtualMachines"][0]["ports"][0];
  CHECK(rule["protocol"] == "TCP");
  CHECK(rule["allowedSourceAddressPrefixes"] == Json::array({"198.51.100.1", "203.0.113.0/24"}));
  CHECK_FALSE(rule.contains("allowedSourceAddressPrefix"));
  CHECK(rule["ending"] == "cut");
}

TEST_CASE("initiate answers 202 with Initiating, get then shows Initiated, and revoked ports say so") {
  ApiWorld world;
  const auto asked = world.call(
      "POST", policy_path + "/initiate" + version,
      ask_body(
          R"("number":"22","endTimeUtc":"2030-01-02T04:05:06.789Z","allowedSourceAddressPrefixes":["203.0.113.7"])",
          core::folded(machine_id("vm1")), R"(,"justification":"disk full")"));
  REQUIRE(asked.status() == 202);
  CHECK(asked.json == Json::parse(R"({"virtualMachines":[{"id":")" + machine_id("vm1") + R"(","ports":[
      {"number":22,"allowedSourceAddressPrefix":"203.0.113.7","endTimeUtc":"2030-01-02T04:05:06.7890000Z",
       "status":"Initiating","statusReason":"UserRequested"}]}],
      "startTimeUtc":"2030-01-02T03:04:05.0000000Z","requestor":"root","justification":"disk full"})"));
  Json shown = world.call("GET", policy_path + version).json["properties"]["requests"];
  REQUIRE(shown.size() == 1);
  CHECK(shown[0]["virtualMachines"][0]["ports"][0]["status"] == "Initiated");

  const auto revoked = world.call("POST", policy_path + "/revoke" + version, ask_body(R"("number":22)"));
  CHECK(revoked.status() == 202);
  CHECK(revoked.json["virtualMachines"][0]["ports"][0]["status"] == "Revoked");
  shown = world.call("GET", policy_path + version).json["properties"]["requests"];
  CHECK(shown[0]["virtualMachines"][0]["ports"][0]["status"] == "Revoked");
  CHECK(shown[0]["virtualMachines"][0]["ports"][0]["statusReason"] == "UserRequested");
  CHECK_FALSE(shown[0]["virtualMachines"][0]["ports"][0].contains("mappedPort"));
}

TEST_CASE("a port that a forward leads to is told as mappedPort") {
  ApiWorld world;
  REQUIRE(world.gate->put_machine(admin(), machine_draft("vm1", {"10.0.0.1"}, {{"192.0.2.1", "2222", "tcp", "22"}})));
  const auto asked = world.call("POST", policy_path + "/initiate" + version, good_ask);
  REQUIRE(asked.status() == 202);
  CHECK(asked.json["virtualMachines"][0]["ports"][0]["mappedPort"] == 2222);
}

TEST_CASE("requests in a PUT body are the server's alone") {
  ApiWorld world;
  REQUIRE(world.call("POST", policy_path + "/initiate" + version, good_ask).status() == 202);
  Json policy = world.call("GET", policy_path + version).json;
  policy["properties"]["requests"][0]["requestor"] = "mallory";
  policy["properties"]["requests"].push_back(policy["properties"]["requests"][0]);
  const auto put = world.call("PUT", policy_path + version, policy.dump());
  REQUIRE(put.status() == 200);
  REQUIRE(put.json["properties"]["requests"].size() == 1);
  CHECK(put.json["properties"]["requests"][0]["requestor"] == "root");
}

TEST_CASE("a repeat with the same client request id opens nothing more") {
  ApiWorld world;
  const http::Headers id{{"x-ms-client-request-id", "5c1f"}};
  const auto first = world.call("POST", policy_path + "/initiate" + version, good_ask, id);
  const auto second = world.call("POST", policy_path + "/initiate" + version, good_ask, id);
  CHECK(first.status() == 202);
  CHECK(second.json == first.json);
  CHECK(world.store.grants().size() == 1);
  SECTION("also when the grant is over by then") {
    REQUIRE(world.call("POST", policy_path + "/revoke" + version, ask_body(R"("number":22)")).status() == 202);
    CHECK(world.call("POST", policy_path + "/initiate" + version, good_ask, id).json == first.json);
    CHECK(world.store.grants().size() == 1);
  }
  SECTION("another body is another request, and so is another person's") {
    const std::string other = ask_body(R"("number":22,"duration":"PT2H","allowedSourceAddressPrefix":"203.0.113.7")");
    CHECK(world.call("POST", policy_path + "/initiate" + version, other, id).status() == 202);
    CHECK(world.store.grants().size() == 2);
    CHECK(world.call_as(world.token_of("alice", "requester"), "POST", policy_path + "/initiate" + version, good_ask, id)
              .json["requestor"] == "alice");
    CHECK(world.store.grants().size() == 3);
  }
}

// Order of checks (docs/azure-api.md): each row has the faults of all rows below it as well, so only the order decides.
TEST_CASE("faults are found in the contract's order") {
  struct Row {
    const char* name;
    std::string token, method, target, body;
    int status;
    const char* code;
  };
  ApiWorld world;
  const std::string reader = world.token_of("ron", "reader");
  const std::string requester = world.token_of("alice", "requester");
  const std::string admin_token = world.token_of("root2", "admin");
  const std::string absent = policy_path.substr(0, policy_path.rfind('/')) + "/absent";
  const std::string outside = ask_body(R"("number":23,"duration":"PT9H","allowedSourceAddressPrefix":"*")");
  const std::string malformed = ask_body(R"("number":"x","duration":"PT1H","endTimeUtc":"yesterday")");
  const auto row = GENERATE_COPY(values<Row>({
      {"no token, and nothing right", "", "PATCH", "/subscriptions/nothing", "{", 401, "AuthenticationFailed"},
      {"a wrong token", "wrong", "PATCH", "/subscriptions/nothing", "{", 401, "InvalidAuthenticationToken"},
      {"no such resource type", reader, "PATCH", "/subscriptions/nothing", "{", 404, "InvalidResourceType"},
      {"a wrong method", reader, "PATCH", policy_path, "{", 405, "MethodNotAllowed"},
      {"no api-version", reader, "PUT", policy_path, "{", 400, "MissingApiVersionParameter"},
      {"no api-version on a path in disguise", reader, "PUT", "/%73" + policy_path.substr(2), "{", 400,
       "MissingApiVersionParameter"},
      {"an empty api-version", reader, "PUT", policy_path + "?api-version=", "{", 400, "MissingApiVersionParameter"},
      {"another api-version", reader, "PUT", policy_path + "?api-version=2021-01-01", "{", 400,
       "InvalidApiVersionParameter"},
      {"no right to put", reader, "PUT", policy_path + version, "{", 403, "AuthorizationFailed"},
      {"no right to delete", requester, "DELETE", absent + version, "", 403, "AuthorizationFailed"},
      {"no right to initiate", reader, "POST", absent + "/initiate" + version, "{", 403, "AuthorizationFailed"},
      {"no right to revoke", reader, "POST", absent + "/revoke" + version, "{", 403, "AuthorizationFailed"},
      {"a policy that is no JSON", admin_token, "PUT", policy_path + version, "{", 400, "InvalidRequestContent"},
      {"a policy without properties", admin_token, "PUT", policy_path + version, "{}", 400, "InvalidRequestContent"},
      {"a policy that breaks a rule", admin_token, "PUT", policy_path + version, policy_body(R"("number":0)"), 400,
       "InvalidPolicyInput"},
      {"a request that is no JSON, of an absent policy", requester, "POST", absent + "/initiate" + version, "{", 400,
       "InvalidRequestContent"},
      {"a malformed request, of an absent policy", requester, "POST", absent + "/initiate" + version, malformed, 400,
       "InvalidInitiateInput"},
      {"a request without machines, of an absent policy", requester, "POST", absent + "/initiate" + version, "{}", 400,
       "InvalidInitiateInput"},
      {"a machine that is no id, of an absent policy", requester, "POST", absent + "/initiate" + version,
       ask_body(R"("number":23,"duration":"PT9H","allowedSourceAddressPrefix":"*")", "vm1"), 400, "InvalidInitiateInput"},
      {"an absent policy", requester, "POST", absent + "/initiate" + version, outside, 404, "PolicyNotFound"},
      {"get of an absent policy", reader, "GET", absent + version, "", 404, "PolicyNotFound"},
      {"outside the policy", requester, "POST", policy_path + "/initiate" + version, outside, 400,
       "AccessRequestNotSubsetOfPolicy"},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto answer = world.call_as(row.token, row.method, row.target, row.body);
    CHECK(answer.status() == row.status);
    CHECK(answer.code() == row.code);
    CHECK(answer.json.contains("error"));
    CHECK_FALSE(answer.json["error"].value("message", "").empty());
    CHECK(answer.response.content_type == "application/json");
    CHECK((answer.header("WWW-Authenticate").starts_with("Bearer")) == (row.status == 401));
    CHECK(answer.header("WWW-Authenticate").find("claims") == std::string::npos);
    CHECK(answer.header("Allow").empty() == (row.status != 405));
  }
}

TEST_CASE("all faults of a body are told, each with its place") {
  ApiWorld world;
  const auto answer = world.call(
      "PUT", policy_path + version,
      policy_body(
          R"("number":70000,"protocol":"ICMP","maxRequestAccessDuration":"P1W","allowedSourceAddressPrefix":"10.0.0.0/8 192.168.0.0/16")"));
  CHECK(answer.status() == 400);
  std::vector<std::string> places;
  for (const auto& detail : answer.json["error"]["details"]) {
    CHECK(detail["code"] == "InvalidPolicyInput");
    places.push_back(detail["target"]);
  }
  const std::string port = "properties.virtualMachines[0].ports[0].";
  for (const char* member : {"number", "protocol", "maxRequestAccessDuration", "allowedSourceAddressPrefix"})
    CHECK(std::count(places.begin(), places.end(), port + member) == 1);
  CHECK_THAT(answer.response.body, Catch::Matchers::Contains("allowedSourceAddressPrefixes"));
}

TEST_CASE("a wrong type is told once, not again as missing") {
  ApiWorld world;
  const auto answer = world.call("PUT", policy_path + version,
                                 policy_body(R"("number":true,"protocol":"TCP","maxRequestAccessDuration":"PT1H")"));
  CHECK(answer.json["error"]["details"].size() == 1);
}

TEST_CASE("api-versions that are taken") {
  ApiWorld world;
  for (const char* query :
       {"?api-version=2020-01-01", "?API-Version=2015-06-01-preview", "?x=1&api-version=2015-06-01-PREVIEW"}) {
    INFO(query);
    CHECK(world.call("GET", policy_path + query).status() == 200);
  }
}

TEST_CASE("headers of every answer") {
  ApiWorld world;
  const auto first = world.call("GET", policy_path + version, "",
                                {{"x-ms-client-request-id", "abc"}, {"x-ms-correlation-request-id", "def"}});
  const auto second = world.call("GET", "/nowhere", "", {{"x-ms-client-request-id", "a b"}});
  CHECK(first.header("x-ms-request-id").size() == 36);
  CHECK(second.header("x-ms-request-id").size() == 36);
  CHECK(first.header("x-ms-request-id") != second.header("x-ms-request-id"));
  CHECK(first.header("x-ms-client-request-id") == "abc");
  CHECK(second.header("x-ms-client-request-id").empty());
  CHECK(first.header("x-ms-correlation-request-id") == "def");
  CHECK(second.header("x-ms-correlation-request-id") == second.header("x-ms-request-id"));
  CHECK(first.header("Cache-Control") == "no-cache");
  CHECK(first.header("X-Content-Type-Options") == "nosniff");
}

TEST_CASE("the answer's request id is the audit's") {
  ApiWorld world;
  const auto asked =
      world.call("POST", policy_path + "/initiate" + version, good_ask, {{"x-ms-client-request-id", "abc"}});
  CHECK(world.store.records().back().request_id == asked.header("x-ms-request-id"));
  CHECK(world.store.records().back().client_request_id == "abc");
}

TEST_CASE("lists come in pages that survive what is put and deleted in between") {
  ApiWorld world({.identity = {}, .public_url = "", .page_size = 2});
  const std::string folder = policy_path.substr(0, policy_path.rfind('/'));
  for (const char* name : {"b", "D", "f"})
    REQUIRE(world.call("PUT", folder + "/" + name + version, policy_body(good_rule)).status() == 200);
  const auto names = [](const Json& page) {
    std::string joined;
    for (const auto& policy : page["value"]) joined += policy["name"].get<std::string>() + " ";
    return joined;
  };
  const auto target_of = [](const Json& page) {
    return page["nextLink"].get<std::string>().substr(std::string("http://localhost").size());
  };

  const Json first = world.call("GET", folder + version).json;
  CHECK(names(first) == "b D ");  // in order of id, without regard to case
  CHECK(first["nextLink"].get<std::string>().starts_with("http://localhost" + folder +
                                                         "?api-version=2020-01-01&$skipToken="));
  REQUIRE(world.call("DELETE", folder + "/D" + version).status() == 200);
  REQUIRE(world.call("PUT", folder + "/a" + version, policy_body(good_rule)).status() == 200);
  REQUIRE(world.call("PUT", folder + "/e" + version, policy_body(good_rule)).status() == 200);
  const Json second = world.call("GET", target_of(first)).json;
  CHECK(names(second) == "default e ");
  const Json third = world.call("GET", target_of(second)).json;
  CHECK(names(third) == "f ");
  CHECK_FALSE(third.contains("nextLink"));

  SECTION("a page of exactly the rest has no link") {
    REQUIRE(world.call("PUT", folder + "/g" + version, policy_body(good_rule)).status() == 200);
    CHECK_FALSE(world.call("GET", target_of(second)).json.contains("nextLink"));
  }
  SECTION("a token belongs to its filter, and to nothing else") {
    const std::string token = target_of(first).substr(target_of(first).find("&$skipToken"));
    const std::string all =
        "/subscriptions/" + subscription + "/providers/Microsoft.Security/jitNetworkAccessPolicies" + version;
    CHECK(world.call("GET", all).status() == 200);
    CHECK(world.call("GET", all + token).code() == "InvalidRequestContent");
    for (const char* bad : {"&$skipToken=zz", "&$skipToken=1", "&$skipToken=00", "&%24skiptoken="})
      CHECK(world.call("GET", folder + version + bad).code() == "InvalidRequestContent");
  }
}

TEST_CASE("the four lists") {
  ApiWorld world;
  const std::string sub = "/subscriptions/" + subscription;
  const std::string other_place =
      sub + "/resourceGroups/other/providers/Microsoft.Security/locations/north/jitNetworkAccessPolicies/p";
  REQUIRE(world.call("PUT", other_place + version, policy_body(good_rule)).status() == 200);
  const auto count = [&](const std::string& path) { return world.call("GET", path + version).json["value"].size(); };
  const std::string last = "/jitNetworkAccessPolicies";
  const std::string provider = "/providers/Microsoft.Security";
  CHECK(count(sub + provider + last) == 2);
  CHECK(count(sub + provider + "/locations/NORTH" + last) == 1);
  CHECK(count(sub + "/resourceGroups/LAB" + provider + last) == 1);
  CHECK(count(sub + "/resourceGroups/lab" + provider + "/locations/north" + last) == 0);
  CHECK(count("/subscriptions/99999999-2222-3333-4444-555555555555" + provider + last) == 0);
}

TEST_CASE("a store that takes nothing is a 503, and nothing is open") {
  ApiWorld world;
  world.fuse.arm(1, Fuse::Blow::from_then_on);
  const auto answer = world.call("POST", policy_path + "/initiate" + version, good_ask);
  CHECK(answer.status() == 503);
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
}
