// SPDX-License-Identifier: Apache-2.0
// Too many calls: the buckets, and who is told so where. Time is told by hand.
#include "controlplane/http/rate_limit.hpp"

#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;
using namespace std::chrono_literals;
using Time = http::RateLimit::Time;

namespace {

constexpr Time start{1000s};
Time told{start};

Time told_time() {
  return told;
}

}  // namespace

TEST_CASE("a bucket holds its burst, fills at its rate, and says when to come again") {
  http::RateLimit limit({.a_second = 2, .burst = 3});
  for (int i = 0; i < 3; ++i) CHECK_FALSE(limit.take("alice", start));
  CHECK(limit.take("alice", start) == 1s);
  CHECK_FALSE(limit.take("bob", start));
  CHECK(limit.take("alice", start + 499ms) == 1s);
  CHECK_FALSE(limit.take("alice", start + 500ms));
  CHECK(limit.take("alice", start + 500ms) == 1s);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(limit.take("alice", start + 1h));
  CHECK(limit.take("alice", start + 1h));
  CHECK(limit.take("alice", start));  // a clock that went back gives nothing
}

TEST_CASE("slow rates: whole seconds, never fewer than it takes") {
  http::RateLimit limit({.a_second = 1.0 / 60, .burst = 1});
  CHECK_FALSE(limit.take("", start));
  CHECK(limit.take("", start) == 60s);
  CHECK(limit.take("", start + 59s) == 1s);
  CHECK_FALSE(limit.take("", start + 60s));
}

TEST_CASE("rate 0 is no limit") {
  http::RateLimit limit({});
  for (int i = 0; i < 1000; ++i) REQUIRE_FALSE(limit.take("alice", start));
  CHECK(limit.keys() == 0);
}

TEST_CASE("whatever keys come, memory is bounded, and nobody who is known loses his bucket") {
  constexpr auto most = http::RateLimit::keys_max;
  http::RateLimit limit({.a_second = 1, .burst = 2});
  const auto key = [](std::size_t i) { return "key " + std::to_string(i); };
  for (std::size_t i = 0; i < most; ++i) REQUIRE_FALSE(limit.take(key(i), start));
  CHECK(limit.keys() == most);
  CHECK_FALSE(limit.take("one more", start));
  CHECK_FALSE(limit.take("another", start));
  CHECK(limit.take("a third", start));  // they share one
  CHECK_FALSE(limit.take(key(7), start));
  CHECK(limit.take(key(7), start));
  CHECK_FALSE(limit.take("one more", start + 1s));  // those that were full are forgotten
  CHECK(limit.keys() == 2);                         // key 7 and the newcomer
}

namespace {

struct LimitedWorld : ApiWorld {
  explicit LimitedWorld(http::Rate caller, http::Rate stranger = {})
      : api(*gate, {.identity = {.users = {{"70001", {"reader", "/"}}}, .admin_group = {}, .trusted_proxies = {core::parse_prefix("192.0.2.1").value()}},
                    .public_url = "", .caller_rate = caller, .stranger_rate = stranger, .now = told_time}) {
    told = start;
  }

  ApiAnswer from(const std::string& address, const std::string& token, const std::string& target = "/v1/machines",
                 const std::string& forwarded = "") {
    http::Peer peer;
    peer.address = core::parse_address(address).value();
    peer.tls = true;
    peer.server_names = {"gate.example"};
    http::HttpRequest request{.method = "GET", .target = target, .headers = {{"host", "gate.example"}}, .body = ""};
    if (!token.empty()) request.headers.emplace_back("authorization", "Bearer " + token);
    if (!forwarded.empty()) request.headers.emplace_back("x-forwarded-for", forwarded);
    ApiAnswer answer{api.handle(request, peer), {}};
    answer.json = nlohmann::json::parse(answer.response.body, nullptr, false);
    return answer;
  }
  int local(std::uint32_t uid, const std::string& method, const std::string& target, const std::string& body = "") {
    http::Peer peer;
    peer.local = http::UnixPeer{uid, uid, {}};
    return api.handle({.method = method, .target = target, .headers = {}, .body = body}, peer).status;
  }
  std::string metrics() {
    http::Peer peer;
    peer.local = http::UnixPeer{0, 0, {}};
    return api.handle({.method = "GET", .target = "/metrics", .headers = {}, .body = ""}, peer).body;
  }

  http::Api api;
};

constexpr http::Rate slow{.a_second = 0.25, .burst = 2};

}  // namespace

