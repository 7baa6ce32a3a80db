// SPDX-License-Identifier: Apache-2.0
// Our own API as clients see it (docs/api.md).
#include "controlplane/http/routes.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;
using Json = nlohmann::json;

namespace {

std::string request_of(const std::string& machine, const std::string& port) {
  return R"({"machines":[{"machine":")" + machine + R"(","ports":[{)" + port + "}]}]}";
}
const std::string ssh = request_of("vm1", R"("number":22,"duration":"PT1H","sources":["203.0.113.7"])");

}  // namespace

TEST_CASE("health is told to everybody, readiness as it is") {
  ApiWorld world;
  CHECK(world.call_as("", "GET", "/healthz").status() == 200);
  CHECK(world.call_as("", "HEAD", "/readyz").status() == 200);
  CHECK(world.call_as("", "GET", "/readyz").json["ready"] == true);
  CHECK(world.call_as("", "POST", "/readyz").status() == 401);
  world.fuse.arm(2, Fuse::Blow::from_then_on);  // the store takes it, the maps do not
  CHECK(world.call("POST", "/v1/requests", ssh).status() == 503);
  const auto ready = world.call_as("", "GET", "/readyz");
  CHECK(ready.status() == 503);
  CHECK(ready.response.content_type == "application/problem+json");
  CHECK(world.call_as("", "GET", "/healthz").status() == 200);
}

TEST_CASE("everything else wants a known caller") {
  ApiWorld world;
  for (const auto& route : http::route_table()) {
    if (route.dialect != http::Dialect::own) continue;
    std::string path(route.pattern);
    INFO(route.method << " " << path);
    const auto answer = world.call_as("", std::string(route.method), path);
    CHECK(answer.status() == 401);
    CHECK(answer.code() == "AuthenticationFailed");
    CHECK(answer.header("WWW-Authenticate").starts_with("Bearer"));
    CHECK_FALSE(answer.response.identified);  // so its connection may be the first to make room
  }
  CHECK_FALSE(world.call_as("", "GET", "/healthz").response.identified);
  CHECK(world.call_as(world.token_of("kim", "reader"), "GET", "/v1/tokens").response.identified);
}

TEST_CASE("monitoring reads what status tells, and nobody else does") {
  ApiWorld world;
  CHECK(world.call_as("", "GET", "/metrics").status() == 401);
  REQUIRE(world.call("POST", "/v1/requests", ssh).status() == 201);
  const auto told = world.call("GET", "/metrics");
  CHECK(told.status() == 200);
  CHECK(told.response.content_type == "text/plain; version=0.0.4; charset=utf-8");
  const auto has = [&](const std::string& line) { return ("\n" + told.response.body).find("\n" + line + "\n") != std::string::npos; };
  CHECK(has("postern_ready 1"));
  CHECK(has("postern_grants 1"));
  CHECK(has("# TYPE postern_packets_total counter"));
  CHECK(has(R"(postern_service_enforced{address="10.0.0.1",port="22",protocol="TCP"} 1)"));
  world.fuse.arm(2, Fuse::Blow::from_then_on);  // the store takes it, the maps do not
  CHECK(world.call("POST", "/v1/requests", request_of("vm1", R"("number":3389,"duration":"PT1H","sources":["203.0.113.7"])")).status() == 503);
  const auto away = world.call("GET", "/metrics");
  CHECK(away.status() == 200);
  CHECK(away.response.body.find("\npostern_ready 0\n") != std::string::npos);
}

TEST_CASE("machines come and go") {
  ApiWorld world;
  const auto made = world.call("PUT", "/v1/machines/db1", R"({"os":"linux","addresses":["192.0.2.20","2001:db8::20"],
      "forwards":[{"address":"198.51.100.1","port":2222,"protocol":"tcp","machinePort":22}]})");
  REQUIRE(made.status() == 200);
  CHECK(made.json["name"] == "db1");
  CHECK(made.json["state"] == "notConfigured");
  CHECK(made.json["addresses"] == Json::array({"192.0.2.20", "2001:db8::20"}));
  CHECK(made.json["forwards"] ==
        Json::parse(R"([{"address":"198.51.100.1","port":2222,"protocol":"TCP","machinePort":22}])"));
  CHECK(world.call("GET", "/v1/machines/DB1").json == made.json);
  const auto list = world.call("GET", "/v1/machines");
  CHECK(list.json["machines"].size() == 3);
  const auto guarded = world.call("GET", "/v1/machines/vm1").json;
  CHECK(guarded["state"] == "configured");
  CHECK(guarded["policies"] == Json::array({policy_path}));
  CHECK(guarded["ports"].size() == 2);
  CHECK(world.call("DELETE", "/v1/machines/db1").status() == 204);
  CHECK(world.call("DELETE", "/v1/machines/db1").code() == "MachineNotFound");
  CHECK(world.call("GET", "/v1/machines/db1").code() == "MachineNotFound");
}

