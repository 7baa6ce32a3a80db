// SPDX-License-Identifier: Apache-2.0
// What is refused at opening, always with a sentence and without a change: newer schemas, files of other programs,
// files that are no database, a second daemon, a folder that is not there.
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "controlplane/store/schema.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;

namespace {

std::string content(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

std::string refusal(const std::filesystem::path& file) {
  const auto opened = store::SqliteStore::open(file, standing_clock());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == core::ErrorCode::store_failed);
  return opened.error().message;
}

}  // namespace

TEST_CASE("a store of a newer schema is refused and stays as it is") {
  TempFolder folder;
  { REQUIRE(open_store(folder.file())->commit({sample_decision(1)})); }
  meddle(folder.file(), "PRAGMA user_version = " + std::to_string(store::schema_version() + 1));
  const std::string before = content(folder.file());
  CHECK_THAT(refusal(folder.file()), Catch::Contains("a newer Postern wrote it"));
  CHECK(content(folder.file()) == before);
}

TEST_CASE("a database of another program is refused and stays as it is") {
  TempFolder folder;
  SQLite::Database(folder.file().string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("CREATE TABLE t(x)");
  const std::string before = content(folder.file());
  CHECK_THAT(refusal(folder.file()), Catch::Contains("another program"));
  CHECK(content(folder.file()) == before);
}

TEST_CASE("a file that is no database is refused and stays as it is") {
  TempFolder folder;
  { std::ofstream(folder.file()) << std::string(10000, 'x'); }
  CHECK_THAT(refusal(folder.file()), Catch::Contains("damaged or no database"));
  CHECK(content(folder.file()) == std::string(10000, 'x'));
}

TEST_CASE("a folder that is not there is refused with its name") {
  TempFolder folder;
  CHECK_THAT(refusal(folder.path() / "nowhere" / "postern.db"), Catch::Contains("No such file or directory"));
}

TEST_CASE("a second daemon on the same store is refused, the next one after it is not") {
  TempFolder folder;
  {
    auto first = open_store(folder.file());
    CHECK_THAT(refusal(folder.file()), Catch::Contains("in use by process " + std::to_string(::getpid())));
    const pid_t child = ::fork();
    if (child == 0) ::_exit(store::SqliteStore::open(folder.file(), standing_clock()) ? 1 : 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(first->commit({sample_decision(1)}));
  }
  CHECK(store::SqliteStore::open(folder.file(), standing_clock()).has_value());
}

// What version 1 wrote: without the columns and members of version 2.
TEST_CASE("a store of the first version is taken over with what it holds") {
  TempFolder folder;
  core::Policy policy;
  policy.id = {"sub", "Group", "local", "Default"};
  core::PortRule rule;
  rule.number = 22;
  rule.sources = {source("*")};
  rule.max_duration = std::chrono::hours(3);
  rule.ending = core::Ending::cut;
  policy.machines = {{"/x/VM1", {rule}, ""}};
  auto change = sample_decision(1);
  change.put_policies = {policy};
  REQUIRE(open_store(folder.file())->commit({change}));
  meddle(folder.file(),
         "DROP TABLE flows; DROP TABLE token_uses; DROP TABLE audit_cursors; DROP INDEX grants_by_start; DROP TABLE audit_keys; DROP TABLE audit_heads; DROP TRIGGER audit_no_delete; DROP TABLE audit_checkpoint;"
         "CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;"
         "ALTER TABLE policies DROP COLUMN mode; ALTER TABLE grants DROP COLUMN max_session_s;"
         "ALTER TABLE machines DROP COLUMN excluded; DROP TABLE switches;"
         "ALTER TABLE grants DROP COLUMN extended_ns; ALTER TABLE grants DROP COLUMN by_duration;"
         "ALTER TABLE requests DROP COLUMN answer_by_ns; ALTER TABLE requests DROP COLUMN answered_by;"
         "ALTER TABLE requests DROP COLUMN answer_reason; DROP INDEX grants_unended;"
         "CREATE INDEX grants_live ON grants(request) WHERE state = 0;"
         "DROP TABLE break_glass_uses; DROP TABLE armings; ALTER TABLE tokens DROP COLUMN vouched;"
         "UPDATE policies SET machines = json_remove(machines, '$[0].ports[0].maxSessionSeconds',"
         "  '$[0].ports[0].standing', '$[0].ports[0].standingSerial', '$[0].ports[0].justification', '$[0].ports[0].approval');"
         "PRAGMA user_version = 1");
  auto store = open_store(folder.file());
  CHECK(whole_decisions(*store) == 1);
  const auto loaded = store->load();
  REQUIRE(loaded);
  REQUIRE(loaded->policies.size() == 1);
  CHECK(loaded->policies[0].mode == core::Mode::enforce);
  const auto& read = loaded->policies[0].machines.at(0).ports.at(0);
  CHECK(read.ending == core::Ending::cut);
  CHECK(read.max_session.count() == 0);
  CHECK(read.standing.empty());
  CHECK(read.justification == core::Justification::optional);
  CHECK(loaded->grants.at(0).max_session.count() == 0);
}

TEST_CASE("the file is opened for durability: WAL and the newest schema") {
  TempFolder folder;
  auto store = open_store(folder.file());
  SQLite::Database shell(folder.file().string(), SQLite::OPEN_READONLY);
  CHECK(shell.execAndGet("PRAGMA journal_mode").getString() == "wal");
  CHECK(shell.execAndGet("PRAGMA user_version").getInt() == store::schema_version());
}
