// SPDX-License-Identifier: Apache-2.0
// Each audit record as one entry of the journal, with fields, by its own socket; where there is no journal, as one line of
// syslog. Never waits: what finds no room goes with the next turn.
#pragma once

#include <string>

#include "controlplane/daemon/audit_feed.hpp"

namespace postern::daemon {

struct JournalSockets {
  std::string journal = "/run/systemd/journal/socket";
  std::string syslog = "/dev/log";
};

class AuditJournal {
 public:
  AuditJournal(store::SqliteStore& store, JournalSockets sockets = {});
  ~AuditJournal();
  AuditJournal(const AuditJournal&) = delete;
  AuditJournal& operator=(const AuditJournal&) = delete;

  void turn();  // to be called about once a second
  const std::string& trouble() const { return trouble_; }  // why nothing arrives; empty: it does
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t failed() const { return failed_; }
  std::uint64_t waiting() { return feed_.waiting(); }

 private:
  bool send(const core::AuditRecord& record);

  AuditFeed feed_;
  JournalSockets sockets_;
  int fd_;
  std::uint64_t delivered_ = 0, failed_ = 0;
  std::string trouble_;
};

// The datagram of the journal's native protocol.
std::string journal_entry(const core::AuditRecord& record);
std::string syslog_line(const core::AuditRecord& record);

}  // namespace postern::daemon
