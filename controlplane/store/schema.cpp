// SPDX-License-Identifier: Apache-2.0
// Migrations. *_ns are nanoseconds (UTC since 1970, boot times since boot); lists and nested objects are text, in the
// forms of text_forms.hpp; *key columns are folded text.
#include "controlplane/store/schema.hpp"

#include <SQLiteCpp/Transaction.h>

#include <array>
#include <string>

#include "controlplane/store/failure.hpp"

namespace postern::store {

namespace {

constexpr int application_id = 0x706f7374;  // "post": tells our files from other programs'

constexpr const char* version_1 = R"sql(
CREATE TABLE machines(
  key TEXT PRIMARY KEY, id TEXT NOT NULL, name TEXT NOT NULL, os TEXT NOT NULL,
  addresses TEXT NOT NULL, forwards TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE policies(
  key TEXT PRIMARY KEY, subscription TEXT NOT NULL, resource_group TEXT NOT NULL, location TEXT NOT NULL,
  name TEXT NOT NULL, generation INTEGER NOT NULL, kind TEXT NOT NULL, machines TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A request outlives its policy: it says what was asked, and answers a repeat.
CREATE TABLE requests(
  id INTEGER PRIMARY KEY, policy_key TEXT NOT NULL, subscription TEXT NOT NULL, resource_group TEXT NOT NULL,
  location TEXT NOT NULL, policy_name TEXT NOT NULL, policy_generation INTEGER NOT NULL, start_ns INTEGER NOT NULL,
  requestor TEXT NOT NULL, justification TEXT NOT NULL, client_request_id TEXT NOT NULL, body_digest TEXT NOT NULL
) STRICT;

CREATE TABLE grants(
  serial INTEGER PRIMARY KEY, request INTEGER NOT NULL REFERENCES requests(id), machine_id TEXT NOT NULL,
  port INTEGER NOT NULL, protocol INTEGER NOT NULL, sources TEXT NOT NULL, ending INTEGER NOT NULL,
  start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, boot_id TEXT NOT NULL, boot_start_ns INTEGER NOT NULL,
  state INTEGER NOT NULL, end_reason INTEGER NOT NULL, ended_at_ns INTEGER, ended_by TEXT NOT NULL
) STRICT;
CREATE INDEX grants_by_request ON grants(request);
CREATE INDEX grants_live ON grants(request) WHERE state = 0;
CREATE INDEX grants_ended ON grants(ended_at_ns, request) WHERE state = 1;

CREATE TABLE tokens(
  id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, principal TEXT NOT NULL, assignments TEXT NOT NULL,
  created_ns INTEGER NOT NULL, expires_ns INTEGER
) STRICT, WITHOUT ROWID;

-- The highest numbers ever given out: they stay when their rows go.
CREATE TABLE marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO marks VALUES ('serial', 0), ('request', 0), ('policy_generation', 0);

CREATE TABLE audit(
  sequence INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, operation TEXT NOT NULL, outcome INTEGER NOT NULL,
  principal TEXT NOT NULL, source TEXT NOT NULL, request_id TEXT NOT NULL, client_request_id TEXT NOT NULL,
  policy TEXT NOT NULL, machines TEXT NOT NULL, grants TEXT NOT NULL, code TEXT NOT NULL, detail TEXT NOT NULL,
  previous_hash BLOB NOT NULL, hash BLOB NOT NULL
) STRICT;
-- What the newest record must be, so that a cut-off tail shows.
CREATE TABLE audit_head(only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
INSERT INTO audit_head VALUES (1, 0, zeroblob(32));

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
-- REPLACE deletes without the trigger above, so a number is taken once and in order.
CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
WHEN NEW.sequence IS NOT (SELECT sequence + 1 FROM audit_head)
BEGIN SELECT raise(ABORT, 'audit records are appended in order'); END;
)sql";

// Rules carry more members in policies.machines; rows written before lack them and read as their defaults.
constexpr const char* version_2 = R"sql(
ALTER TABLE policies ADD COLUMN mode INTEGER NOT NULL DEFAULT 0;
ALTER TABLE grants ADD COLUMN max_session_s INTEGER NOT NULL DEFAULT 0;
)sql";

constexpr const char* version_3 = R"sql(
ALTER TABLE machines ADD COLUMN excluded TEXT NOT NULL DEFAULT '';
)sql";

constexpr const char* version_4 = R"sql(
CREATE TABLE switches(
  key TEXT PRIMARY KEY, subscription TEXT NOT NULL, enforcing INTEGER NOT NULL, reason TEXT NOT NULL,
  principal TEXT NOT NULL, since_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* version_5 = R"sql(
ALTER TABLE grants ADD COLUMN extended_ns INTEGER;
)sql";

// Requests that wait for an answer, and grants that wait with them or for their start.
constexpr const char* version_6 = R"sql(
ALTER TABLE grants ADD COLUMN by_duration INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN answer_by_ns INTEGER;
ALTER TABLE requests ADD COLUMN answered_by TEXT NOT NULL DEFAULT '';
ALTER TABLE requests ADD COLUMN answer_reason TEXT NOT NULL DEFAULT '';
DROP INDEX grants_live;
CREATE INDEX grants_unended ON grants(request) WHERE state <> 1;
)sql";

// Connections, for the auditor. *_before: what had gone through when it moved to this grant.
constexpr const char* version_7 = R"sql(
CREATE TABLE flows(
  id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL, opened_boot_ns INTEGER NOT NULL, client TEXT NOT NULL,
  client_port INTEGER NOT NULL, machine TEXT NOT NULL, machine_port INTEGER NOT NULL, protocol INTEGER NOT NULL,
  opened_ns INTEGER NOT NULL, as_of_ns INTEGER NOT NULL, closed_ns INTEGER, ending TEXT NOT NULL,
  grant_serial INTEGER NOT NULL, request INTEGER NOT NULL, requestor TEXT NOT NULL, machine_id TEXT NOT NULL,
  client_packets INTEGER NOT NULL, client_bytes INTEGER NOT NULL, machine_packets INTEGER NOT NULL,
  machine_bytes INTEGER NOT NULL, client_packets_before INTEGER NOT NULL, client_bytes_before INTEGER NOT NULL,
  machine_packets_before INTEGER NOT NULL, machine_bytes_before INTEGER NOT NULL, flags INTEGER NOT NULL,
  run INTEGER NOT NULL
) STRICT;
CREATE INDEX flows_by_opening ON flows(opened_boot_ns, client_port);
CREATE INDEX flows_by_grant ON flows(grant_serial);
CREATE INDEX flows_open ON flows(run) WHERE closed_ns IS NULL;
CREATE INDEX flows_closed ON flows(closed_ns) WHERE closed_ns IS NOT NULL;
)sql";

