// SPDX-License-Identifier: Apache-2.0
// Requests that wait at the same time come to the handler as one group, and each is answered what it asked.
#include "controlplane/http/turn.hpp"

#include "tests/support/running_server.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;

namespace {

// A server whose handler tells each request's target, and notes how many came at once.
struct Noting {
  std::vector<std::size_t> sizes;
  test::RunningServer server{[this](const std::vector<http::Arrival>& arrivals) {
    sizes.push_back(arrivals.size());
    std::vector<http::HttpResponse> responses;
    for (const auto& arrival : arrivals) responses.push_back({.body = arrival.request.target, .headers = {}});
    return responses;
  }};

  // Sends one request on each connection while the server's thread is held, so that all can be read when it goes on.
  void send_at_once(std::vector<test::RawClient>& clients, const std::string& prefix) {
    server.run([&](http::Server&) {
      for (std::size_t i = 0; i < clients.size(); ++i)
        clients[i].send(test::request_text("GET", prefix + std::to_string(i)));
    });
  }
};

std::vector<test::RawClient> clients_of(test::RunningServer& server, std::size_t count) {
  std::vector<test::RawClient> clients;
  for (std::size_t i = 0; i < count; ++i) clients.push_back(i % 2 ? server.unix_client() : server.tcp_client());
  while (server.connections() < count) std::this_thread::yield();
  return clients;
}

}  // namespace

TEST_CASE("requests that can be read at the same time are handled at once") {
  Noting noting;
  auto clients = clients_of(noting.server, 20);
  for (int round = 0; round < 3; ++round) {
    noting.send_at_once(clients, "/" + std::to_string(round) + "/");
    for (std::size_t i = 0; i < clients.size(); ++i)
      CHECK(clients[i].answer().body == "/" + std::to_string(round) + "/" + std::to_string(i));
  }
  noting.server.run([&](http::Server&) { CHECK(noting.sizes == std::vector<std::size_t>(3, 20)); });
}

TEST_CASE("a request that came alone is handled alone, and one that is half sent holds up nobody") {
  Noting noting;
  auto clients = clients_of(noting.server, 2);
  clients[0].send("GET /half HTTP/1.1\r\nHost: x\r\n");
  clients[1].send(test::request_text("GET", "/whole"));
  CHECK(clients[1].answer().body == "/whole");
  clients[0].send("\r\n");
  CHECK(clients[0].answer().body == "/half");
  noting.server.run([&](http::Server&) { CHECK(noting.sizes == std::vector<std::size_t>{1, 1}); });
}

TEST_CASE("requests for access of one turn share a sync; what is read in it shows only what is durable") {
  ApiWorld world;
  http::Peer peer;
  peer.local = http::UnixPeer{0, 0, {}};
  const auto request = [](const std::string& method, const std::string& target, const std::string& body) {
    return http::HttpRequest{.method = method, .target = target, .headers = {{"host", "localhost"}}, .body = body};
  };
  const std::string own = R"({"machines":[{"machine":"vm2","ports":[{"number":22,"duration":"PT1H","sources":["*"]}]}]})";
  const std::vector<http::HttpRequest> requests{request("GET", "/v1/grants", ""),
                                                request("POST", policy_path + "/initiate" + version, good_ask),
                                                request("POST", "/v1/requests", "no JSON"),
                                                request("POST", "/v1/requests", own),
                                                request("GET", "/v1/nothing", "")};
  std::vector<http::Arrival> arrivals;
  for (const auto& each : requests) arrivals.push_back({each, peer});
  const auto records = world.store.records().size();
  const auto committed = [&] { return static_cast<std::size_t>(world.fuse.effects()) - world.dataplane.steps; };
  const auto commits = committed();
  http::Api api(*world.gate, {});

  SECTION("all goes well") {
    const auto answers = api.handle(arrivals);
    CHECK(committed() == commits + 1);
    std::vector<int> statuses;
    for (const auto& answer : answers) statuses.push_back(answer.status);
    CHECK(statuses == std::vector<int>{200, 202, 400, 201, 404});
    CHECK(nlohmann::json::parse(answers[0].body)["grants"].size() == 2);
    CHECK(world.store.records().size() == records + 3);
  }
  SECTION("the store refuses once: they come one by one") {
    world.fuse.arm(1, Fuse::Blow::once);
    const auto answers = api.handle(arrivals);
    CHECK(answers[1].status == 202);
    CHECK(answers[3].status == 201);
    CHECK(world.store.records().size() == records + 3);
  }
  SECTION("the store refuses: nothing was done, and nothing is listed") {
    world.fuse.arm(1, Fuse::Blow::from_then_on);
    const auto answers = api.handle(arrivals);
    CHECK(answers[1].status == 503);
    CHECK(answers[3].status == 503);
    CHECK(nlohmann::json::parse(answers[0].body)["grants"].empty());
    CHECK(world.store.records().size() == records);
  }
  world.require_in_step();
}

namespace {

// A turn of calls, each from a place of its own.
struct Crowd {
  std::vector<std::unique_ptr<std::pair<http::HttpRequest, http::Peer>>> calls;