TEST_CASE("a caller who asks too often is told so, in the API's own words and Azure's; others are not") {
  LimitedWorld world(slow);
  const auto alice = world.token_of("alice", "reader"), again = world.token_of("Alice", "reader"), bob = world.token_of("bob", "reader");
  CHECK(world.from("203.0.113.1", alice).status() == 200);
  CHECK(world.from("203.0.113.2", again).status() == 200);  // one person, whatever token and place
  const auto records = world.records_since(0).size();
  const auto own = world.from("203.0.113.3", alice);
  CHECK(own.status() == 429);
  CHECK(own.code() == "TooManyRequests");
  CHECK(own.header("retry-after") == "4");
  CHECK(own.response.content_type == "application/problem+json");
  CHECK(own.response.identified);
  told += 3s;
  const auto azure = world.from("203.0.113.3", again, policy_path + version);
  CHECK(azure.status() == 429);
  CHECK(azure.json["error"]["code"] == "TooManyRequests");
  CHECK(azure.header("retry-after") == "1");
  CHECK(world.from("203.0.113.3", bob).status() == 200);
  CHECK(world.records_since(0).size() == records);  // no decision, no record
  told += 1s;
  CHECK(world.from("203.0.113.3", alice).status() == 200);
  CHECK(world.metrics().find("postern_limited_calls_total{limit=\"caller\"} 2\n") != std::string::npos);
}

TEST_CASE("at the Unix socket root has no limit, others have") {
  LimitedWorld world(slow);
  for (int i = 0; i < 20; ++i) {
    REQUIRE(world.local(0, "GET", "/v1/machines") == 200);
    REQUIRE(world.local(0, "GET", "/healthz") == 200);
  }
  CHECK(world.local(70001, "GET", "/v1/machines") == 200);
  CHECK(world.local(70001, "GET", "/v1/machines") == 200);
  CHECK(world.local(70001, "GET", "/v1/machines") == 429);
}

TEST_CASE("calls of nobody known are limited by source; a good token from there is served") {
  LimitedWorld world({}, slow);
  const auto alice = world.token_of("alice", "reader");
  const auto records = world.records_since(0).size();
  CHECK(world.from("203.0.113.1", "wrong").status() == 401);
  CHECK(world.from("203.0.113.1", "").status() == 401);
  const auto limited = world.from("203.0.113.1", "wrong");
  CHECK(limited.status() == 429);
  CHECK(limited.header("retry-after") == "4");
  CHECK_FALSE(limited.response.identified);
  CHECK(world.from("203.0.113.1", alice).status() == 200);
  CHECK(world.from("203.0.113.2", "wrong").status() == 401);
  CHECK(world.records_since(0).size() == records);
  CHECK(world.metrics().find("postern_failed_logins_total 4\n") != std::string::npos);
  CHECK(world.metrics().find("postern_limited_calls_total{limit=\"source\"} 1\n") != std::string::npos);
}

TEST_CASE("known to the issuer but without a role here: limited as strangers are, for each refusal leaves a record") {
  LimitedWorld world({}, slow);
  world.api.set_access_tokens([](std::string_view token) {
    core::Principal who{"oidc:" + std::string(token), {}};
    if (token.starts_with("reader")) who.assignments.push_back({"reader", "/"});
    return core::Result<core::Principal>(who);
  });
  CHECK(world.from("203.0.113.1", "nobody.1.x").status() == 403);
  CHECK(world.from("203.0.113.1", "nobody.2.x").status() == 403);
  const auto records = world.records_since(0).size();
  CHECK(world.from("203.0.113.1", "nobody.3.x").status() == 429);
  CHECK(world.records_since(0).size() == records);
  for (int i = 0; i < 4; ++i) CHECK(world.from("203.0.113.1", "reader.1.x").status() == 200);
}

TEST_CASE("what is one source: a /64, who stands behind a trusted proxy, a local user") {
  LimitedWorld world({}, {.a_second = 1, .burst = 1});
  CHECK(world.from("2001:db8::1", "").status() == 401);
  CHECK(world.from("2001:db8::ffff:2", "").status() == 429);
  CHECK(world.from("2001:db8:0:1::1", "").status() == 401);
  CHECK(world.from("192.0.2.1", "", "/v1/machines", "203.0.113.1").status() == 401);
  CHECK(world.from("192.0.2.1", "", "/v1/machines", "203.0.113.2").status() == 401);
  CHECK(world.from("192.0.2.1", "", "/v1/machines", "203.0.113.2").status() == 429);
  CHECK(world.from("203.0.113.9", "", "/v1/machines", "203.0.113.3").status() == 401);
  CHECK(world.from("203.0.113.9", "", "/v1/machines", "203.0.113.4").status() == 429);  // who is no proxy is not believed
  CHECK(world.local(70005, "GET", "/v1/machines") == 401);
  CHECK(world.local(70005, "GET", "/v1/machines") == 429);
  CHECK(world.local(70006, "GET", "/v1/machines") == 401);
}

TEST_CASE("health checks have a limit of their own") {
  LimitedWorld world(slow, slow);
  for (int i = 0; i < 3; ++i) world.from("203.0.113.1", "");
  CHECK(world.from("203.0.113.1", "", "/healthz").status() == 200);
  CHECK(world.from("203.0.113.1", "", "/readyz").status() == 200);
  CHECK(world.from("203.0.113.1", "", "/healthz").status() == 429);
  CHECK(world.from("203.0.113.2", "", "/healthz").status() == 200);
}
