// SPDX-License-Identifier: Apache-2.0
// The tables, as numbered migrations (SQLite's user_version counts them). A released migration is never edited: what
// changes is appended.
#pragma once

#include <SQLiteCpp/Database.h>

#include <filesystem>

#include "controlplane/core/result.hpp"

namespace postern::store {

int schema_version();  // the newest this program knows

// Refuses a file that belongs to another program or that a newer Postern has written. Reads only.
core::Result<void> check_schema(SQLite::Database& database, const std::filesystem::path& file);

// Brings the database to that version, each migration in its own transaction. Both throw SQLite's failures.
void migrate(SQLite::Database& database, int to = schema_version());

}  // namespace postern::store