  void add(http::HttpRequest request, http::Peer peer) {
    calls.push_back(std::make_unique<std::pair<http::HttpRequest, http::Peer>>(std::move(request), std::move(peer)));
  }
  void as_root(const std::string& target, const std::string& body) {
    http::Peer peer;
    peer.local = http::UnixPeer{0, 0, {}};
    add({.method = "POST", .target = target, .headers = {{"host", "localhost"}}, .body = body}, peer);
  }
  void as(const std::string& token, const std::string& target, const std::string& body, const std::string& host = "gate.example") {
    http::Peer peer;
    peer.address = core::parse_address("198.51.100.7").value();
    peer.tls = true;
    peer.server_names = {"gate.example"};
    add({.method = "POST", .target = target, .headers = {{"host", host}, {"authorization", "Bearer " + token}}, .body = body}, peer);
  }
  std::vector<int> statuses(http::Api& api) const {
    std::vector<http::Arrival> arrivals;
    for (const auto& each : calls) arrivals.push_back({each->first, each->second});
    std::vector<int> statuses;
    for (const auto& answer : api.handle(arrivals)) statuses.push_back(answer.status);
    return statuses;
  }
};

const std::string initiate = policy_path + "/initiate" + version;

}  // namespace

TEST_CASE("the guards of a call hold in a turn too: host, who it is, how often he asks") {
  ApiWorld world;
  const auto alice = world.token_of("alice", "requester");
  http::Api api(*world.gate, {.identity = {},
                              .public_url = "",
                              .caller_rate = {.a_second = 0.25, .burst = 2},
                              .now = [] { return http::RateLimit::Time(std::chrono::hours(1)); }});
  Crowd crowd;
  crowd.as_root(initiate, good_ask);
  crowd.as(alice, initiate, good_ask, "evil.example");
  crowd.as(alice, initiate, good_ask);
  crowd.as("no token", initiate, good_ask);
  crowd.as(alice, initiate, good_ask);
  crowd.as(alice, initiate, good_ask);
  const auto records = world.store.records().size();
  const auto statuses = crowd.statuses(api);
  CHECK(statuses[0] == 202);
  CHECK(statuses[1] / 100 == 4);
  CHECK(statuses[2] == 202);
  CHECK(statuses[3] == 401);
  CHECK(statuses[4] == 202);
  CHECK(statuses[5] == 429);
  CHECK(world.store.records().size() == records + 3);
  world.require_in_step();
}

TEST_CASE("break-glass in a turn is carried out, alone, after the others") {
  ApiWorld world;
  const auto eve = world.token_of("eve", "reader");
  REQUIRE(world.call("POST", "/v1/breakglass", R"({"principal":"eve","duration":"PT1H","reason":"on call"})").status() == 201);
  const std::string own = R"({"machines":[{"machine":"vm2","ports":[{"number":22,"duration":"PT1H","sources":["198.51.100.7"]}]}])";
  http::Api api(*world.gate, {});
  Crowd crowd;
  crowd.as(eve, "/v1/requests", own + R"(,"justification":"locked out","breakGlass":true})");
  crowd.as_root("/v1/requests", own + "}");
  crowd.as_root(initiate, good_ask);
  crowd.as(eve, initiate, good_ask);
  const auto records = world.store.records().size();
  const auto committed = [&] { return static_cast<std::size_t>(world.fuse.effects()) - world.dataplane.steps; };
  const auto commits = committed();
  CHECK(crowd.statuses(api) == std::vector<int>{201, 201, 202, 403});
  CHECK(committed() == commits + 2);
  std::vector<std::string> operations;
  for (const auto& record : world.records_since(records)) operations.push_back(record.operation);
  CHECK(operations == std::vector<std::string>{"access.initiate", "access.initiate", "access.initiate", "breakglass.use"});
  world.require_in_step();
}

TEST_CASE("who has gone before the answer holds up nobody of his turn") {
  Noting noting;
  auto clients = clients_of(noting.server, 20);
  noting.server.run([&](http::Server&) {
    for (std::size_t i = 0; i < clients.size(); ++i) clients[i].send(test::request_text("GET", "/" + std::to_string(i)));
    clients.pop_back();
  });
  for (std::size_t i = 0; i < clients.size(); ++i) CHECK(clients[i].answer().body == "/" + std::to_string(i));
  CHECK(noting.server.comes_down_to(19));
  noting.send_at_once(clients, "/again/");
  for (std::size_t i = 0; i < clients.size(); ++i) CHECK(clients[i].answer().body == "/again/" + std::to_string(i));
}

TEST_CASE("a turn whose handling breaks ends its connections, not the server") {
  bool breaks = true;
  test::RunningServer server([&](const std::vector<http::Arrival>& arrivals) {
    if (std::exchange(breaks, false)) throw std::runtime_error("broken");
    std::vector<http::HttpResponse> responses(arrivals.size());
    return responses;
  });
  auto client = server.unix_client();
  client.send(test::request_text("GET", "/"));
  CHECK(client.closed_within(std::chrono::seconds(30)));
  auto next = server.unix_client();
  next.send(test::request_text("GET", "/"));
  CHECK(next.answer().status == 200);
}
