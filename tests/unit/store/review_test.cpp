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

TEST_CASE("what was never open is no grant that nobody used, and who may not ask at all is told of") {
  TempFolder folder;
  auto store = open_store(folder.file());
  grant(*store, 1, "alice", 1, 4);
  const auto put = [&](std::uint64_t n, core::GrantState state, core::EndReason why, const std::string& boot) {
    auto change = sample_decision(n);
    auto& made = change.put_grants[0];
    made.start = hour(2);
    made.end = hour(12);
    made.state = state;
    made.end_reason = why;
    made.boot_id = boot;
    if (state == core::GrantState::ended) made.ended_at = hour(1);  // before its start
    change.audit.clear();
    REQUIRE(store->commit({change}));
  };
  put(2, core::GrantState::pending, core::EndReason::none, "");
  put(3, core::GrantState::scheduled, core::EndReason::none, "");
  put(4, core::GrantState::ended, core::EndReason::revoked, "");      // denied, or withdrawn
  put(5, core::GrantState::ended, core::EndReason::expired, "");      // lapsed
  put(6, core::GrantState::ended, core::EndReason::taken_back, "boot");
  core::ChangeSet refused;
  refused.audit = {sample_record(1)};
  refused.audit[0].time = hour(2);
  refused.audit[0].principal = "mallory";
  refused.audit[0].outcome = core::Outcome::refused;
  refused.audit[0].machines.clear();
  REQUIRE(store->commit({refused}));

  const auto facts = store->reviews().review(hour(0), hour(20), hour(20));
  REQUIRE(facts);
  REQUIRE(facts->uses.size() == 2);
  CHECK(facts->uses[0].requests == 6);
  CHECK(facts->uses[0].grants == 1);
  CHECK(facts->uses[0].longest_grant == std::chrono::hours(3));
  CHECK(*facts->uses[0].last == hour(1));
  CHECK(facts->uses[1].requestor == "mallory");
  CHECK(facts->uses[1].machine_id.empty());
  CHECK(facts->uses[1].refused == 1);
  REQUIRE(facts->unused.size() == 1);
  CHECK(facts->unused[0].serial == 1);
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