TEST_CASE("a request by name opens, is listed, revoked, and stays listed as ended") {
  ApiWorld world;
  const auto asked = world.call(
      "POST", "/v1/requests",
      R"({"machines":[{"machine":"vm1","ports":[{"number":22,"duration":"PT1H","sources":["203.0.113.7"]}]}],"justification":"why"})");
  REQUIRE(asked.status() == 201);
  CHECK(asked.json["policy"] == policy_path);
  CHECK(asked.json["requestor"] == "root");
  const Json grant = asked.json["grants"][0];
  CHECK(grant["machine"] == machine_id("vm1"));
  CHECK(grant["machineName"] == "vm1");
  CHECK(grant["port"] == 22);
  CHECK(grant["protocol"] == "TCP");
  CHECK(grant["sources"] == Json::array({"203.0.113.7"}));
  CHECK(grant["state"] == "live");
  CHECK(grant["endTimeUtc"] == "2030-01-02T04:04:05.0000000Z");
  CHECK_FALSE(grant.contains("endReason"));
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));

  Json listed = grant;
  listed.erase("endpoints");
  listed["admitted"] = listed["established"] = 0;
  CHECK(world.call("GET", "/v1/grants?machine=vm1").json["grants"] == Json::array({listed}));
  CHECK(world.call("GET", "/v1/grants?machine=vm2").json["grants"].empty());
  const std::string serial = grant["serial"].dump();
  const auto revoked = world.call("POST", "/v1/grants/" + serial + "/revoke");
  CHECK(revoked.status() == 200);
  CHECK(revoked.json["state"] == "ended");
  CHECK(revoked.json["endReason"] == "UserRequested");
  CHECK(revoked.json["endedBy"] == "root");
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.call("GET", "/v1/grants").json["grants"].empty());
  CHECK(world.call("GET", "/v1/grants?all=true").json["grants"].size() == 1);
  CHECK(world.call("POST", "/v1/grants/999/revoke").code() == "GrantNotFound");
  CHECK(world.call("POST", "/v1/grants/x/revoke").code() == "InvalidInput");
}

TEST_CASE("refused requests say why, in the words of their own body") {
  struct Row {
    const char* name;
    std::string body;
    int status;
    const char* code;
    const char* target;  // of the first fault; nullptr: not looked at
  };
  const auto row = GENERATE(values<Row>({
      {"no JSON", "{", 400, "InvalidRequestContent", nullptr},
      {"an unknown member", R"({"machines":[],"until":"x"})", 400, "InvalidInitiateInput", "until"},
      {"no machines", "{}", 400, "InvalidInitiateInput", "machines"},
      {"no machine's name", request_of("", R"("number":22,"duration":"PT1H","sources":["203.0.113.7"])"), 400,
       "InvalidInitiateInput", "machines[0].machine"},
      {"no port", request_of("vm1", R"("duration":"PT1H","sources":["203.0.113.7"])"), 400, "InvalidInitiateInput",
       "machines[0].ports[0].number"},
      {"no source", request_of("vm1", R"("number":22,"duration":"PT1H")"), 400, "InvalidInitiateInput",
       "machines[0].ports[0].sources"},
      {"a bad source", request_of("vm1", R"("number":22,"duration":"PT1H","sources":["203.0.113.7","x"])"), 400,
       "InvalidInitiateInput", "machines[0].ports[0].sources[1]"},
      {"no such machine", request_of("vm9", R"("number":22,"duration":"PT1H","sources":["203.0.113.7"])"), 404,
       "PolicyNotFound", nullptr},
      {"too long", request_of("vm1", R"("number":22,"duration":"PT4H","sources":["203.0.113.7"])"), 400,
       "AccessRequestNotSubsetOfPolicy", nullptr},
  }));
  ApiWorld world;
  DYNAMIC_SECTION(row.name) {
    const auto answer = world.call("POST", "/v1/requests", row.body);
    CHECK(answer.status() == row.status);
    CHECK(answer.code() == row.code);
    CHECK(answer.response.content_type == "application/problem+json");
    CHECK(answer.json["status"] == row.status);
    CHECK_FALSE(answer.json["detail"].get<std::string>().empty());
    CHECK_FALSE(answer.json["title"].get<std::string>().empty());
    if (row.target) CHECK(answer.json["errors"][0]["target"] == row.target);
    CHECK(answer.response.body.find("allowedSourceAddressPrefix") == std::string::npos);
    CHECK(answer.response.body.find("virtualMachines[") == std::string::npos);
  }
}

