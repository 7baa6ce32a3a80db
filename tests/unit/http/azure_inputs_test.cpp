// SPDX-License-Identifier: Apache-2.0
// The Azure-compatible API: what its many clients send, and from where.
#include "tests/support/catch.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;

TEST_CASE("bodies of initiate as scripts, XSOAR, the portal and PowerShell write them") {
  struct Row {
    const char* name;
    std::string body;
  };
  const auto body = [](const std::string& id_name, const std::string& port) {
    return R"({")" + id_name + R"(":")" + machine_id("vm1") + R"(","ports":[{)" + port + "}]}";
  };
  const std::string xsoar = body("ID", R"("number":"22","duration":"PT1H","allowedSourceAddressPrefix":"203.0.113.7")");
  const auto row = GENERATE_COPY(values<Row>({
      {"XSOAR", R"({"virtualMachines":[)" + xsoar + "]}"},
      {"the portal",
       R"({"virtualMachines":[)" + body("id", R"("number":22,"duration":"PT1H","allowedSourceAddressPrefixes":["203.0.113.7"])") +
           R"(],"justification":""})"},
      {"PowerShell, seven decimals and no zone",
       "{\r\n  \"virtualMachines\": [" +
           body("id", R"("number":22,"endTimeUtc":"2030-01-02T03:34:05.1234567","allowedSourceAddressPrefix":"203.0.113.7")") +
           "\r\n]}"},
      {"a hash table, all lower case, in an array, with a byte order mark",
       "\xef\xbb\xbf" R"({"virtualmachines":[)" +
           body("id", R"("number":22.0,"endtimeutc":"2030-01-02T04:34:05+01:00","allowedsourceaddressprefix":["203.0.113.7/32"])") + "]}"},
      {"python's time with its offset",
       R"({"virtualMachines":[)" +
           body("id", R"("number":22,"endTimeUtc":"2030-01-02T03:34:05.123456+00:00","allowedSourceAddressPrefix":"203.0.113.7")") +
           R"(],"properties":null,"tags":{}})"},
  }));
  DYNAMIC_SECTION(row.name) {
    ApiWorld world;
    for (const char* last : {"/initiate", "/Initiate"}) {
      const auto answer = world.call("POST", policy_path + last + version, row.body);
      INFO(answer.response.body);
      REQUIRE(answer.status() == 202);
      CHECK(answer.json["virtualMachines"][0]["ports"][0]["allowedSourceAddressPrefix"] == "203.0.113.7");
      CHECK_FALSE(answer.json.contains("justification"));
    }
  }
}

TEST_CASE("links and headers over TLS are https") {
  ApiWorld world({.identity = {}, .public_url = "", .page_size = 1});
  const std::string folder = policy_path.substr(0, policy_path.rfind('/'));
  REQUIRE(world.call("PUT", folder + "/b" + version, policy_body(good_rule)).status() == 200);
  const std::string token = world.token_of("ron", "reader");
  const auto plain = world.call_as(token, "GET", folder + version);
  CHECK(plain.json["nextLink"].get<std::string>().starts_with("http://localhost:7822/subscriptions/"));
  CHECK(plain.header("Strict-Transport-Security").empty());
  const auto secure = world.call_tls(token, "gate.example:7823", "GET", folder + version);
  CHECK(secure.json["nextLink"].get<std::string>().starts_with("https://gate.example:7823/subscriptions/"));
  CHECK(secure.header("Strict-Transport-Security").starts_with("max-age="));
  CHECK(world.call_tls(token, "other.example", "GET", folder + version).status() == 403);
}

TEST_CASE("who comes from elsewhere and names no source gets the address he comes from") {
  ApiWorld world;
  const auto answer = world.call_tls(world.token_of("alice", "requester"), "gate.example", "POST",
                                     policy_path + "/initiate" + version, ask_body(R"("number":22,"duration":"PT1H")"),
                                     {{"x-forwarded-for", "192.0.2.99"}});
  REQUIRE(answer.status() == 202);
  CHECK(answer.json["virtualMachines"][0]["ports"][0]["allowedSourceAddressPrefix"] == "203.0.113.7");
}

TEST_CASE("the 403 says who lacks which action over which scope") {
  ApiWorld world;
  const auto answer =
      world.call_as(world.token_of("ron", "reader"), "POST", policy_path + "/initiate" + version, good_ask);
  CHECK(answer.json["error"]["message"] ==
        "The client 'ron' does not have authorization to perform action "
        "'Microsoft.Security/locations/jitNetworkAccessPolicies/initiate/action' over scope '" + policy_path + "'.");
}

TEST_CASE("a place with a blank is decoded, a slash in a name stays in its segment") {
  ApiWorld world;
  const std::string folder =
      "/subscriptions/" + subscription + "/resourcegroups/lab/providers/microsoft.Security/locations/west%20europe/jitnetworkaccesspolicies/";
  const auto made = world.call("PUT", folder + "p" + version, policy_body(good_rule));
  REQUIRE(made.status() == 200);
  CHECK(made.json["location"] == "west europe");
  CHECK(world.call("GET", folder + "P" + version).status() == 200);
  CHECK(world.call("PUT", folder + "a%2Fb" + version, policy_body(good_rule)).code() == "InvalidPolicyInput");
  CHECK(world.call("GET", folder + "a%2Fb" + version).code() == "PolicyNotFound");
}

TEST_CASE("\"my IP\" is not known of a caller on the gateway itself") {
  ApiWorld world;
  const std::string body = ask_body(R"("number":22,"duration":"PT1H")");
  CHECK(world.call("POST", policy_path + "/initiate" + version, body).code() == "InvalidInitiateInput");
  world.api_options.identity.trusted_proxies = {core::parse_prefix("127.0.0.1").value()};
  const auto answer = world.call_as(world.token_of("alice", "requester"), "POST", policy_path + "/initiate" + version,
                                    body, {{"x-forwarded-for", "198.51.100.1, 203.0.113.7"}});
  REQUIRE(answer.status() == 202);
  CHECK(answer.json["virtualMachines"][0]["ports"][0]["allowedSourceAddressPrefix"] == "203.0.113.7");
}
