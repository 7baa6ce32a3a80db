// SPDX-License-Identifier: Apache-2.0
// A store that keeps what was committed, and nothing else: it outlives the gatekeepers of a test as the file does.
#pragma once

#include "controlplane/core/ports.hpp"
#include "tests/support/fuse.hpp"

namespace postern::tests {

class MemoryStore : public core::Store {
 public:
  explicit MemoryStore(Fuse& fuse) : fuse_(fuse) {}

  core::Result<core::Snapshot> load() override;
  core::Result<void> commit(const std::vector<core::ChangeSet>& changes) override;
  core::Result<std::vector<core::AuditRecord>> audit(const core::AuditQuery& query) override;
  core::Result<std::uint64_t> verify_audit() override { return content_.records.size(); }

  bool unreadable = false;  // audit() fails

  const std::vector<core::AuditRecord>& records() const { return content_.records; }  // oldest first
  const std::map<std::uint64_t, core::Grant>& grants() const { return content_.grants; }
  const std::map<std::uint64_t, core::Request>& requests() const { return content_.requests; }
  const std::map<std::string, core::Machine>& machines() const { return content_.machines; }
  const std::map<std::string, core::Policy>& policies() const { return content_.policies; }
  const std::map<std::string, core::Switch>& switches() const { return content_.switches; }

 private:
  struct Content {
    std::map<std::string, core::Machine> machines;
    std::map<std::string, core::Policy> policies;
    std::map<std::string, core::Switch> switches;
    std::map<std::uint64_t, core::Request> requests;
    std::map<std::uint64_t, core::Grant> grants;
    std::map<std::string, core::Token> tokens;
    std::map<std::uint64_t, core::Arming> armings;
    std::map<std::uint64_t, core::BreakGlassUse> uses;
    std::vector<core::AuditRecord> records;
    std::uint64_t last_policy_generation = 0, last_standing_serial = 0;
  };
  static void apply(const core::ChangeSet& change, Content& content);

  Fuse& fuse_;
  Content content_;
};

}  // namespace postern::tests
