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
