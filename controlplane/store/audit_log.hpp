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
  struct Head {
    std::uint64_t sequence = 0;
    Hash hash{};
  };
  std::vector<core::AuditRecord> after(std::uint64_t sequence, std::size_t at_most);  // oldest first
  // Of the records after `from`: the last. An error's target is "audit[n]", n the first record that is not as written.
  core::Result<Head> verify(const Head& from);
  std::optional<core::UtcTime> newest();
  Head head();
  std::optional<Hash> hash_of(std::uint64_t sequence);  // as it stands there
  std::uint64_t end() const { return end_; }  // the highest number given out, also by what was rolled back; asks nobody

 private:
  SQLite::Statement head_, set_head_, append_, find_, walk_, newest_, hash_of_, after_;
  std::uint64_t end_ = 0;
};

}  // namespace postern::store
