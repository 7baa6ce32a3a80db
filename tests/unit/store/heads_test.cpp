// SPDX-License-Identifier: Apache-2.0
// Signed heads and retention against whoever has the file: what one hash chain cannot show (all of it computed anew, the
// end cut off, the beginning taken out), heads do, above all those that were kept elsewhere.
#include <sys/stat.h>

#include <fstream>

#include "controlplane/store/head_key.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;

namespace {

constexpr auto day = std::chrono::hours(24);

struct SignedStore {
  explicit SignedStore(const std::filesystem::path& file, StandingClock& now) : store(open_store(file, now)) {
    REQUIRE(store->sign_with(*store::HeadKey::load_or_make(file.parent_path() / "key")));
  }
  void fill(std::uint64_t records, core::UtcTime time, const std::string& who = "alice") {
    for (std::uint64_t n = 1; n <= records; ++n) {
      core::ChangeSet change;
      change.audit = {sample_record(n)};
      change.audit[0].time = time;
      change.audit[0].principal = who;
      REQUIRE(store->commit({change}));
    }
  }
  std::string head() {
    const auto line = store->sign_head(true);
    REQUIRE(line);
    REQUIRE(*line);
    return **line;
  }
  std::vector<core::AuditRecord> records(const std::string& operation = "") {
    core::AuditQuery query;
    query.operation = operation;
    query.limit = 100'000;
    return store->audit(query).value();
  }
  std::unique_ptr<store::SqliteStore> store;
};

// By which somebody makes what is left look whole.
constexpr const char* cut_after_3 =
    "DROP TRIGGER audit_no_delete; DELETE FROM audit WHERE sequence > 3;"
    "UPDATE audit_head SET sequence = 3, hash = (SELECT hash FROM audit WHERE sequence = 3);";

void check_fails(store::SqliteStore& store, const std::vector<std::string>& lines, const std::string& word) {
  const auto checked = store.check_audit(lines);
  REQUIRE_FALSE(checked);
  CHECK_THAT(checked.error().message, Catch::Contains(word));
}

}  // namespace

TEST_CASE("a head is signed after a while, or a thousand records, or at the end; what was signed is checked") {
  TempFolder folder;
  StandingClock clock;
  SignedStore gate(folder.file(), clock);
  CHECK_FALSE(gate.store->sign_head()->has_value());  // there is nothing to sign
  gate.fill(1, clock.utc);
  REQUIRE(gate.store->sign_head()->has_value());  // the first at once
  CHECK_FALSE(gate.store->sign_head()->has_value());
  CHECK_FALSE(gate.store->sign_head(true)->has_value());  // nothing new
  gate.fill(1, clock.utc);
  CHECK_FALSE(gate.store->sign_head()->has_value());
  clock.utc += std::chrono::minutes(10);
  const auto line = *gate.store->sign_head();
  REQUIRE(line);
  CHECK_THAT(*line, Catch::StartsWith("postern-audit-head 1 2 "));
  gate.fill(999, clock.utc);
  CHECK_FALSE(gate.store->sign_head()->has_value());
  gate.fill(1, clock.utc);
  CHECK(gate.store->sign_head()->has_value());
  const auto checked = gate.store->check_audit({*line});
  REQUIRE(checked);
  CHECK(checked->records == 1002);
  CHECK(checked->heads == 3);
  CHECK(checked->lines == 1);
}

TEST_CASE("a cut-off tail shows by the heads in the store, and by a kept line when those are gone too") {
  TempFolder folder;
  StandingClock clock;
  SignedStore gate(folder.file(), clock);
  gate.fill(5, clock.utc);
  const auto line = gate.head();
  meddle(folder.file(), cut_after_3);
  check_fails(*gate.store, {}, "cut off");
  const auto refused = gate.store->sign_head(true);
  REQUIRE_FALSE(refused);  // nor is it signed
  CHECK(refused.error().target == "audit[4]");
  meddle(folder.file(), "DELETE FROM audit_heads");
  CHECK(gate.store->check_audit({}));  // all that one file can tell
  check_fails(*gate.store, {line}, "cut off");
}

