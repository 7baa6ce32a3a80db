// SPDX-License-Identifier: Apache-2.0
// The access review over both its forms: rights come from roles and policies, tokens tell of their use.
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;

namespace {

class Facts : public core::ReviewStore {
 public:
  core::Result<core::ReviewFacts> review(core::UtcTime from, core::UtcTime to, core::UtcTime) override {
    asked = {from, to};
    core::ReviewFacts facts;
    facts.uses.push_back({.requestor = "=alice", .machine_id = machine_id("vm1"), .requests = 3});
    facts.unused.push_back({7, "bob", machine_id("vm1"), 22, from, to});
    facts.unused_count = 1;
    return facts;
  }
  core::Result<void> note_token_uses(const std::map<std::string, core::UtcTime>& last) override {
    for (const auto& [id, time] : last) uses[id] = time;
    return {};
  }
  core::Result<std::map<std::string, core::UtcTime>> token_uses() override { return uses; }
  std::pair<core::UtcTime, core::UtcTime> asked;
  std::map<std::string, core::UtcTime> uses;
};

}  // namespace

TEST_CASE("a review tells who may get where, who did, and which tokens nobody uses") {
  ApiWorld world;
  Facts facts;
  world.gate->keep_reviews(facts);
  auto settings = world.gate->settings();
  settings.users = {{{"carol", {{"requester", machine_id("vm2")}}}, "certificate CN=carol"}, {{"dave", {{"reader", "/"}}}, "user dave"}};
  REQUIRE(world.gate->reconfigure(settings, "Other users."));
  const auto used = world.token_of("alice", "requester"), unused = world.token_of("=eve", "admin");
  CHECK(world.call_as(used, "GET", "/v1/policies").status() == 200);
  world.gate->write_flows();
  CHECK(facts.uses.size() == 1);

  const auto answer = world.call("GET", "/v1/audit/review");
  REQUIRE(answer.status() == 200);
  CHECK(facts.asked.second - facts.asked.first == std::chrono::hours(24 * 90));
  std::map<std::string, int> machines;  // by who
  for (const auto& right : answer.json["rights"]) {
    ++machines[right["principal"].get<std::string>()];
    CHECK(right["needNotAsk"] == (right["principal"] == "=eve"));
    CHECK((right["by"] == "certificate CN=carol") == (right["principal"] == "carol"));
  }
  CHECK(machines == std::map<std::string, int>{{"carol", 1}, {"alice", 2}, {"=eve", 2}});
  CHECK(answer.json["uses"][0]["requests"] == 3);
  CHECK(answer.json["unusedGrants"][0]["serial"] == 7);
  for (const auto& token : answer.json["tokens"]) {
    CHECK(token["neverUsed"] == (token["principal"] == "=eve"));
    CHECK(token["endless"] == true);
    CHECK_FALSE(token.contains("hash"));
  }

  const auto csv = world.call("GET", "/v1/audit/review?format=csv").response.body;
  CHECK_THAT(csv, Catch::StartsWith("about,who,machine"));
  CHECK_THAT(csv, Catch::Contains("use,'=alice,"));
  CHECK_THAT(csv, Catch::Contains("token,'=eve,"));
  CHECK_THAT(csv, Catch::Contains("unusedGrant,bob,"));
}

TEST_CASE("a review tells of everybody who may get in: by certificate, by an issuer's role, by break-glass") {
  ApiWorld world;
  Facts facts;
  world.gate->keep_reviews(facts);
  auto settings = world.gate->settings();
  settings.users = {{{"cert:CN=ops", {{"requester", "/"}}}, "certificate CN=ops"}, {{"oidc:*", {{"requester", machine_id("vm1")}}}, "OIDC role ops"}};
  REQUIRE(world.gate->reconfigure(settings, "Other users."));
  REQUIRE(world.call("POST", "/v1/breakglass", R"({"principal":"erin","scope":")" + machine_id("vm2") + R"(","duration":"PT1H","reason":"on call"})").status() == 201);
  std::map<std::string, int> machines;  // by way
  const auto answer = world.call("GET", "/v1/audit/review");
  for (const auto& right : answer.json["rights"]) ++machines[right["by"].get<std::string>()];
  CHECK(machines == std::map<std::string, int>{{"certificate CN=ops", 2}, {"OIDC role ops", 1}, {"break-glass 1", 1}});
  world.clock.advance(2h);
  CHECK(world.call("GET", "/v1/audit/review").json["rights"].size() == 3);
}

TEST_CASE("a review is for who may read the audit, and its period begins before it ends") {
  ApiWorld world;
  const auto token = world.token_of("alice", "reader");
  CHECK(world.call_as(token, "GET", "/v1/audit/review").status() == 403);
  CHECK(world.store.records().back().operation == "audit.review");
  CHECK(world.call("GET", "/v1/audit/review?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").status() == 400);
  CHECK(world.call("GET", "/v1/audit/review?format=jsonl").status() == 400);
  CHECK(world.call("GET", "/v1/audit/review?since=x").status() == 400);
}
