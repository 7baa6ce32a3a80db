// SPDX-License-Identifier: Apache-2.0
// core::Store on one SQLite file: WAL, synchronous FULL, foreign keys. A commit is one transaction for all its change
// sets, on the disk when it returns; whatever fails changes nothing and comes back as store_failed with a sentence.
// One process at a time (FILE.lock); all calls on one thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>

#include "controlplane/core/ports.hpp"
#include "controlplane/core/review.hpp"
#include "controlplane/core/trail.hpp"
#include "controlplane/store/head_key.hpp"

namespace postern::store {

struct StoreOptions {
  std::chrono::milliseconds busy_timeout{2000};  // how long to wait for another process's lock (a backup, a shell)
  std::chrono::hours keep_ended{24 * 7};         // load() returns ended requests this long …
  std::uint64_t ended_per_policy_max = 200;      // … and no more than these, the newest, of each policy
};

class SqliteStore final : public core::Store {
 public:
  // Creates the file (mode 0600) if there is none; its folder must exist. `clock` must outlive the store.
  static core::Result<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& file, const core::Clock& clock,
                                                         StoreOptions options = {});
  ~SqliteStore() override;

  core::Result<core::Snapshot> load() override;
  core::Result<void> commit(const std::vector<core::ChangeSet>& changes) override;
  core::Result<std::vector<core::AuditRecord>> audit(const core::AuditQuery& query) override;
  core::Result<std::uint64_t> verify_audit() override;

  core::Result<core::AuditCheck> check_audit(const std::vector<std::string>& heads) override;

  // Signed heads and retention, without which nothing is signed or removed.
  core::Result<void> sign_with(HeadKey key);
  // If one is due, or records came since the last and we are `stopping`: the line to be kept elsewhere too.
  core::Result<std::optional<std::string>> sign_head(bool stopping = false);
  // Takes out records that are older, at most so many in a call; once a day it leaves a checkpoint and a record of it.
  core::Result<std::size_t> retain(core::UtcTime since, std::size_t at_most);

  core::Result<std::vector<core::AuditRecord>> audit_after(std::uint64_t sequence, std::size_t at_most);  // oldest first
  // How far `name` has got in the audit; one that is new begins at its end, and that is kept.
  core::Result<std::uint64_t> cursor(const std::string& name);
  core::Result<void> set_cursor(const std::string& name, std::uint64_t sequence);

  // In the same file; they live as long as this.
  core::FlowStore& flows();
  core::ReviewStore& reviews();

 private:
  struct Parts;
  explicit SqliteStore(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace postern::store