TEST_CASE("a history made up anew, with the gate's own key, shows by a kept line") {
  TempFolder folder;
  StandingClock clock;
  std::string line;
  {
    SignedStore gate(folder.file(), clock);
    gate.fill(5, clock.utc);
    line = gate.head();
  }
  for (const char* ending : {"", "-wal", "-shm"}) std::filesystem::remove(folder.file().string() + ending);
  SignedStore forged(folder.file(), clock);
  forged.fill(5, clock.utc, "nobody");
  (void)forged.head();
  CHECK(forged.store->check_audit({}));
  check_fails(*forged.store, {line}, "not the one that was signed");
}

TEST_CASE("heads, keys and lines that were tampered with") {
  TempFolder folder, other;
  StandingClock clock;
  SignedStore gate(folder.file(), clock), stranger(other.file(), clock);
  gate.fill(5, clock.utc);
  stranger.fill(5, clock.utc);
  const auto line = gate.head(), foreign = stranger.head();
  CHECK(gate.store->check_audit({line, line}));
  check_fails(*gate.store, {line, foreign}, "line 2 was not signed");
  auto changed = line;
  changed.back() = changed.back() == '0' ? '1' : '0';
  check_fails(*gate.store, {changed}, "line 1 was not signed");
  for (const auto& bad : {std::string(), std::string("postern-audit-head"), line + " ", " " + line, line.substr(1),
                          line + "00", std::string("postern-audit-head 2") + line.substr(20),
                          std::string("postern-audit-head 1 06") + line.substr(22)})
    check_fails(*gate.store, {bad}, "no signed head");

  SECTION("a head in the store that says another hash") {
    meddle(folder.file(), "UPDATE audit_heads SET line = replace(line, substr(line, 24, 4), '0000')");
    check_fails(*gate.store, {}, "was not signed");
  }
  SECTION("a head of another gate put in") {
    meddle(folder.file(), "UPDATE audit_heads SET line = '" + foreign + "'");
    check_fails(*gate.store, {}, "was not signed");
  }
  SECTION("a key exchanged under its name") {
    meddle(folder.file(), "UPDATE audit_keys SET public_key = zeroblob(32)");
    check_fails(*gate.store, {}, "was not signed");
  }
  SECTION("a record changed under a head") {
    meddle(folder.file(), "DROP TRIGGER audit_no_update; UPDATE audit SET detail = 'x' WHERE sequence = 2");
    check_fails(*gate.store, {line}, "audit record 2 was changed");
  }
}

TEST_CASE("old records go in bounded steps behind a signed checkpoint, from which the rest is checked") {
  TempFolder folder;
  StandingClock clock;
  SignedStore gate(folder.file(), clock);
  const auto begin = clock.utc;
  gate.fill(50, begin);
  const auto early = gate.head();
  clock.utc += 100 * day;
  gate.fill(5, clock.utc);
  const auto late = gate.head();
  const auto since = clock.utc - 30 * day;

  CHECK(*gate.store->retain(since, 20) == 20);
  CHECK(gate.records("audit.retention").size() == 1);
  CHECK(gate.store->check_audit({late})->checkpoint == 50);  // also half way
  CHECK(*gate.store->retain(since, 20) == 20);
  CHECK(*gate.store->retain(since, 20) == 10);
  CHECK(*gate.store->retain(since, 20) == 0);
  CHECK(gate.records("audit.retention").size() == 1);
  const auto left = gate.records();
  REQUIRE(left.size() == 6);
  CHECK(left.back().sequence == 51);
  const auto checked = gate.store->check_audit({early, late});
  REQUIRE(checked);
  CHECK(checked->records == 6);
  CHECK(checked->checkpoint == 50);
  CHECK(checked->lines == 2);  // `early` was of the very record of the checkpoint

  // The next is raised a day later at the soonest, and the newest record always stays.
  clock.utc += 12 * std::chrono::hours(1);
  CHECK(*gate.store->retain(clock.utc + day, 100) == 0);
  clock.utc += 12 * std::chrono::hours(1);
  CHECK(*gate.store->retain(clock.utc + day, 100) == 5);
  CHECK(gate.store->check_audit({late})->lines_too_old == 0);
  CHECK(gate.store->check_audit({early})->lines_too_old == 1);
  CHECK(gate.records().size() == 2);
  CHECK(gate.store->load()->newest_record == clock.utc);

  SECTION("what is above the checkpoint nobody removes") {
    CHECK_THROWS_AS(meddle(folder.file(), "DELETE FROM audit"), SQLite::Exception);
    meddle(folder.file(), "DROP TRIGGER audit_no_delete; DELETE FROM audit WHERE sequence = 56");
    check_fails(*gate.store, {}, "missing");
  }
}

