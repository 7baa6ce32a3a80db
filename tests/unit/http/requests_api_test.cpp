// SPDX-License-Identifier: Apache-2.0
// Requests that wait, their answers and extensions, as clients see them (docs/api.md).
#include "tests/support/catch.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;
using Json = nlohmann::json;

namespace {

const std::string guarded_rule = good_rule + R"(,"approval":"approve")";
const std::string asked = R"({"machines":[{"machine":"vm1","ports":[{"number":22,"duration":"PT1H","sources":["203.0.113.7"]}]}]})";

std::string with(const std::string& body, const std::string& member) {
  return body.substr(0, body.size() - 1) + "," + member + "}";
}

struct RequestsWorld : ApiWorld {
  RequestsWorld() {
    const auto put = call("PUT", policy_path + version, policy_body(guarded_rule));
    REQUIRE(put.status() == 200);
    CHECK(put.json["properties"]["virtualMachines"][0]["ports"][0]["approval"] == "approve");
    rita = token_of("rita", "requester");
    paul = token_of("paul", "approver");
  }
  std::string rita, paul;
};

}  // namespace

TEST_CASE("Azure's clients see a request that waits as Initiating, then Initiated or Revoked") {
  RequestsWorld world;
  const auto plain = policy_body(good_rule);  // a client of Azure's does not know the member: it stays
  CHECK(world.call("PUT", policy_path + version, plain).json["properties"]["virtualMachines"][0]["ports"][0]["approval"] == "approve");
  const auto initiate = [&] { return world.call_as(world.rita, "POST", policy_path + "/initiate" + version, good_ask); };
  const auto port = [&](std::size_t request) {
    return world.call("GET", policy_path + version).json["properties"]["requests"][request]["virtualMachines"][0]["ports"][0];
  };
  const auto first = initiate();
  REQUIRE(first.status() == 202);
  CHECK(first.json["virtualMachines"][0]["ports"][0]["status"] == "Initiating");
  CHECK(port(0)["status"] == "Initiating");
  CHECK(port(0)["statusReason"] == "UserRequested");
  CHECK_FALSE(world.admits("203.0.113.7", "10.0.0.1", 22));
  CHECK(world.call_as(world.paul, "POST", "/v1/requests/1/approve").status() == 200);
  CHECK(port(0)["status"] == "Initiated");
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
  REQUIRE(initiate().status() == 202);
  CHECK(world.call_as(world.paul, "POST", "/v1/requests/2/deny").status() == 200);
  CHECK(port(1)["status"] == "Revoked");
  CHECK(port(1)["statusReason"] == "UserRequested");
  REQUIRE(initiate().status() == 202);
  world.clock.advance(4h);
  world.gate->sweep();
  CHECK(port(2)["status"] == "Revoked");
  CHECK(port(2)["statusReason"] == "Expired");
}

TEST_CASE("a request waits, is listed, answered by another, and shown with its answer") {
  RequestsWorld world;
  const auto made = world.call_as(world.rita, "POST", "/v1/requests", with(asked, R"("justification":"disk full")"));
  REQUIRE(made.status() == 201);
  CHECK(made.json["state"] == "pending");
  CHECK(made.json["grants"][0]["state"] == "pending");
  CHECK(made.json["answerByUtc"] == "2030-01-02T07:04:05.0000000Z");
  CHECK_FALSE(made.json.contains("answeredBy"));
  CHECK(world.call_as(world.paul, "GET", "/v1/requests?state=pending").json["requests"] == Json::array({made.json}));
  CHECK(world.call_as(world.rita, "GET", "/v1/requests/1").json == made.json);
  CHECK(world.call("GET", "/v1/requests?state=maybe").status() == 400);
  CHECK(world.call("GET", "/v1/requests?status=pending").status() == 400);
  CHECK(world.call("GET", "/v1/requests/2").code() == "RequestNotFound");
  CHECK(world.call("GET", "/v1/requests/one").code() == "RequestNotFound");

  CHECK(world.call_as(world.rita, "POST", "/v1/requests/1/approve").status() == 403);
  CHECK(world.call_as(world.token_of("RITA", "admin"), "POST", "/v1/requests/1/approve").status() == 403);
  CHECK(world.call_as(world.paul, "POST", "/v1/requests/1/approve", R"({"duration":"PT3H"})").status() == 400);
  CHECK(world.call_as(world.paul, "POST", "/v1/requests/1/deny", R"({"why":"no"})").status() == 400);
  CHECK(world.call_as(world.paul, "POST", "/v1/requests/1/deny", R"({"reason":"a\nb"})").json["errors"][0]["target"] == "reason");
  const auto denied = world.call_as(world.paul, "POST", "/v1/requests/1/deny", R"({"reason":"not tonight"})");
  REQUIRE(denied.status() == 200);
  CHECK(denied.json["state"] == "ended");
  CHECK(denied.json["answeredBy"] == "paul");
  CHECK(denied.json["answerReason"] == "not tonight");
  CHECK(denied.json["grants"][0]["endReason"] == "UserRequested");
  CHECK(world.call_as(world.paul, "POST", "/v1/requests/1/deny").status() == 409);
  CHECK(world.call("GET", "/v1/requests?state=pending").json["requests"].empty());
  CHECK(world.call("GET", "/v1/requests").json["requests"].size() == 1);
}

