// SPDX-License-Identifier: Apache-2.0
// Signs heads of the audit, takes out old records behind a signed checkpoint, and checks all of it. The database lets
// nobody delete a record above the checkpoint, and the checkpoint only rises, to a record that is there; that it was raised
// by this gate its signature shows. Members throw SQLite::Exception, CorruptRow or std::runtime_error.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/ports.hpp"
#include "controlplane/store/audit_log.hpp"
#include "controlplane/store/signed_head.hpp"

namespace postern::store {

inline constexpr std::uint64_t records_a_head = 1000;   // a head is due after so many …
inline constexpr std::chrono::minutes time_a_head{10};  // … or so long, if there is a new record
inline constexpr std::uint64_t heads_kept = 1000;
inline constexpr std::chrono::hours retention_pause{24};  // between two checkpoints, each of which leaves a record

class AuditKeeper {
 public:
  AuditKeeper(SQLite::Database& database, AuditLog& log);

  // What it signs is known from now on; that it takes the place of others is recorded. In the caller's transaction.
  void introduce(const HeadKey& key, core::UtcTime now);
  bool head_due(core::UtcTime now, bool stopping);
  // In the caller's transaction. Fails if the audit is not what the newest head says: what was meddled with is not signed.
  core::Result<SignedHead> sign_head(const HeadKey& key, core::UtcTime now);

  // The newest record that may go: all up to it are older than `since`, and than what is not over. 0: none.
  std::uint64_t removable(core::UtcTime since);
  bool checkpoint_due(core::UtcTime now);
  // Raises the checkpoint and records it, in the caller's transaction; remove() then takes the records out bit by bit.
  void raise_checkpoint(std::uint64_t sequence, const HeadKey& key, core::UtcTime now);
  core::Result<std::size_t> remove(std::size_t at_most);  // nothing behind a checkpoint that is not signed

  // The chain from the checkpoint on, the checkpoint, the heads in the store, and these lines.
  core::Result<core::AuditCheck> check(const std::vector<std::string>& lines);

 private:
  std::map<std::string, std::string> keys();
  std::optional<SignedHead> newest_head();
  core::UtcTime oldest_needed(core::UtcTime since);
  core::Result<AuditLog::Head> checkpoint();  // whether it is signed, too
  core::Result<bool> agrees(const SignedHead& head, const AuditLog::Head& from, const AuditLog::Head& end,
                            const std::map<std::string, std::string>& keys, const std::string& whose);

  SQLite::Database& database_;
  AuditLog& log_;
  std::optional<std::pair<std::uint64_t, core::UtcTime>> last_;  // newest head, so that a look each second asks nobody
};

}  // namespace postern::store