TEST_CASE("what is not over keeps its records: grants that wait or run, break-glass that nobody reviewed") {
  TempFolder folder;
  StandingClock clock;
  SignedStore gate(folder.file(), clock);
  const auto begin = clock.utc;
  gate.fill(3, begin);
  core::ChangeSet open;
  core::Arming arming;
  arming.id = 1;
  open.put_armings = {arming};
  core::BreakGlassUse use;
  use.request = 7;
  use.arming = 1;
  use.time = begin + day;
  open.put_uses = {use};
  core::Request request = sample_request(1);
  request.start = begin + 2 * day;
  open.put_requests = {request};
  open.put_grants = {sample_grant(1, 1)};
  open.put_grants[0].state = GENERATE(core::GrantState::live, core::GrantState::pending, core::GrantState::scheduled);
  REQUIRE(gate.store->commit({open}));
  gate.fill(3, begin + day);
  gate.fill(3, begin + 2 * day);
  gate.fill(3, begin + 3 * day);
  const auto left = [&] {
    clock.utc += day;
    REQUIRE(gate.store->retain(clock.utc - 30 * day, 100));
    CHECK(gate.store->check_audit({}));
    return gate.records("access.initiate").size();
  };
  clock.utc += 100 * day;
  CHECK(left() == 9);
  open.put_armings.clear();
  open.put_uses[0].reviewed = clock.utc;
  open.put_uses[0].reviewed_by = "carol";
  REQUIRE(gate.store->commit({open}));
  CHECK(left() == 6);
  open.put_grants[0].state = core::GrantState::ended;
  open.put_grants[0].ended_at = clock.utc;
  REQUIRE(gate.store->commit({open}));
  CHECK(left() == 0);
}

TEST_CASE("behind a checkpoint that is not the gate's own nothing is taken out") {
  TempFolder folder;
  StandingClock clock;
  SignedStore gate(folder.file(), clock);
  gate.fill(5, clock.utc);
  meddle(folder.file(), "UPDATE audit_checkpoint SET sequence = 4, hash = (SELECT hash FROM audit WHERE sequence = 4), line = 'x'");
  const auto refused = gate.store->retain(clock.utc, 100);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("was not signed"));
  SQLite::Database shell(folder.file().string());
  CHECK(shell.execAndGet("SELECT count(*) FROM audit").getInt() == 5);
}

TEST_CASE("what somebody puts where records were taken out is shown to nobody") {
  TempFolder folder;
  StandingClock clock;
  SignedStore gate(folder.file(), clock);
  gate.fill(5, clock.utc);
  const auto early = gate.head();
  clock.utc += 100 * day;
  gate.fill(2, clock.utc);
  (void)gate.head();
  REQUIRE(*gate.store->retain(clock.utc - 30 * day, 100) == 5);
  gate.fill(1, clock.utc);
  clock.utc += day;
  REQUIRE(*gate.store->retain(clock.utc, 100) == 3);  // above the first two heads
  (void)gate.head();
  meddle(folder.file(), "DROP TRIGGER audit_in_order; INSERT INTO audit SELECT n, time_ns, 'breakglass.use', 1, 'mallory', source, "
                        "request_id, client_request_id, policy, machines, grants, code, detail, previous_hash, hash FROM audit, "
                        "(SELECT 0 AS n UNION SELECT 3) WHERE sequence = 9");
  const auto checked = gate.store->check_audit({early});
  REQUIRE(checked);
  CHECK(checked->heads == 1);  // heads of what was taken out agree with nothing any more
  CHECK(checked->lines_too_old == 1);
  for (const auto& record : gate.records()) CHECK(record.principal != "mallory");
  const auto after = gate.store->audit_after(0, 100);
  for (const auto& record : *after) CHECK(record.principal != "mallory");
  CHECK(gate.store->reviews().review(clock.utc - 200 * day, clock.utc + day, clock.utc)->break_glass_count == 0);
}

