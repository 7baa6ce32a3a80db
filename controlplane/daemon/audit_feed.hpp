// SPDX-License-Identifier: Apache-2.0
// The audit's records one after the other, for somebody outside who must get each at least once: the place up to which he has
// them is kept in the store. Whoever is new begins with what comes.
#pragma once

#include <string>
#include <vector>

#include "controlplane/store/sqlite_store.hpp"

namespace postern::daemon {

class AuditFeed {
 public:
  AuditFeed(store::SqliteStore& store, std::string name) : store_(store), name_(std::move(name)) {}

  // Oldest first; the same again until they are done.
  core::Result<std::vector<core::AuditRecord>> next(std::size_t at_most);
  void done(std::uint64_t sequence) { place_ = sequence; }
  core::Result<void> save();  // one write; needed only now and then
  std::uint64_t waiting();    // records that are not done

 private:
  core::Result<void> begin();

  store::SqliteStore& store_;
  std::string name_;
  bool begun_ = false;
  std::uint64_t place_ = 0, saved_ = 0;
};

}  // namespace postern::daemon