// Signed heads, how far others were told of the audit, when tokens were last used; and the checkpoint below which records may go.
// It rises only, to a record that is there and not the last.
constexpr const char* version_8 = R"sql(
CREATE TABLE audit_keys(id TEXT PRIMARY KEY, public_key BLOB NOT NULL, since_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE audit_heads(sequence INTEGER PRIMARY KEY, line TEXT NOT NULL) STRICT;
CREATE TABLE audit_checkpoint(
  only INTEGER PRIMARY KEY CHECK (only = 1), sequence INTEGER NOT NULL, hash BLOB NOT NULL, line TEXT NOT NULL
) STRICT;
INSERT INTO audit_checkpoint VALUES (1, 0, zeroblob(32), '');

DROP TRIGGER audit_no_delete;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
WHEN OLD.sequence > ifnull((SELECT sequence FROM audit_checkpoint), 0)
BEGIN SELECT raise(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_checkpoint_rises BEFORE UPDATE ON audit_checkpoint
WHEN NEW.line = '' OR NOT EXISTS (SELECT 1 FROM audit WHERE sequence = NEW.sequence AND hash = NEW.hash
  AND sequence > OLD.sequence AND sequence < (SELECT sequence FROM audit_head))
BEGIN SELECT raise(ABORT, 'the checkpoint of the audit rises to a record that is there'); END;
CREATE TRIGGER audit_checkpoint_stays BEFORE DELETE ON audit_checkpoint
BEGIN SELECT raise(ABORT, 'the audit has one checkpoint'); END;
CREATE TRIGGER audit_checkpoint_single BEFORE INSERT ON audit_checkpoint
BEGIN SELECT raise(ABORT, 'the audit has one checkpoint'); END;

-- How far somebody outside was told of the audit.
CREATE TABLE audit_cursors(name TEXT PRIMARY KEY, sequence INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE token_uses(id TEXT PRIMARY KEY, last_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX grants_by_start ON grants(start_ns);
)sql";

// Break-glass: kept for ever, as the audit is. A token's issuer vouches for its name where he may arm break-glass; who
// issued those that are there already the table does not know, so they do not count for it.
constexpr const char* version_9 = R"sql(
CREATE TABLE armings(
  id INTEGER PRIMARY KEY, principal TEXT NOT NULL, scope TEXT NOT NULL, reason TEXT NOT NULL, armed_by TEXT NOT NULL,
  start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, boot_id TEXT NOT NULL, boot_start_ns INTEGER NOT NULL,
  grant_max_s INTEGER NOT NULL, disarmed_ns INTEGER, disarmed_by TEXT NOT NULL
) STRICT;
CREATE TABLE break_glass_uses(
  request INTEGER PRIMARY KEY, arming INTEGER NOT NULL REFERENCES armings(id), time_ns INTEGER NOT NULL,
  principal TEXT NOT NULL, detail TEXT NOT NULL, grants TEXT NOT NULL, reviewed_ns INTEGER, reviewed_by TEXT NOT NULL,
  note TEXT NOT NULL
) STRICT;
ALTER TABLE tokens ADD COLUMN vouched TEXT NOT NULL DEFAULT '[]';
)sql";

constexpr std::array migrations{version_1, version_2, version_3, version_4, version_5, version_6, version_7, version_8, version_9};

int pragma(SQLite::Database& database, const char* name) {
  return database.execAndGet(std::string("PRAGMA ") + name).getInt();
}

}  // namespace

int schema_version() {
  return static_cast<int>(migrations.size());
}

core::Result<void> check_schema(SQLite::Database& database, const std::filesystem::path& file) {
  const int version = pragma(database, "user_version");
  const bool empty = database.execAndGet("SELECT count(*) FROM sqlite_schema").getInt() == 0;
  if (!empty && pragma(database, "application_id") != application_id)
    return store_error("the file " + file.string() + " is a database of another program; nothing was changed");
  if (version > schema_version())
    return store_error("the store " + file.string() + " has schema version " + std::to_string(version) +
                       ", this posternd knows versions up to " + std::to_string(schema_version()) +
                       ": a newer Postern wrote it, so start that one; nothing was changed");
  return {};
}

void migrate(SQLite::Database& database, int to) {
  for (int next = pragma(database, "user_version"); next < to; ++next) {
    SQLite::Transaction transaction(database, SQLite::TransactionBehavior::IMMEDIATE);
    database.exec(migrations[static_cast<std::size_t>(next)]);
    database.exec("PRAGMA application_id = " + std::to_string(application_id));
    database.exec("PRAGMA user_version = " + std::to_string(next + 1));
    transaction.commit();
  }
}

}  // namespace postern::store
