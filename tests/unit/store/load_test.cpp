// SPDX-License-Identifier: Apache-2.0
// Which requests and grants load() brings: every live one, of the ended ones the last seven days, bounded per policy.
#include "tests/support/catch.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;

namespace {

core::ChangeSet decision(std::uint64_t n, std::optional<std::chrono::hours> ended_ago,
                         const std::string& policy = "p1") {
  core::ChangeSet change = sample_decision(n);
  change.put_requests[0] = sample_request(n, policy);
  if (ended_ago) {
    change.put_grants[0].state = core::GrantState::ended;
    change.put_grants[0].end_reason = core::EndReason::expired;
    change.put_grants[0].ended_at = standing_clock().utc - *ended_ago;
  }
  return change;
}

std::vector<std::uint64_t> serials(const core::Snapshot& snapshot) {
  std::vector<std::uint64_t> list;
  for (const core::Grant& grant : snapshot.grants) list.push_back(grant.serial);
  return list;
}

}  // namespace

TEST_CASE("a grant that ended seven days ago is loaded, an older one is not, a live one always is") {
  TempFolder folder;
  auto store = open_store(folder.file());
  REQUIRE(store->commit({decision(1, std::nullopt), decision(2, std::chrono::hours(24 * 7)),
                         decision(3, std::chrono::hours(24 * 7 + 1)), decision(4, std::chrono::hours(1))}));
  const auto loaded = store->load();
  REQUIRE(loaded);
  CHECK(serials(*loaded) == std::vector<std::uint64_t>{1, 2, 4});
  CHECK(loaded->requests.size() == 3);
  CHECK(loaded->last_serial == 4);
  CHECK(loaded->last_request == 4);
}

TEST_CASE("ended requests are bounded to the newest 200 of each policy, live ones are not") {
  TempFolder folder;
  auto store = open_store(folder.file());
  std::vector<core::ChangeSet> changes;
  for (std::uint64_t n = 1; n <= 250; ++n) changes.push_back(decision(n, std::nullopt));             // live
  for (std::uint64_t n = 251; n <= 500; ++n) changes.push_back(decision(n, std::chrono::hours(1)));  // p1
  for (std::uint64_t n = 501; n <= 510; ++n) changes.push_back(decision(n, std::chrono::hours(1), "p2"));
  REQUIRE(store->commit(changes));
  const auto loaded = store->load();
  REQUIRE(loaded);
  CHECK(loaded->grants.size() == 250 + 200 + 10);
  CHECK(loaded->grants[250].serial == 301);  // the 50 oldest ended ones are left out
}

TEST_CASE("a request with a live grant brings its ended grants along") {
  TempFolder folder;
  auto store = open_store(folder.file());
  core::ChangeSet change = decision(1, std::chrono::hours(24 * 30));
  change.put_grants.push_back(sample_grant(2, 1));
  REQUIRE(store->commit({change}));
  const auto loaded = store->load();
  REQUIRE(loaded);
  CHECK(serials(*loaded) == std::vector<std::uint64_t>{1, 2});
  CHECK(loaded->requests.size() == 1);
}

TEST_CASE("a grant with text that cannot be is an error with a sentence, not a guess") {
  TempFolder folder;
  auto store = open_store(folder.file());
  REQUIRE(store->commit({sample_decision(1)}));
  meddle(folder.file(), "UPDATE grants SET sources = '192.0.2.300'");
  const auto loaded = store->load();
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().code == core::ErrorCode::store_failed);
  CHECK_THAT(loaded.error().message, Catch::Contains("could not be read") && Catch::Contains("192.0.2.300"));
}
