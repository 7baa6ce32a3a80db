// SPDX-License-Identifier: Apache-2.0
// Rows of break-glass: who was armed, and what was done with it. None is ever erased.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <vector>

#include "controlplane/core/model.hpp"

namespace postern::store {

class BreakGlassTables {
 public:
  explicit BreakGlassTables(SQLite::Database& database);
  void put(const core::Arming& arming);
  void put(const core::BreakGlassUse& use);
  std::vector<core::Arming> load_armings();
  std::vector<core::BreakGlassUse> load_uses();

 private:
  SQLite::Statement put_arming_, put_use_, load_armings_, load_uses_;
};

}  // namespace postern::store
