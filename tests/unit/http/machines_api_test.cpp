// SPDX-License-Identifier: Apache-2.0
// Machines by our own API: enabling, excluding, filters.
#include "tests/support/catch.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern::tests;

TEST_CASE("machines are enabled and disabled by name, listed by state, and excluded with a reason") {
  ApiWorld world;
  REQUIRE(world.call("PUT", "/v1/machines/db1", R"({"os":"linux","addresses":["192.0.2.20"]})").status() == 200);
  REQUIRE(world.call("PUT", "/v1/machines/db2", R"({"os":"windows","addresses":["192.0.2.21"]})").status() == 200);
  const auto enabled = world.call("POST", "/v1/machines/enable", R"({"machines":["db1","db2"]})");
  REQUIRE(enabled.status() == 200);
  CHECK(enabled.json["machines"][0]["state"] == "configured");
  CHECK(enabled.json["machines"][1]["ports"][0]["number"] == 3389);
  CHECK(world.call("POST", "/v1/machines/enable", R"({"machines":["db1"],"ports":"recommended"})").json["machines"][0]["ports"].size() == 4);
  const auto ruled = world.call("POST", "/v1/machines/enable",
                                R"({"machines":["db1"],"ports":[{"number":22,"protocol":"TCP","maxDuration":"PT30M","sources":["192.0.2.0/24"],"approval":"approve"}]})");
  REQUIRE(ruled.status() == 200);
  const auto port = world.call("GET", "/v1/machines/db1").json["ports"][0];
  CHECK(port["maxDuration"] == "PT30M");
  CHECK(port["approval"] == "approve");
  CHECK(world.call("GET", "/v1/machines?state=notConfigured").json["machines"].empty());
  CHECK(world.call("POST", "/v1/machines/disable", R"({"machines":["db1","db2"]})").status() == 200);
  CHECK(world.call("GET", "/v1/machines?state=notConfigured&resourceGroup=default").json["machines"].size() == 2);
  CHECK(world.call("GET", "/v1/machines?state=odd").code() == "InvalidInput");
  CHECK(world.call("GET", "/v1/machines?colour=red").code() == "InvalidInput");
  CHECK(world.call("POST", "/v1/machines/enable", R"({"machines":["db1"],"ports":[]})").json["errors"][0]["target"] == "ports");
  CHECK(world.call("POST", "/v1/machines/enable", R"({"machines":["db1"],"colour":1})").json["errors"][0]["target"] == "colour");

  const auto excluded = world.call("PUT", "/v1/machines/db1", R"({"addresses":["192.0.2.20"],"excluded":{"reason":"a cage"}})");
  CHECK(excluded.json["excluded"]["reason"] == "a cage");
  CHECK(excluded.json["state"] == "unsupported");
  CHECK(world.call("POST", "/v1/machines/enable", R"({"machines":["db1"],"ports":"recommended"})").json["errors"][0]["target"] == "machines[0]");
  CHECK(world.call("PUT", "/v1/machines/db1", R"({"addresses":["192.0.2.20"],"excluded":{}})").json["errors"][0]["target"] == "excluded.reason");
  CHECK(world.call("PUT", "/v1/machines/db1", R"({"addresses":["192.0.2.20"],"excluded":{"reason":""}})").json["state"] == "notConfigured");
}

TEST_CASE("a machine tells what to dial, by a forward first, and the caller's own grant") {
  ApiWorld world;
  REQUIRE(world.call("PUT", "/v1/machines/db1", R"({"os":"linux","addresses":["192.0.2.20","2001:db8::20"],
      "forwards":[{"address":"198.51.100.1","port":2222,"protocol":"tcp","machinePort":22}]})").status() == 200);
  REQUIRE(world.call("POST", "/v1/machines/enable", R"({"machines":["db1"]})").status() == 200);
  const auto shut = world.call("GET", "/v1/machines/db1/connection");
  REQUIRE(shut.status() == 200);
  REQUIRE(shut.json["ports"].size() == 1);
  CHECK_FALSE(shut.json["ports"][0].contains("grant"));
  const auto ways = nlohmann::json::parse(R"([{"address":"198.51.100.1","port":2222,"protocol":"TCP","forward":true},
      {"address":"192.0.2.20","port":22,"protocol":"TCP","forward":false},
      {"address":"2001:db8::20","port":22,"protocol":"TCP","forward":false}])");
  CHECK(shut.json["ports"][0]["endpoints"] == ways);
  const std::string ask = R"({"machines":[{"machine":"db1","ports":[{"number":22,"duration":"PT1H","sources":["203.0.113.7"]}]}]})";
  const auto asked = world.call("POST", "/v1/requests", ask);
  REQUIRE(asked.status() == 201);
  CHECK(asked.json["grants"][0]["endpoints"] == ways);
  CHECK(world.call("GET", "/v1/machines/db1/connection").json["ports"][0]["grant"]["serial"] == asked.json["grants"][0]["serial"]);
  const auto other = world.call_as(world.token_of("kim", "requester"), "GET", "/v1/machines/db1/connection");
  CHECK(other.status() == 200);
  CHECK_FALSE(other.json["ports"][0].contains("grant"));
  CHECK(world.call("GET", "/v1/machines/nobody/connection").code() == "MachineNotFound");
}

TEST_CASE("a switch is turned with a reason, and shown") {
  ApiWorld world;
  const auto list = world.call("GET", "/v1/switches");
  CHECK(list.json == nlohmann::json::parse(R"({"switches":[{"name":"global","enforcing":true}]})"));
  CHECK(world.call("PUT", "/v1/switches/global", R"({"enforcing":false})").json["errors"][0]["target"] == "reason");
  CHECK(world.call("PUT", "/v1/switches/global", R"({"enforcing":"no","reason":"x"})").json["errors"][0]["target"] == "enforcing");
  CHECK(world.call("PUT", "/v1/switches/nothing", R"({"enforcing":false,"reason":"x"})").json["errors"][0]["target"] == "name");
  const auto off = world.call("PUT", "/v1/switches/global", R"({"enforcing":false,"reason":"a drill"})");
  REQUIRE(off.status() == 200);
  CHECK(off.json["by"] == "root");
  CHECK(world.call("GET", "/v1/status").json["warnings"].size() == 1);
  CHECK(world.call_as(world.token_of("kim", "operator"), "PUT", "/v1/switches/global", R"({"enforcing":true})").status() == 403);
  CHECK(world.call("PUT", "/v1/switches/global", R"({"enforcing":true})").status() == 200);
  CHECK(world.call("GET", "/v1/status").json["warnings"].empty());
}
