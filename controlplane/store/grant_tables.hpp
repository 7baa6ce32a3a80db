// SPDX-License-Identifier: Apache-2.0
// Requests and their grants: what a commit writes most, and the only tables that grow to a million rows.
// Every member throws SQLite::Exception or CorruptRow.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <vector>

#include "controlplane/core/model.hpp"

namespace postern::store {

class GrantTables {
 public:
  explicit GrantTables(SQLite::Database& database);
  void put(const core::Request& request);
  void put(const core::Grant& grant);  // its request must be there

  // Every request with a grant that has not ended, and of the others those that ended at `since` or later, the newest
  // `ended_max` of each policy; with all their grants. By id and by serial, rising.
  void load(core::UtcTime since, std::uint64_t ended_max, std::vector<core::Request>& requests,
            std::vector<core::Grant>& grants);

 private:
  void choose(core::UtcTime since, std::uint64_t ended_max);

  SQLite::Database& database_;
  SQLite::Statement put_request_, put_grant_;
};

}  // namespace postern::store
