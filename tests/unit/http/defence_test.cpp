// SPDX-License-Identifier: Apache-2.0
// What a page of another site, or a body made to hurt, must not do on any route, whoever adds it. Limits of size, time and number
// are server_test's and tls_test's.
#include "controlplane/http/api.hpp"
#include "controlplane/http/openapi.hpp"
#include "controlplane/http/routes.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;

namespace {

std::string filled(std::string_view pattern) {
  std::string path;
  for (std::size_t at = 0; at < pattern.size();) {
    if (pattern[at] != '{') {
      path += pattern[at++];
      continue;
    }
    const std::size_t end = pattern.find('}', at);
    const auto name = pattern.substr(at + 1, end - at - 1);
    path += name == "sub" ? subscription : name == "rg" ? "lab" : name == "name" ? "vm1" : "1";
    at = end + 1;
  }
  return path;
}

bool changes(const http::Route& route) {
  return route.method != "GET";
}

bool takes_body(const http::Route& route) {
  if (route.dialect == http::Dialect::azure) return route.method == "POST" || route.method == "PUT";
  static const auto document = nlohmann::json::parse(http::openapi_document);
  const auto& operation = document["paths"][std::string(route.pattern)][core::folded(route.method)];
  return operation.contains("requestBody");
}

// Everything that a change would show in.
std::string state(const ApiWorld& world) {
  return std::to_string(world.store.machines().size()) + " " + std::to_string(world.store.policies().size()) + " " +
         std::to_string(world.store.grants().size()) + " " + std::to_string(world.store.records().size());
}

}  // namespace

TEST_CASE("no page of another site changes anything, even with the token of an admin") {
  ApiWorld world;
  const std::string token = world.token_of("boss", "admin");
  const std::string before = state(world);
  std::size_t routes = 0;
  for (const auto& route : http::route_table()) {
    if (!changes(route)) continue;
    ++routes;
    INFO(route.method << " " << route.pattern);
    const std::string method(route.method), path = filled(route.pattern) + "?api-version=2020-01-01";
    for (const char* origin : {"http://evil.example", "null", "https://localhost:7822", "http://localhost:7823", "http://localhost.evil.example:7822"}) {
      INFO("origin " << origin);
      CHECK(world.call_as(token, method, path, "{}", {{"origin", origin}, {"content-type", "text/plain"}}).status() == 403);
    }
    // What a form or an image can send: without Origin, without our header; nothing that a browser adds by itself names somebody.
    for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"})
      CHECK(world.call_as("", method, path, "a=b", {{"content-type", type}, {"cookie", "token=" + token}, {"sec-fetch-site", "cross-site"}}).status() == 401);
  }
  CHECK(routes >= 8);
  CHECK(state(world) == before);
}

TEST_CASE("no name of another host leads to any route, whatever it resolves to") {
  ApiWorld world;
  const std::string token = world.token_of("boss", "admin");
  const std::string before = state(world);
  for (const auto& route : http::route_table()) {
    INFO(route.method << " " << route.pattern);
    http::Peer peer;
    peer.address = core::parse_address("127.0.0.1").value();
    peer.server_port = 7822;
    for (const char* host : {"evil.example:7822", "localhost.evil.example:7822", "127.0.0.1.evil.example:7822", "localhost:80", "localhost:7822, evil.example"}) {
      http::Api api(*world.gate, {});
      const auto answer = api.handle({.method = std::string(route.method), .target = filled(route.pattern) + "?api-version=2020-01-01",
                                      .headers = {{"host", host}, {"authorization", "Bearer " + token}}, .body = "{}"}, peer);
      INFO("host " << host);
      CHECK(answer.status == 403);
    }
  }
  CHECK(state(world) == before);
}

TEST_CASE("bodies that are deep, wide or no JSON are refused on every route that takes one, and change nothing") {
  ApiWorld world;
  std::string deep(100'000, '['), objects, wide = "{";
  for (int i = 0; i < 20'000; ++i) objects += "{\"a\":";
  for (int i = 0; i < 20'000; ++i) wide += "\"m" + std::to_string(i) + "\":0,";
  wide += "\"z\":0}";
  const std::size_t grants = world.store.grants().size(), machines = world.store.machines().size(), policies = world.store.policies().size();
  for (const auto& route : http::route_table()) {
    if (!takes_body(route)) continue;
    INFO(route.method << " " << route.pattern);
    for (const std::string& body : {deep, objects, wide, std::string("\xff\xfe{}"), std::string("{\"a\":1e999999}"), std::string("{\"a\":\"\\ud800\"}")}) {
      INFO(body.substr(0, 20));
      const int status = world.call(std::string(route.method), filled(route.pattern) + "?api-version=2020-01-01", body).status();
      CHECK((status == 400 || status == 404));
    }
  }
  CHECK(world.store.grants().size() == grants);
  CHECK(world.store.machines().size() == machines);
  CHECK(world.store.policies().size() == policies);
}