TEST_CASE("tokens are shown once and work until removed") {
  ApiWorld world;
  const auto made = world.call("POST", "/v1/tokens", R"({"principal":"ci","role":"reader","duration":"PT1H"})");
  REQUIRE(made.status() == 201);
  const std::string secret = made.json["secret"];
  CHECK(made.json["assignments"] == Json::parse(R"([{"role":"reader","scope":"/"}])"));
  CHECK(world.call_as(secret, "GET", "/v1/policies").status() == 200);
  const auto list = world.call("GET", "/v1/tokens");
  REQUIRE(list.json["tokens"].size() == 1);
  CHECK_FALSE(list.json["tokens"][0].contains("secret"));
  CHECK(list.response.body.find(secret) == std::string::npos);
  CHECK_FALSE(list.json["tokens"][0].contains("hash"));
  CHECK(world.call_as(secret, "GET", "/v1/tokens").status() == 403);
  const std::string id = made.json["id"];
  world.clock.advance(1h);
  CHECK(world.call_as(secret, "GET", "/v1/policies").code() == "ExpiredAuthenticationToken");
  CHECK(world.call("DELETE", "/v1/tokens/" + id).status() == 204);
  CHECK(world.call_as(secret, "GET", "/v1/policies").code() == "InvalidAuthenticationToken");
  CHECK(world.call("DELETE", "/v1/tokens/" + id).code() == "TokenNotFound");
  CHECK(world.call("POST", "/v1/tokens", R"({"principal":"ci","role":"king"})").code() == "InvalidInput");
}

TEST_CASE("policies, status and audit are there to be read") {
  ApiWorld world;
  CHECK(world.call("GET", "/v1/policies").json["policies"][0]["id"] == policy_path);
  const auto status = world.call("GET", "/v1/status");
  CHECK(status.status() == 200);
  CHECK(status.json["ready"] == true);
  CHECK(status.json["subscription"] == core::Settings{}.subscription);
  CHECK(status.json["resourceGroup"] == core::Settings{}.resource_group);
  CHECK(status.json["reasons"].is_array());
  REQUIRE(world.call("POST", "/v1/requests", ssh).status() == 201);
  const auto audit = world.call("GET", "/v1/audit?limit=1");
  REQUIRE(audit.json["records"].size() == 1);
  const Json record = audit.json["records"][0];
  CHECK(record["operation"] == "access.initiate");
  CHECK(record["outcome"] == "allowed");
  CHECK(record["machines"] == Json::array({machine_id("vm1")}));
  CHECK(record["requestId"].get<std::string>().size() == 36);
  CHECK(world.call("GET", "/v1/audit?limit=0").code() == "InvalidInput");
  CHECK(world.call("GET", "/v1/audit/verify").json["verified"] == world.store.records().size());
}

TEST_CASE("paths outside both APIs") {
  ApiWorld world;
  CHECK(world.call("GET", "/").code() == "InvalidResourceType");
  CHECK(world.call("GET", "/v1/%zz").code() == "InvalidRequestContent");
  CHECK(world.call_as("", "GET", "/v1/%zz").status() == 401);
  CHECK(world.call("PATCH", "/v1/machines/x").header("Allow") == "GET, HEAD, PUT, DELETE");
}

TEST_CASE("a foreign page gets nothing, whatever token it has") {
  ApiWorld world;
  const std::string token = world.token_of("root2", "admin");
  CHECK(world.call_as(token, "GET", "/v1/status").status() == 200);
  CHECK(world.call_as(token, "GET", "/v1/status", "", {{"origin", "http://evil.example"}}).status() == 403);
  CHECK(world.call_as("", "GET", "/healthz", "", {{"origin", "http://evil.example"}}).status() == 403);
}

