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

// The store in `newest` as that version would have written it: its own tables, of which it takes the columns that it has.
void write_as_of(int version, const std::filesystem::path& file, const std::filesystem::path& newest) {
  SQLite::Database old(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  store::migrate(old, version);
  old.exec("ATTACH '" + newest.string() + "' AS newest");
  for (const std::string table : {"machines", "policies", "requests", "grants", "tokens", "audit"}) {
    const std::string columns =
        old.execAndGet("SELECT group_concat(name) FROM pragma_table_info('" + table + "', 'main')").getString();
    old.exec("INSERT INTO main." + table + "(" + columns + ") SELECT " + columns + " FROM newest." + table);
  }
  old.exec("UPDATE main.audit_head SET (sequence, hash) = (SELECT sequence, hash FROM newest.audit_head);"
           "INSERT OR REPLACE INTO main.marks SELECT * FROM newest.marks;"
           // What rules did not have then.
           "UPDATE main.policies SET machines = json_remove(machines, '$[0].ports[0].maxSessionSeconds',"
           "  '$[0].ports[0].standing', '$[0].ports[0].standingSerial', '$[0].ports[0].justification', '$[0].ports[0].approval')");
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

TEST_CASE("a store of each earlier version is taken over with what it holds, and goes on") {
  const int version = GENERATE(range(1, store::schema_version()));
  INFO("version " << version);
  TempFolder folder, newest;
  core::Policy policy;
  policy.id = {"sub", "Group", "local", "Default"};
  core::PortRule rule;
  rule.number = 22;
  rule.sources = {source("*")};
  rule.max_duration = std::chrono::hours(3);
  rule.ending = core::Ending::cut;
  policy.machines = {{"/x/VM1", {rule}, ""}};
  core::Machine machine;
  machine.id = "/x/VM1";
  machine.name = "VM1";
  auto change = sample_decision(1);
  change.put_policies = {policy};
  change.put_machines = {machine};
  change.put_tokens = {{"one", "h1", {"alice", {{"reader", "/"}}}, standing_clock().utc, std::nullopt}};
  REQUIRE(open_store(newest.file())->commit({change}));
  write_as_of(version, folder.file(), newest.file());

  auto store = open_store(folder.file());
  CHECK(whole_decisions(*store) == 1);
  const auto loaded = store->load();
  REQUIRE(loaded);
  REQUIRE(loaded->machines.size() == 1);
  CHECK(loaded->machines[0].excluded.empty());
  REQUIRE(loaded->policies.size() == 1);
  CHECK(loaded->policies[0].mode == core::Mode::enforce);
  const auto& read = loaded->policies[0].machines.at(0).ports.at(0);
  CHECK(read.ending == core::Ending::cut);
  CHECK(read.max_session.count() == 0);
  CHECK(read.standing.empty());
  CHECK(read.justification == core::Justification::optional);
  const auto& grant = loaded->grants.at(0);
  CHECK(grant.end == sample_grant(1, 1).end);
  CHECK(grant.max_session.count() == 0);
  CHECK_FALSE(grant.extended);
  CHECK_FALSE(grant.by_duration);
  CHECK_FALSE(loaded->requests.at(0).answer_by);
  REQUIRE(loaded->tokens.size() == 1);
  CHECK(loaded->tokens[0].principal.assignments.at(0).role == "reader");

  auto next = sample_decision(2);
  core::Switch off;
  off.by = "alice";
  next.put_switches = {off};
  core::Arming arming;
  arming.id = 1;
  next.put_armings = {arming};
  core::BreakGlassUse use;
  use.request = 2;
  use.arming = 1;
  next.put_uses = {use};
  REQUIRE(store->commit({next}));
  core::FlowNews flow;
  flow.event.grant = 1;
  REQUIRE(store->flows().write({flow}, 1));
  CHECK(store->flows().flows({}).value().at(0).requestor == "alice");
  CHECK(whole_decisions(*store) == 2);
  CHECK_THROWS_AS(meddle(folder.file(), "DELETE FROM audit"), SQLite::Exception);
  CHECK(store->load()->uses.size() == 1);
}

TEST_CASE("the file is opened for durability: WAL and the newest schema") {
  TempFolder folder;
  auto store = open_store(folder.file());
  SQLite::Database shell(folder.file().string(), SQLite::OPEN_READONLY);
  CHECK(shell.execAndGet("PRAGMA journal_mode").getString() == "wal");
  CHECK(shell.execAndGet("PRAGMA user_version").getInt() == store::schema_version());
}
