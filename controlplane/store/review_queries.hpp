// SPDX-License-Identifier: Apache-2.0
// What the access review counts, and when tokens were used last. Every member throws SQLite::Exception or CorruptRow.
#pragma once

#include <SQLiteCpp/Database.h>

#include <map>
#include <string>

#include "controlplane/core/review.hpp"

namespace postern::store {

core::ReviewFacts review(SQLite::Database& database, core::UtcTime from, core::UtcTime to, core::UtcTime now);

void note_token_uses(SQLite::Database& database, const std::map<std::string, core::UtcTime>& last);
std::map<std::string, core::UtcTime> token_uses(SQLite::Database& database);

}  // namespace postern::store
