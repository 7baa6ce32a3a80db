// SPDX-License-Identifier: Apache-2.0
// Opening, committing, loading: the transactions around the tables.
#include "controlplane/store/sqlite_store.hpp"

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Transaction.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "controlplane/store/audit_keeper.hpp"
#include "controlplane/store/audit_log.hpp"
#include "controlplane/store/break_glass_tables.hpp"
#include "controlplane/store/catalog_tables.hpp"
#include "controlplane/store/flow_table.hpp"
#include "controlplane/store/grant_tables.hpp"
#include "controlplane/store/lock_file.hpp"
#include "controlplane/store/review_queries.hpp"
#include "controlplane/store/schema.hpp"
#include "controlplane/store/statement.hpp"

namespace postern::store {

namespace {

// Makes the file before SQLite does, so that it and the files beside it are the owner's only, and syncs its name.
core::Result<void> create(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return store_error("the store " + file.string() + " could not be opened: " + std::strerror(errno));
  ::close(fd);
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd >= 0) {
    ::fsync(folder_fd);
    ::close(folder_fd);
  }
  return {};
}

// Durability is a promise (I7), so a file system that cannot do WAL is refused instead of served with less.
core::Result<void> configure(SQLite::Database& database, const std::filesystem::path& file) {
  if (sqlite3_db_readonly(database.getHandle(), "main") == 1)
    return store_error("the store " + file.string() + " could not be opened: the file or its folder is read-only");
  if (const std::string mode = database.execAndGet("PRAGMA journal_mode = WAL").getString(); mode != "wal")
    return store_error("the store " + file.string() + " could not be opened: its file system allows no " +
                       "write-ahead log (journal mode " + mode + ")");
  database.exec("PRAGMA synchronous = FULL");
  database.exec("PRAGMA foreign_keys = ON");
  database.exec("PRAGMA temp_store = MEMORY");
  database.exec("PRAGMA cache_size = -65536");            // KiB
  database.exec("PRAGMA journal_size_limit = 67108864");  // bytes: a large commit does not leave its log behind
  return {};
}

std::uint64_t highest(std::uint64_t mark, std::uint64_t number) {
  return number > mark ? number : mark;
}

}  // namespace

struct SqliteStore::Parts : core::FlowStore, core::ReviewStore {
  Parts(LockFile held, std::unique_ptr<SQLite::Database> opened, std::filesystem::path path, const core::Clock& now,
        StoreOptions chosen)
      : lock(std::move(held)),
        file(std::move(path)),
        clock(now),
        options(chosen),
        database(std::move(opened)),
        machines(*database),
        policies(*database),
        switches(*database),
        tokens(*database),
        break_glass(*database),
        grants(*database),
        audit(*database),
        keeper(*database, audit),
        flow_table(*database),
        raise_mark(*database, "UPDATE marks SET value = ?2 WHERE name = ?1 AND value < ?2"),
        read_mark(*database, "SELECT value FROM marks WHERE name = ?") {}

  void write(const core::ChangeSet& change);
  bool overwrite();
  void raise(const char* mark, std::uint64_t value);
  std::uint64_t mark(const char* name);

  core::Result<void> write(const std::vector<core::FlowNews>& news, std::uint64_t run) override;
  core::Result<std::vector<core::FlowRecord>> flows(const core::FlowQuery& query) override;
  core::Result<std::size_t> end_unseen(std::uint64_t run, core::UtcTime now, std::size_t at_most) override;
  core::Result<std::size_t> forget(core::UtcTime since, std::uint64_t kept, std::size_t at_most) override;
  core::Result<core::ReviewFacts> review(core::UtcTime from, core::UtcTime to, core::UtcTime now) override;
  core::Result<void> note_token_uses(const std::map<std::string, core::UtcTime>& last) override;
  core::Result<std::map<std::string, core::UtcTime>> token_uses() override;

  LockFile lock;
  std::filesystem::path file;
  const core::Clock& clock;
  StoreOptions options;
  std::unique_ptr<SQLite::Database> database;
  MachineTable machines;
  PolicyTable policies;
  SwitchTable switches;
  TokenTable tokens;
  BreakGlassTables break_glass;
  GrantTables grants;
  AuditLog audit;
  AuditKeeper keeper;
  FlowTable flow_table;
  std::optional<HeadKey> key;
  SQLite::Statement raise_mark, read_mark;
};

void SqliteStore::Parts::raise(const char* name, std::uint64_t value) {
  if (value != 0) Run(raise_mark).text(std::string(name)).number(value).execute();
}

std::uint64_t SqliteStore::Parts::mark(const char* name) {
  Run row(read_mark);
  row.text(std::string(name));
  if (!row.next()) throw CorruptRow(std::string("the highest number of ") + name + " is missing");
  return row.number();
}