TEST_CASE("a request may start later, and an Azure initiate does not know how") {
  RequestsWorld world;
  REQUIRE(world.call("PUT", policy_path + version, policy_body(good_rule + R"(,"approval":"auto")")).status() == 200);
  const auto made = world.call("POST", "/v1/requests", with(asked, R"("startTimeUtc":"2030-01-02T05:04:05Z")"));
  REQUIRE(made.status() == 201);
  CHECK(made.json["state"] == "scheduled");
  CHECK(made.json["grants"][0]["startTimeUtc"] == "2030-01-02T05:04:05.0000000Z");
  CHECK(made.json["grants"][0]["endTimeUtc"] == "2030-01-02T06:04:05.0000000Z");
  CHECK(world.call("GET", "/v1/grants").json["grants"][0]["state"] == "scheduled");
  const auto far = world.call("POST", "/v1/requests", with(asked, R"("startTimeUtc":"2031-01-02T05:04:05Z")"));
  CHECK(far.status() == 400);
  CHECK(far.json["errors"][0]["target"] == "startTimeUtc");
  world.clock.advance(2h);
  world.gate->sweep();
  CHECK(world.call("GET", "/v1/requests/1").json["state"] == "live");
  CHECK(world.admits("203.0.113.7", "10.0.0.1", 22));
}

TEST_CASE("a grant is extended, or what is wrong with that is told with its place") {
  RequestsWorld world;
  REQUIRE(world.call("PUT", policy_path + version, policy_body(good_rule + R"(,"approval":"auto")")).status() == 200);
  REQUIRE(world.call_as(world.rita, "POST", "/v1/requests", asked).status() == 201);
  const auto extended = world.call_as(world.rita, "POST", "/v1/grants/1/extend", R"({"duration":"PT2H"})");
  REQUIRE(extended.status() == 200);
  CHECK(extended.json["serial"] == 1);
  CHECK(extended.json["startTimeUtc"] == "2030-01-02T03:04:05.0000000Z");
  CHECK(extended.json["endTimeUtc"] == "2030-01-02T05:04:05.0000000Z");
  CHECK(extended.json["extendedAtUtc"] == "2030-01-02T03:04:05.0000000Z");
  CHECK(world.call("POST", "/v1/grants/1/extend", R"({"duration":"PT4H"})").json["errors"][0]["target"] == "duration");
  CHECK(world.call("POST", "/v1/grants/1/extend", R"({"endTimeUtc":"2030-01-02T04:04:05Z"})").json["errors"][0]["target"] == "endTimeUtc");
  CHECK(world.call("POST", "/v1/grants/1/extend", "{}").json["errors"][0]["target"] == "endTimeUtc");
  CHECK(world.call("POST", "/v1/grants/1/extend", R"({"by":"PT1H"})").json["errors"][0]["target"] == "by");
  CHECK(world.call("POST", "/v1/grants/1/extend").code() == "InvalidRequestContent");
  CHECK(world.call("POST", "/v1/grants/x/extend", R"({"duration":"PT1H"})").json["errors"][0]["target"] == "serial");
  CHECK(world.call("POST", "/v1/grants/9/extend", R"({"duration":"PT1H"})").code() == "GrantNotFound");
  CHECK(world.call_as(world.paul, "POST", "/v1/grants/1/extend", R"({"duration":"PT1H"})").status() == 403);
}
