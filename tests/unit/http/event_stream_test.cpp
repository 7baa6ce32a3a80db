// SPDX-License-Identifier: Apache-2.0
// The stream of events: who may see what, where it begins, that it ends with its token, and what a slow reader is told.
#include "controlplane/http/api.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;

namespace {

struct Streams : GateWorld {
  Streams() { furnish(); }

  http::HttpResponse open(const std::string& token, const std::string& target = "/v1/events/stream", http::Headers headers = {}) {
    http::Peer peer;
    peer.address = core::parse_address("127.0.0.1").value();
    peer.server_port = 7822;
    headers.emplace_back("host", "localhost:7822");
    headers.emplace_back("authorization", "Bearer " + token);
    return api.handle({.method = "GET", .target = target, .headers = std::move(headers), .body = ""}, peer);
  }
  std::string token_of(const std::string& name, const std::string& role) {
    core::TokenDraft draft;
    draft.principal = name;
    draft.role = role;
    const auto issued = gate->issue_token(admin(), draft).value();
    last_token = issued.token.id;
    return issued.secret;
  }
  void drop(std::uint16_t port) {
    core::DropEvent event;
    event.reason = "no_grant";
    event.destination.port = port;
    gate->event_log().take(event);
  }

  http::Api api{*gate, {}};
  std::string last_token;
};

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("what happens after the stream began is told, with a number to go on from") {
  Streams world;
  world.drop(1);
  auto answer = world.open(world.token_of("watcher", "reader"));
  REQUIRE(answer.feed);
  CHECK(answer.status == 200);
  CHECK(answer.content_type == "text/event-stream");
  CHECK(answer.feed->next() == "");
  const auto grant = world.granted(alice(), ask("vm1"));
  world.drop(2);
  const std::string told = answer.feed->next().value();
  CHECK(count(told, "event: grant.opened\n") == 1);
  CHECK(count(told, "event: drop\n") == 1);
  CHECK(count(told, "\"serial\":" + std::to_string(grant.serial)) == 1);
  CHECK(count(told, "id: " + world.gate->event_epoch() + ".3\n") == 1);
  CHECK(answer.feed->next() == "");
  REQUIRE(world.gate->revoke(admin(), grant.serial));
  CHECK(count(answer.feed->next().value(), "event: grant.ended\n") == 1);
}

TEST_CASE("who may not read the gate sees grants that he may list, and nothing else") {
  Streams world;
  auto answer = world.open(world.token_of("asker", "requester"));
  REQUIRE(answer.feed);
  world.drop(1);
  CHECK(answer.feed->next() == "");
  world.granted(alice(), ask("vm1"));
  CHECK(count(answer.feed->next().value(), "event: grant.opened\n") == 1);

  core::TokenDraft elsewhere;
  elsewhere.principal = "stranger";
  elsewhere.role = "requester";
  elsewhere.scope = group_scope + "-other";
  auto blind = world.open(world.gate->issue_token(admin(), elsewhere).value().secret);
  REQUIRE(blind.feed);
  world.granted(bob(), ask("vm1"));
  CHECK(blind.feed->next() == "");
}

TEST_CASE("a stream goes on after the last event that its reader had") {
  Streams world;
  const std::string token = world.token_of("watcher", "reader");
  for (std::uint16_t port = 1; port <= 3; ++port) world.drop(port);
  const std::string id = world.gate->event_epoch() + ".2";
  CHECK(count(world.open(token, "/v1/events/stream", {{"last-event-id", id}}).feed->next().value(), "event: drop\n") == 1);
  CHECK(count(world.open(token, "/v1/events/stream?after=1").feed->next().value(), "event: drop\n") == 2);
  CHECK(count(world.open(token, "/v1/events/stream?after=0").feed->next().value(), "event: drop\n") == 3);
  CHECK(world.open(token, "/v1/events/stream?after=99").feed->next() == "");
  auto other_life = world.open(token, "/v1/events/stream", {{"last-event-id", "17.2"}});
  CHECK(count(other_life.body, "event: reset\n") == 1);
  CHECK(count(other_life.feed->next().value(), "event: drop\n") == 3);
  for (const char* wrong : {"x", "17.", ".x", "17.-1"}) {
    INFO(wrong);
    CHECK(world.open(token, "/v1/events/stream", {{"last-event-id", wrong}}).status == 400);
  }
  CHECK(world.open(token, "/v1/events/stream?after=x").status == 400);
  CHECK(world.open(token, "/v1/events/stream?since=1").status == 400);
}

TEST_CASE("who reads too slowly is told how many were lost, and goes on") {
  Streams world;
  auto answer = world.open(world.token_of("watcher", "reader"));
  for (int n = 0; n < 1300; ++n) world.drop(7);  // 1000 are kept
  const std::string first = answer.feed->next().value();
  CHECK(count(first, "event: lost\ndata: {\"lost\":300}\n") == 1);
  std::size_t told = count(first, "event: drop\n");
  for (std::string more = answer.feed->next().value(); !more.empty(); more = answer.feed->next().value()) {
    CHECK(count(more, "event: lost") == 0);
    told += count(more, "event: drop\n");
  }
  CHECK(told == 1000);
}

TEST_CASE("a stream ends with its token, by leave or by time") {
  Streams world;
  auto revoked = world.open(world.token_of("watcher", "reader"));
  REQUIRE(world.gate->erase_token(admin(), world.last_token));
  world.drop(1);
  CHECK_FALSE(revoked.feed->next());

  core::TokenDraft brief;
  brief.principal = "brief";
  brief.role = "reader";
  brief.duration = "PT1H";
  auto expired = world.open(world.gate->issue_token(admin(), brief).value().secret);
  world.clock.advance(59min);
  CHECK(expired.feed->next() == "");
  world.clock.advance(2min);
  CHECK_FALSE(expired.feed->next());
}

TEST_CASE("nobody has more than eight streams, and places are given back") {
  Streams world;
  const std::string token = world.token_of("watcher", "reader"), other = world.token_of("other", "reader");
  std::vector<http::HttpResponse> held;
  for (int n = 0; n < 8; ++n) held.push_back(world.open(token));
  CHECK(held.back().status == 200);
  CHECK(world.open(token).status == 429);
  CHECK(world.open(other).status == 200);
  held.pop_back();
  CHECK(world.open(token).status == 200);
  std::vector<std::string> others;
  for (int n = 0; n < 8; ++n) others.push_back(world.token_of("watcher-" + std::to_string(n), "reader"));
  for (const auto& each : others)
    for (int n = 0; n < 8; ++n) held.push_back(world.open(each));
  CHECK(held.back().status == 429);  // 64 in all
}
