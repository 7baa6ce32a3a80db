// SPDX-License-Identifier: Apache-2.0
// Connections as rows: one is opened, followed, divided where it moves to another grant, and closed. Words that come twice,
// in the wrong order or not at all (a daemon that was killed, a full ring, the sweeper's before the ring's) do no harm. Every member throws SQLite::Exception or CorruptRow.
#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <optional>
#include <vector>

#include "controlplane/core/trail.hpp"

namespace postern::store {

class FlowTable {
 public:
  explicit FlowTable(SQLite::Database& database);

  void write(const core::FlowNews& news, std::uint64_t run);
  std::vector<core::FlowRecord> find(const core::FlowQuery& query);
  std::size_t end_unseen(std::uint64_t run, core::UtcTime now, std::size_t at_most);
  std::size_t forget(core::UtcTime since, std::uint64_t kept, std::size_t at_most);

 private:
  struct Known {
    std::uint64_t id = 0;
    bool closed = false;
    std::uint64_t grant = 0;
    core::FlowEvent counted = {};  // its counters
  };
  std::optional<Known> newest_of(const core::FlowNews& news);
  // before: the counters of the part that is another record's, which ends now.
  void open(const core::FlowNews& news, std::uint64_t run, const std::optional<core::FlowEvent>& before = {});
  void leave(const Known& known, const core::FlowNews& news, std::uint64_t run);
  void follow(std::uint64_t id, const core::FlowNews& news, std::uint64_t run, const std::string& end);

  SQLite::Database& database_;
  SQLite::Statement find_, insert_, follow_, leave_, unseen_, forget_old_, forget_many_;
};

}  // namespace postern::store