void SqliteStore::Parts::write(const core::ChangeSet& change) {
  std::uint64_t serial = 0, request_id = 0, generation = 0;
  for (const core::Machine& machine : change.put_machines) machines.put(machine);
  for (const std::string& id : change.erase_machines) machines.erase(id);
  for (const core::Policy& policy : change.put_policies) {
    policies.put(policy);
    generation = highest(generation, policy.generation);
    for (const core::PolicyMachine& machine : policy.machines)
      for (const core::PortRule& rule : machine.ports) serial = highest(serial, rule.standing_serial);
  }
  for (const core::PolicyId& id : change.erase_policies) policies.erase(id);
  for (const core::Request& request : change.put_requests) {
    grants.put(request);
    request_id = highest(request_id, request.id);
  }
  for (const core::Grant& grant : change.put_grants) {
    grants.put(grant);
    serial = highest(serial, grant.serial);
  }
  for (const core::Switch& each : change.put_switches) switches.put(each);
  for (const core::Token& token : change.put_tokens) tokens.put(token);
  for (const std::string& id : change.erase_tokens) tokens.erase(id);
  for (const core::Arming& arming : change.put_armings) break_glass.put(arming);
  for (const core::BreakGlassUse& use : change.put_uses) break_glass.put(use);
  for (const core::AuditRecord& record : change.audit) audit.append(record);
  raise("serial", serial);
  raise("request", request_id);
  raise("policy_generation", generation);
}

// A commit whose sync failed stands in the log as if it were whole: a daemon that starts after a crash would believe it.
// The next commit takes its place; this is one that decides nothing.
bool SqliteStore::Parts::overwrite() {
  try {
    SQLite::Transaction transaction(*database, SQLite::TransactionBehavior::IMMEDIATE);
    database->exec("INSERT INTO marks VALUES ('overwritten', 1) ON CONFLICT(name) DO UPDATE SET value = value + 1");
    transaction.commit();
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

core::Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::filesystem::path& file,
                                                             const core::Clock& clock, StoreOptions options) {
  auto lock = LockFile::take(file);
  if (!lock) return lock.error();
  if (auto created = create(file); !created) return created.error();
  try {
    auto database =
        std::make_unique<SQLite::Database>(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX,  // one thread
                                           static_cast<int>(options.busy_timeout.count()));
    // The schema is read before the journal mode is changed: a foreign or newer file stays as it is.
    if (auto ours = check_schema(*database, file); !ours) return ours.error();
    if (auto configured = configure(*database, file); !configured) return configured.error();
    migrate(*database);
    return std::unique_ptr<SqliteStore>(
        new SqliteStore(std::make_unique<Parts>(*std::move(lock), std::move(database), file, clock, options)));
  } catch (const std::exception& failure) {
    return describe(failure, file, "opened");
  }
}

SqliteStore::SqliteStore(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
SqliteStore::~SqliteStore() = default;

core::Result<void> SqliteStore::commit(const std::vector<core::ChangeSet>& changes) {
  bool in_log = false;  // perhaps
  try {
    SQLite::Transaction transaction(*parts_->database, SQLite::TransactionBehavior::IMMEDIATE);
    for (const core::ChangeSet& change : changes) parts_->write(change);
    in_log = true;
    transaction.commit();
    return {};
  } catch (const std::exception& failure) {  // the transaction was rolled back on the way out
    auto error = describe(failure, parts_->file, "written");
    if (in_log && !parts_->overwrite() && sync_failed(failure))
      error.message += "; should the daemon die before the disk works again, it may find it done when it starts";
    return error;
  }
}

core::Result<core::Snapshot> SqliteStore::load() {
  try {
    core::Snapshot snapshot;
    snapshot.machines = parts_->machines.load();
    snapshot.policies = parts_->policies.load();
    snapshot.switches = parts_->switches.load();
    snapshot.tokens = parts_->tokens.load();
    snapshot.armings = parts_->break_glass.load_armings();
    snapshot.uses = parts_->break_glass.load_uses();
    parts_->grants.load(parts_->clock.now().utc - parts_->options.keep_ended, parts_->options.ended_per_policy_max,
                        snapshot.requests, snapshot.grants);
    snapshot.last_serial = parts_->mark("serial");
    snapshot.last_request = parts_->mark("request");
    snapshot.last_policy_generation = parts_->mark("policy_generation");
    snapshot.newest_record = parts_->audit.newest();
    return snapshot;
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "read");
  }
}

core::Result<std::vector<core::AuditRecord>> SqliteStore::audit(const core::AuditQuery& query) {
  try {
    return parts_->audit.find(query);
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "read");
  }
}

core::Result<std::uint64_t> SqliteStore::verify_audit() {
  const auto checked = check_audit({});
  if (!checked) return checked.error();
  return checked->records;
}

core::Result<core::AuditCheck> SqliteStore::check_audit(const std::vector<std::string>& heads) {
  try {
    return parts_->keeper.check(heads);
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "verified");
  }
}

