// SPDX-License-Identifier: Apache-2.0
// What an access review counts: in its period, to the right person and machine, and when tokens were used last.
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;

namespace {

const core::UtcTime begin = standing_clock().utc;
const std::string vm1 = sample_grant(1, 1).machine_id;

core::UtcTime hour(int n) {
  return begin + std::chrono::hours(n);
}

void grant(core::Store& store, std::uint64_t n, const std::string& who, int from, int to, std::optional<int> ended = {}) {
  auto change = sample_decision(n);
  change.put_requests[0].requestor = who;
  auto& made = change.put_grants[0];
  made.start = hour(from);
  made.end = hour(to);
  if (ended) {
    made.state = core::GrantState::ended;
    made.ended_at = hour(*ended);
  }
  change.audit.clear();
  REQUIRE(store.commit({change}));
}

core::FlowNews session(std::uint64_t grant, int from, std::optional<int> to, std::uint64_t bytes) {
  core::FlowNews news;
  news.event.kind = to ? core::FlowEvent::Kind::closed : core::FlowEvent::Kind::opened;
  news.event.opened = core::BootTime(std::chrono::hours(from));
  news.event.client.address = core::parse_address("198.51.100.10").value();
  news.event.grant = grant;
  news.event.client_bytes = bytes;
  news.opened = hour(from);
  news.time = hour(to.value_or(from));
  return news;
}

}  // namespace

TEST_CASE("a review counts what each person did to each machine in the period") {
  TempFolder folder;
  auto store = open_store(folder.file());
  grant(*store, 1, "alice", 1, 4);       // used twice
  grant(*store, 2, "alice", 5, 6);       // never used
  grant(*store, 3, "bob", 2, 10, 3);     // ended early, never used
  grant(*store, 4, "bob", 50, 60);       // after the period
  grant(*store, 5, "carol", 3, 90);      // runs still, not used yet: not counted as unused
  REQUIRE(store->flows().write({session(1, 1, 2, 100), session(1, 2, {}, 10), session(4, 50, 51, 7)}, 1));
  core::ChangeSet refusals;
  for (const char* operation : {"access.initiate", "breakglass.use", "breakglassx"}) {
    refusals.audit.push_back(sample_record(1));
    refusals.audit.back().time = hour(2);
    refusals.audit.back().operation = operation;
    refusals.audit.back().outcome = core::Outcome::refused;
    refusals.audit.back().machines = {core::folded(vm1)};  // as somebody else spelt it
  }
  REQUIRE(store->commit({refusals}));

  const auto facts = store->reviews().review(hour(0), hour(20), hour(20));
  REQUIRE(facts);
  REQUIRE(facts->uses.size() == 3);
  const auto& alice = facts->uses[0];
  CHECK(alice.requestor == "alice");
  CHECK(alice.machine_id == vm1);
  CHECK(alice.requests == 2);
  CHECK(alice.refused == 1);
  CHECK(alice.grants == 2);
  CHECK(alice.used_grants == 1);
  CHECK(alice.sessions == 2);
  CHECK(alice.client_bytes == 110);
  CHECK(alice.longest_grant == std::chrono::hours(3));
  CHECK(alice.longest_session == std::chrono::hours(18));  // open since
  CHECK(*alice.last == hour(5));
  CHECK(facts->uses[1].longest_grant == std::chrono::hours(1));
  CHECK(facts->uses[1].sessions == 0);
  REQUIRE(facts->unused.size() == 2);
  CHECK(facts->unused_count == 2);
  CHECK(facts->unused[0].serial == 3);
  CHECK(facts->unused[0].end == hour(3));
  CHECK(facts->unused[1].serial == 2);
  CHECK(facts->longest_grants.at(0).serial == 5);
  CHECK(facts->longest_grants.at(1).serial == 1);
  CHECK_FALSE(facts->longest_sessions.at(0).closed);
  CHECK(facts->longest_sessions.size() == 2);
  REQUIRE(facts->break_glass.size() == 1);
  CHECK(facts->break_glass_count == 1);
  CHECK(facts->break_glass[0].operation == "breakglass.use");
}

TEST_CASE("what was denied, lapsed or waits let nobody in, and is no grant to a review") {
  TempFolder folder;
  auto store = open_store(folder.file());
  grant(*store, 1, "alice", 1, 4);
  for (const auto state : {core::GrantState::pending, core::GrantState::scheduled, core::GrantState::ended}) {
    auto change = sample_decision(2 + static_cast<std::uint64_t>(state));
    change.put_requests[0].requestor = "bob";
    auto& waits = change.put_grants[0];
    waits.start = hour(1);
    waits.end = hour(25);
    waits.state = state;
    if (state == core::GrantState::ended) waits.ended_at = hour(2);
    waits.boot_id.clear();
    REQUIRE(store->commit({change}));
  }
  const auto facts = store->reviews().review(hour(0), hour(30), hour(30));
  REQUIRE(facts);
  REQUIRE(facts->uses.size() == 1);
  CHECK(facts->uses[0].requestor == "alice");
  CHECK(facts->unused_count == 1);
  CHECK(facts->longest_grants.size() == 1);
}

TEST_CASE("when tokens were used last is kept as long as the token") {
  TempFolder folder;
  auto store = open_store(folder.file());
  core::ChangeSet change;
  change.put_tokens = {{"one", "h1", {"alice", {{"reader", "/"}}}, begin, std::nullopt},
                       {"two", "h2", {"bob", {{"reader", "/"}}}, begin, std::nullopt}};
  REQUIRE(store->commit({change}));
  REQUIRE(store->reviews().note_token_uses({{"one", hour(1)}, {"two", hour(1)}, {"gone", hour(1)}}));
  REQUIRE(store->reviews().note_token_uses({{"one", hour(2)}}));
  auto uses = store->reviews().token_uses();
  REQUIRE(uses);
  CHECK(*uses == std::map<std::string, core::UtcTime>{{"one", hour(2)}, {"two", hour(1)}});
  core::ChangeSet erasing;
  erasing.erase_tokens = {"two"};
  REQUIRE(store->commit({erasing}));
  REQUIRE(store->reviews().note_token_uses({{"one", hour(3)}}));
  CHECK(store->reviews().token_uses()->size() == 1);
}