TEST_CASE("explain tells verdict, service, policy and grant") {
  ApiWorld world;
  const auto request = world.call("POST", "/v1/requests", ssh);
  REQUIRE(request.status() == 201);
  const auto& service =
      world.dataplane.maps.services.at({core::parse_prefix("10.0.0.1").value(), 22, core::Protocol::tcp});
  world.dataplane.told = {true, "no_grant", "no live grant covers it", "monitored", "only monitored", 1, service.id};
  const auto told = world.call("GET", "/v1/gate/explain?source=203.0.113.7&destination=10.0.0.1&port=22&sourcePort=7");
  REQUIRE(told.status() == 200);
  CHECK(told.json["verdict"] == "pass");
  CHECK(told.json["reason"] == "no_grant");
  CHECK(told.json["overruledBy"] == "monitored");
  CHECK(told.json["sourcePort"] == 7);
  CHECK(told.json["service"]["machineName"] == "vm1");
  CHECK(told.json["policies"] == Json::array({Json{{"id", policy_path}, {"mode", "enforce"}}}));
  CHECK(told.json["grant"]["serial"] == 1);
  CHECK(told.json.contains("hint"));
  CHECK(world.call("GET", "/v1/gate/explain?source=203.0.113.7&to=10.0.0.1").status() == 400);
  const auto bare = world.call("GET", "/v1/gate/explain");
  CHECK(bare.status() == 400);
  CHECK(bare.json["errors"].size() == 3);
  CHECK(world.call_as(world.token_of("rita", "requester"), "GET", "/v1/gate/explain?source=203.0.113.7").status() ==
        403);
}

TEST_CASE("mode, session time, standing sources and justification go round through a policy, and a revocation may name its ending") {
  ApiWorld world;
  auto policy = world.call("GET", policy_path + version).json;
  CHECK_FALSE(policy["properties"].contains("mode"));  // what is as Azure has it looks as Azure has it
  auto& properties = policy["properties"];
  auto& rule = properties["virtualMachines"][0]["ports"][0];
  CHECK_FALSE(rule.contains("standingSources"));
  CHECK_FALSE(rule.contains("maxSessionDuration"));
  CHECK_FALSE(rule.contains("justification"));
  const auto plain = policy.dump();
  properties["mode"] = "Monitor";
  rule["standingSources"] = {"192.0.2.9"};
  rule["maxSessionDuration"] = "PT8H";
  rule["justification"] = "required";
  const auto put = world.call("PUT", policy_path + version, policy.dump());
  REQUIRE(put.status() == 200);
  CHECK(put.json["properties"]["mode"] == "monitor");
  CHECK(put.json["properties"]["virtualMachines"][0]["ports"][0]["standingSources"] == Json::array({"192.0.2.9"}));
  CHECK(put.json["properties"]["virtualMachines"][0]["ports"][0]["maxSessionDuration"] == "PT8H");
  // A client of Azure's writes back what it knows: the rest stays.
  CHECK(world.call("PUT", policy_path + version, plain).json == put.json);
  const auto standing = world.call("GET", "/v1/grants").json["standing"];
  REQUIRE(standing.size() == 1);
  CHECK(standing[0]["sources"] == Json::array({"192.0.2.9"}));
  CHECK(standing[0]["machineName"] == "vm1");

  CHECK(put.json["properties"]["virtualMachines"][0]["ports"][0]["justification"] == "required");
  const auto silent = world.call("POST", "/v1/requests", ssh);
  CHECK(silent.status() == 400);
  CHECK(silent.json["errors"][0]["target"] == "justification");
  const auto because = ssh.substr(0, ssh.size() - 1) + R"(,"justification":"disk full"})";
  const auto serial = world.call("POST", "/v1/requests", because).json["grants"][0]["serial"].dump();
  CHECK(world.call("POST", "/v1/grants/" + serial + "/revoke", R"({"ending":"slowly"})").status() == 400);
  CHECK(world.call("POST", "/v1/grants/" + serial + "/revoke", R"({"end":"cut"})").status() == 400);
  const auto revoked = world.call("POST", "/v1/grants/" + serial + "/revoke", R"({"ending":"cut"})");
  REQUIRE(revoked.status() == 200);
  CHECK(revoked.json["ending"] == "cut");
  CHECK(revoked.json["cut"]["notReached"] == Json::array({"adopted", "learned", "machineOpened"}));
  world.require_in_step();
}

