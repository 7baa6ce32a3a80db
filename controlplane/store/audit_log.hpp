// SPDX-License-Identifier: Apache-2.0
// The audit: appended to, never changed (triggers in the schema forbid it), each record chained to the one before.
// The chain shows accidents and meddling by whoever does not re-compute all of it; signed heads are another matter.
// Members throw SQLite::Exception or CorruptRow.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "controlplane/core/ports.hpp"
#include "controlplane/store/audit_chain.hpp"

namespace postern::store {

class AuditLog {
 public:
  explicit AuditLog(SQLite::Database& database);

  // Gives the record the next sequence number; runs inside the caller's transaction.
  void append(core::AuditRecord record);
  // machine any of a record's, without regard to case; principal and operation exactly, from ≤ time < to; newest first.
  std::vector<core::AuditRecord> find(const core::AuditQuery& query);
  // How many records were checked; an error's target is "audit[n]", n the first record that is not as written.
  core::Result<std::uint64_t> verify();
  std::optional<core::UtcTime> newest();

 private:
  struct Head {
    std::uint64_t sequence = 0;
    Hash hash{};
  };
  Head head();

  SQLite::Statement head_, set_head_, append_, find_, walk_, newest_;
};

}  // namespace postern::store
