// SPDX-License-Identifier: Apache-2.0
// The audit is append-only and chained: verify names the first record that was changed, moved, removed or cut off.
#include "tests/support/catch.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;

namespace {

void fill(const std::filesystem::path& file, std::uint64_t records) {
  auto store = open_store(file);
  for (std::uint64_t n = 1; n <= records; ++n) REQUIRE(store->commit({sample_decision(n)}));
}

core::Result<std::uint64_t> verify(const std::filesystem::path& file) {
  return open_store(file)->verify_audit();
}

constexpr const char* unlock =
    "DROP TRIGGER audit_no_update; DROP TRIGGER audit_no_delete; DROP TRIGGER audit_in_order; ";

}  // namespace

TEST_CASE("an untouched audit verifies and says how many records it has") {
  TempFolder folder;
  fill(folder.file(), 5);
  const auto checked = verify(folder.file());
  REQUIRE(checked);
  CHECK(*checked == 5);
}

TEST_CASE("no connection can change, remove or replace audit records by plain SQL") {
  TempFolder folder;
  fill(folder.file(), 3);
  for (const char* sql : {"UPDATE audit SET detail = 'x' WHERE sequence = 2", "DELETE FROM audit WHERE sequence = 3",
                          "DELETE FROM audit", "INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE sequence = 2",
                          "UPDATE OR REPLACE audit SET sequence = 9 WHERE sequence = 2"}) {
    INFO(sql);
    CHECK_THROWS_AS(meddle(folder.file(), sql), SQLite::Exception);
  }
  CHECK(verify(folder.file()));
}

TEST_CASE("verify names the first bad record") {
  struct Row {
    const char* name;
    const char* sql;
    const char* target;
    const char* word;
  };
  const auto row = GENERATE(values<Row>({
      {"a changed sentence", "UPDATE audit SET detail = 'nothing happened' WHERE sequence = 3", "audit[3]", "changed"},
      {"a changed serial", "UPDATE audit SET grants = '9' WHERE sequence = 3", "audit[3]", "changed"},
      {"a changed time", "UPDATE audit SET time_ns = time_ns + 1 WHERE sequence = 3", "audit[3]", "changed"},
      {"a changed outcome", "UPDATE audit SET outcome = 1 WHERE sequence = 3", "audit[3]", "changed"},
      {"text moved from one field to the next",
       "UPDATE audit SET request_id = request_id || client_request_id, client_request_id = '' WHERE sequence = 3",
       "audit[3]", "changed"},
      {"a changed hash", "UPDATE audit SET hash = zeroblob(32) WHERE sequence = 3", "audit[3]", "changed"},
      {"a missing record", "DELETE FROM audit WHERE sequence = 3", "audit[3]", "missing"},
      {"a missing first record", "DELETE FROM audit WHERE sequence = 1", "audit[1]", "missing"},
      {"a cut-off tail", "DELETE FROM audit WHERE sequence >= 4", "audit[4]", "missing"},
      {"all removed", "DELETE FROM audit", "audit[1]", "missing"},
      {"two records in each other's place",
       "UPDATE audit SET sequence = 99 WHERE sequence = 3; UPDATE audit SET sequence = 3 WHERE sequence = 4;"
       "UPDATE audit SET sequence = 4 WHERE sequence = 99",
       "audit[3]", "order"},
      {"a gap closed by renumbering",
       "DELETE FROM audit WHERE sequence = 3; UPDATE audit SET sequence = sequence - 1 WHERE sequence > 3", "audit[3]",
       "order"},
      {"a forged record at the end",
       "INSERT INTO audit SELECT 6, time_ns, operation, outcome, principal, source, request_id, client_request_id, "
       "policy, machines, grants, code, detail, hash, hash FROM audit WHERE sequence = 5",
       "audit[6]", "changed"},
  }));
  DYNAMIC_SECTION(row.name) {
    TempFolder folder;
    fill(folder.file(), 5);
    meddle(folder.file(), std::string(unlock) + row.sql);
    const auto checked = verify(folder.file());
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == core::ErrorCode::store_failed);
    CHECK(checked.error().target == row.target);
    CHECK_THAT(checked.error().message, Catch::Contains(row.word));
  }
}

TEST_CASE("queries filter, page backwards and give every field back") {
  TempFolder folder;
  auto store = open_store(folder.file());
  for (std::uint64_t n = 1; n <= 10; ++n) {
    core::ChangeSet change = sample_decision(n);
    change.audit[0].time += std::chrono::seconds(n);
    change.audit[0].grants = {n, n + 100};
    change.audit[0].outcome = core::Outcome::refused;
    change.audit[0].code = "AuthorizationFailed";
    if (n % 2) change.audit[0].principal = "bob";
    if (n == 4) change.audit[0].operation = "grant.revoke";
    REQUIRE(store->commit({change}));
  }
  const auto sequences = [&](const core::AuditQuery& query) {
    std::vector<std::uint64_t> list;
    const auto found = store->audit(query);
    REQUIRE(found);
    for (const core::AuditRecord& record : *found) list.push_back(record.sequence);
    return list;
  };
  using Sequences = std::vector<std::uint64_t>;
  core::AuditQuery query;
  query.limit = 3;
  CHECK(sequences(query) == Sequences{10, 9, 8});
  query.before_sequence = 8;
  CHECK(sequences(query) == Sequences{7, 6, 5});
  query.before_sequence = UINT64_MAX;  // more than SQLite's numbers hold
  CHECK(sequences(query) == Sequences{10, 9, 8});
  query = {};
  query.principal = "bob";
  CHECK(sequences(query) == Sequences{9, 7, 5, 3, 1});
  query = {};
  query.operation = "grant.revoke";
  CHECK(sequences(query) == Sequences{4});
  query = {};
  query.machine = "/SUBSCRIPTIONS/sub/virtualmachines/vm1";
  CHECK(sequences(query).size() == 10);
  query.machine = "/subscriptions/sub/virtualMachines/vm3";  // the second of two
  CHECK(sequences(query).size() == 10);
  query.machine = "/subscriptions/sub/virtualMachines/VM2";
  CHECK(sequences(query).empty());
  query = {};
  query.from = sample_record(1).time + std::chrono::seconds(2);
  query.to = sample_record(1).time + std::chrono::seconds(4);
  CHECK(sequences(query) == Sequences{3, 2});

  query = {};
  query.limit = 1;
  const core::AuditRecord newest = store->audit(query)->at(0);
  CHECK(newest.time == sample_record(1).time + std::chrono::seconds(10));
  CHECK(newest.operation == "access.initiate");
  CHECK(newest.outcome == core::Outcome::refused);
  CHECK(newest.principal == "alice");
  CHECK(newest.source == "192.0.2.7");
  CHECK(newest.request_id == "request-1");
  CHECK(newest.client_request_id == "client-1");
  CHECK(newest.policy == sample_record(1).policy);
  CHECK(newest.machines == sample_record(1).machines);
  CHECK(newest.grants == Sequences{10, 110});
  CHECK(newest.code == "AuthorizationFailed");
  CHECK(newest.detail == "opened");
}
