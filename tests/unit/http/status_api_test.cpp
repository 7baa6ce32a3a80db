// SPDX-License-Identifier: Apache-2.0
// The status while the gate is away: that it is, and what can be told without it.
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;
using Json = nlohmann::json;

TEST_CASE("a status is given also while the gate is away, to whoever may see it") {
  ApiWorld world;
  const std::string requester = world.token_of("alice", "requester");
  CHECK(world.call_as(requester, "GET", "/v1/status").status() == 403);
  world.fuse.arm(2, Fuse::Blow::from_then_on);
  CHECK(world.call("POST", policy_path + "/initiate" + version, good_ask).status() == 503);
  const auto status = world.call("GET", "/v1/status");
  CHECK(status.status() == 200);
  CHECK(status.json["ready"] == false);
  CHECK_FALSE(status.json["notReady"].get<std::string>().empty());
}

TEST_CASE("whoever may not see the status does not, also when that cannot be recorded") {
  ApiWorld world;
  const std::string requester = world.token_of("alice", "requester");
  world.gate->warn("host", "Addresses are not guarded.");
  world.fuse.arm(1, Fuse::Blow::from_then_on);
  for (const auto* path : {"/v1/status", "/metrics"}) {
    const auto answer = world.call_as(requester, "GET", path);
    CHECK(answer.status() == 503);
    CHECK(answer.response.body.find("guarded.") == std::string::npos);
    CHECK(answer.response.body.find("subscription") == std::string::npos);
  }
}

TEST_CASE("warnings are shown once each, also when the gate cannot be read, to whoever may see the status") {
  ApiWorld world;
  const std::string requester = world.token_of("alice", "requester");
  world.gate->warn("host", "Addresses are not guarded.");
  for (const bool readable : {true, false}) {
    if (!readable) world.dataplane.lasts = 0;
    const auto status = world.call("GET", "/v1/status");
    CHECK(status.status() == 200);
    CHECK(status.json.contains("instance") == readable);
    CHECK(status.json["warnings"] == Json::array({"Addresses are not guarded."}));
    CHECK(world.call_as(requester, "GET", "/v1/status").response.body.find("guarded.") == std::string::npos);
  }
  world.gate->warn("host", "");
  CHECK(world.call("GET", "/v1/status").json["warnings"] == Json::array());
}