core::Result<void> SqliteStore::sign_with(HeadKey key) {
  try {
    SQLite::Transaction transaction(*parts_->database, SQLite::TransactionBehavior::IMMEDIATE);
    parts_->keeper.introduce(key, parts_->clock.now().utc);
    transaction.commit();
    parts_->key = std::move(key);
    return {};
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "written");
  }
}

core::Result<std::optional<std::string>> SqliteStore::sign_head(bool stopping) {
  try {
    const core::UtcTime now = parts_->clock.now().utc;
    if (!parts_->key || !parts_->keeper.head_due(now, stopping)) return std::optional<std::string>();
    SQLite::Transaction transaction(*parts_->database, SQLite::TransactionBehavior::IMMEDIATE);
    const auto head = parts_->keeper.sign_head(*parts_->key, now);
    if (!head) return head.error();
    transaction.commit();
    return std::optional(head->line());
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "written");
  }
}

core::Result<std::size_t> SqliteStore::retain(core::UtcTime since, std::size_t at_most) {
  try {
    const core::UtcTime now = parts_->clock.now().utc;
    const bool due = parts_->key && parts_->keeper.checkpoint_due(now);
    const std::uint64_t end = due ? parts_->keeper.removable(since) : 0;
    SQLite::Transaction transaction(*parts_->database, SQLite::TransactionBehavior::IMMEDIATE);
    if (end != 0) parts_->keeper.raise_checkpoint(end, *parts_->key, now);
    const auto removed = parts_->keeper.remove(at_most);
    if (!removed) return removed.error();
    transaction.commit();
    return removed;
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "written");
  }
}

core::FlowStore& SqliteStore::flows() {
  return *parts_;
}

core::Result<void> SqliteStore::Parts::write(const std::vector<core::FlowNews>& news, std::uint64_t run) {
  try {
    SQLite::Transaction transaction(*database, SQLite::TransactionBehavior::IMMEDIATE);
    for (const core::FlowNews& each : news) flow_table.write(each, run);
    transaction.commit();
    return {};
  } catch (const std::exception& failure) {
    return describe(failure, file, "written");
  }
}

core::Result<std::vector<core::FlowRecord>> SqliteStore::Parts::flows(const core::FlowQuery& query) {
  try {
    return flow_table.find(query);
  } catch (const std::exception& failure) {
    return describe(failure, file, "read");
  }
}

core::Result<std::size_t> SqliteStore::Parts::end_unseen(std::uint64_t run, core::UtcTime now, std::size_t at_most) {
  try {
    return flow_table.end_unseen(run, now, at_most);
  } catch (const std::exception& failure) {
    return describe(failure, file, "written");
  }
}

core::Result<std::size_t> SqliteStore::Parts::forget(core::UtcTime since, std::uint64_t kept, std::size_t at_most) {
  try {
    return flow_table.forget(since, kept, at_most);
  } catch (const std::exception& failure) {
    return describe(failure, file, "written");
  }
}

core::ReviewStore& SqliteStore::reviews() {
  return *parts_;
}

core::Result<core::ReviewFacts> SqliteStore::Parts::review(core::UtcTime from, core::UtcTime to, core::UtcTime now) {
  try {
    return store::review(*database, from, to, now);
  } catch (const std::exception& failure) {
    return describe(failure, file, "read");
  }
}

core::Result<void> SqliteStore::Parts::note_token_uses(const std::map<std::string, core::UtcTime>& last) {
  try {
    SQLite::Transaction transaction(*database, SQLite::TransactionBehavior::IMMEDIATE);
    store::note_token_uses(*database, last);
    transaction.commit();
    return {};
  } catch (const std::exception& failure) {
    return describe(failure, file, "written");
  }
}

core::Result<std::map<std::string, core::UtcTime>> SqliteStore::Parts::token_uses() {
  try {
    return store::token_uses(*database);
  } catch (const std::exception& failure) {
    return describe(failure, file, "read");
  }
}

core::Result<std::vector<core::AuditRecord>> SqliteStore::audit_after(std::uint64_t sequence, std::size_t at_most) {
  try {
    return parts_->audit.after(sequence, at_most);
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "read");
  }
}

core::Result<std::uint64_t> SqliteStore::cursor(const std::string& name) {
  try {
    {
      SQLite::Statement select(*parts_->database, "SELECT sequence FROM audit_cursors WHERE name = ?");
      Run row(select);
      row.text(name);
      if (row.next()) return row.number();
    }
    const std::uint64_t end = parts_->audit.head().sequence;
    if (const auto set = set_cursor(name, end); !set) return set.error();
    return end;
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "read");
  }
}

core::Result<void> SqliteStore::set_cursor(const std::string& name, std::uint64_t sequence) {
  try {
    SQLite::Statement put(*parts_->database, "INSERT INTO audit_cursors VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET sequence = excluded.sequence");
    Run(put).text(name).number(sequence).execute();
    return {};
  } catch (const std::exception& failure) {
    return describe(failure, parts_->file, "written");
  }
}

}  // namespace postern::store