TEST_CASE("what the gate told is shown, and from where on is up to the caller") {
  ApiWorld world;
  core::DropEvent drop;
  drop.reason = "no_grant";
  drop.source = {core::Address{core::Family::ipv4, {198, 51, 100, 7}}, 40000};
  drop.destination = {core::Address{core::Family::ipv4, {192, 0, 2, 10}}, 22};
  drop.protocol = 6;
  drop.interface = "eth0";
  world.gate->event_log().take(drop);
  core::FlowEvent flow;
  flow.kind = core::FlowEvent::Kind::closed;
  flow.end = "finished";
  flow.client = drop.source;
  flow.machine = drop.destination;
  flow.protocol = 6;
  flow.grant = 7;
  flow.client_bytes = 1234;
  world.gate->event_log().take(flow);

  const auto all = world.call("GET", "/v1/gate/events");
  REQUIRE(all.status() == 200);
  CHECK(all.json["last"] == 2);
  CHECK(all.json["totals"] == Json::parse(R"({"drops":1,"opened":0,"closed":1,"moved":0})"));
  REQUIRE(all.json["events"].size() == 2);
  Json first = all.json["events"][0], second = all.json["events"][1];
  first.erase("timeUtc");
  CHECK(first == Json::parse(R"({"sequence":1,"kind":"drop","reason":"no_grant","dropped":true,
      "source":"198.51.100.7","sourcePort":40000,"destination":"192.0.2.10","destinationPort":22,"protocol":"TCP",
      "interface":"eth0"})"));
  CHECK(second["kind"] == "flow.closed");
  CHECK(second["end"] == "finished");
  CHECK(second["client"] == "198.51.100.7");
  CHECK(second["machinePort"] == 22);
  CHECK(second["grant"] == 7);
  CHECK(second["clientBytes"] == 1234);

  CHECK(world.call("GET", "/v1/gate/events?after=1").json["events"].size() == 1);
  CHECK(world.call("GET", "/v1/gate/events?limit=1").json["events"][0]["sequence"] == 2);
  CHECK(world.call("GET", "/v1/gate/events?after=x").status() == 400);
  CHECK(world.call("GET", "/v1/gate/events?since=1").status() == 400);
  CHECK(world.call_as(world.token_of("rita", "reader"), "GET", "/v1/gate/events").status() == 200);
  CHECK(world.call_as(world.token_of("rolf", "requester"), "GET", "/v1/gate/events").status() == 403);
}

TEST_CASE("a grant tells how it was used, the gate what became of packets to each service") {
  ApiWorld world;
  const auto opened = world.call("POST", "/v1/requests", ssh);
  REQUIRE(opened.status() == 201);
  const auto serial = opened.json["grants"][0]["serial"].get<std::uint64_t>();
  world.dataplane.uses[serial] = {2, 1, world.clock.now().boot};
  const auto grant = world.call("GET", "/v1/grants").json["grants"][0];
  CHECK(grant["admitted"] == 2);
  CHECK(grant["established"] == 1);
  CHECK(grant["lastAdmittedUtc"] == core::format_time(world.clock.now().utc));
  const auto services = world.call("GET", "/v1/gate/services");
  REQUIRE(services.status() == 200);
  REQUIRE(services.json["services"].size() == world.dataplane.maps.services.size());
  const auto& one = services.json["services"][0];
  CHECK(one["mode"] == "enforce");
  for (const char* member : {"address", "port", "protocol", "droppedPackets", "wouldBeDroppedPackets", "admittedConnections"})
    CHECK(one.contains(member));
}

TEST_CASE("a revocation is authorised before it is read, and refused with a record") {
  ApiWorld world;
  const auto serial = world.call("POST", "/v1/requests", ssh).json["grants"][0]["serial"].dump();
  const auto eve = world.token_of("eve", "reader"), olga = world.token_of("olga", "operator");
  const std::string good = "/v1/grants/" + serial + "/revoke", absent = "/v1/grants/999/revoke",
                    bad = "/v1/grants/x/revoke";
  struct Row {
    std::string path, body, code_of_eve, code_of_olga;
  };
  for (const auto& row : std::vector<Row>{{good, "{", "AuthorizationFailed", "InvalidRequestContent"},
                                          {good, "[]", "AuthorizationFailed", "InvalidRequestContent"},
                                          {good, R"({"ending":"slowly"})", "AuthorizationFailed", "InvalidInput"},
                                          {good, R"({"ending":7})", "AuthorizationFailed", "InvalidInput"},
                                          {good, R"({"end":"cut"})", "AuthorizationFailed", "InvalidInput"},
                                          {absent, R"({"end":"cut"})", "AuthorizationFailed", "InvalidInput"},
                                          {bad, "", "AuthorizationFailed", "InvalidInput"}}) {
    INFO(row.path << " " << row.body);
    const auto before = world.store.records().size();
    CHECK(world.call_as(eve, "POST", row.path, row.body).code() == row.code_of_eve);
    CHECK(world.call_as(olga, "POST", row.path, row.body).code() == row.code_of_olga);
    const auto records = world.records_since(before);
    REQUIRE(records.size() == 2);
    for (const auto& record : records) CHECK(record.operation == "grant.revoke");
    CHECK(records[0].principal == "eve");
    CHECK(records[1].principal == "olga");
    CHECK(records[1].code == row.code_of_olga);
  }
  CHECK(world.call_as(olga, "POST", good, R"({"ending":"cut"})").json["cut"]["grants"] ==
        Json::array({std::stoi(serial)}));
}