TEST_CASE("a key that takes the place of another is recorded, once") {
  TempFolder folder;
  StandingClock clock;
  const auto starts = [&] {
    SignedStore gate(folder.file(), clock);
    gate.fill(1, clock.utc);
    (void)gate.head();
    CHECK(gate.store->check_audit({}));
    return gate.records("audit.key").size();
  };
  CHECK(starts() == 0);
  CHECK(starts() == 0);
  std::filesystem::remove(folder.path() / "key");
  CHECK(starts() == 1);
  CHECK(starts() == 1);
}

TEST_CASE("nothing is taken out without a key, and what is new stays") {
  TempFolder folder;
  StandingClock clock;
  auto plain = open_store(folder.file(), clock);
  REQUIRE(plain->commit({sample_decision(1)}));
  REQUIRE(plain->commit({sample_decision(2)}));
  CHECK(*plain->retain(clock.utc + day, 100) == 0);
  CHECK_FALSE(plain->sign_head(true)->has_value());
  CHECK(plain->check_audit({})->records == 2);
}

TEST_CASE("a checkpoint that somebody else raises is refused, or shows") {
  TempFolder folder;
  StandingClock clock;
  SignedStore gate(folder.file(), clock);
  gate.fill(5, clock.utc);
  const auto at = [](int sequence) {
    const auto text = std::to_string(sequence);
    return "UPDATE audit_checkpoint SET sequence = " + text + ", hash = (SELECT hash FROM audit WHERE sequence = " + text +
           "), line = 'x'";
  };
  for (const std::string& sql :
       {std::string("DELETE FROM audit WHERE sequence = 1"), std::string("DELETE FROM audit_checkpoint"),
        std::string("INSERT OR REPLACE INTO audit_checkpoint VALUES (1, 4, zeroblob(32), 'x')"),
        std::string("UPDATE audit_checkpoint SET sequence = 4, line = 'x'"), at(5), at(99), at(4) + ", line = ''"}) {
    INFO(sql);
    CHECK_THROWS_AS(meddle(folder.file(), sql), SQLite::Exception);
  }
  CHECK(gate.store->check_audit({}));
  meddle(folder.file(), at(4));
  CHECK_THROWS_AS(meddle(folder.file(), at(3)), SQLite::Exception);  // nor back
  check_fails(*gate.store, {}, "the checkpoint that says");
  meddle(folder.file(), "DELETE FROM audit WHERE sequence <= 4");
  check_fails(*gate.store, {}, "was not signed");
  CHECK_FALSE(gate.store->verify_audit());
}

TEST_CASE("the key is made once, for nobody else to read") {
  TempFolder folder;
  const auto file = folder.file().parent_path() / "key";
  const auto made = store::HeadKey::load_or_make(file);
  REQUIRE(made);
  struct stat status{};
  REQUIRE(stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(store::HeadKey::load_or_make(file)->id() == made->id());
  CHECK(store::is_signed(made->public_key(), "text", made->sign("text")));
  CHECK_FALSE(store::is_signed(made->public_key(), "test", made->sign("text")));
  REQUIRE(chmod(file.c_str(), 0640) == 0);
  CHECK_THAT(store::HeadKey::load_or_make(file).error().message, Catch::Contains("may be read by others"));
  REQUIRE(chmod(file.c_str(), 0600) == 0);
  std::ofstream(file) << "nonsense";
  CHECK_THAT(store::HeadKey::load_or_make(file).error().message, Catch::Contains("no Ed25519 key"));
}
