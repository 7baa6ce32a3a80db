// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/audit_journal.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "controlplane/http/own_encode.hpp"

namespace postern::daemon {
namespace {

constexpr std::size_t records_a_turn = 200;

int priority_of(core::Outcome outcome) {
  return outcome == core::Outcome::allowed ? LOG_INFO : outcome == core::Outcome::refused ? LOG_WARNING : LOG_ERR;
}

// NAME, line end, 64-bit little-endian length, value, line end: whatever is in the value, it ends where it says.
void add_field(std::string& entry, const char* name, const std::string& value) {
  entry += name;
  entry += '\n';
  for (std::uint64_t size = value.size(), n = 0; n < 8; ++n, size >>= 8) entry += static_cast<char>(size & 0xff);
  entry += value + '\n';
}

// One line that a terminal shows as it is; POSTERN_AUDIT has every character.
std::string plain(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

// A datagram has its bounds. The store has all of it.
core::AuditRecord shortened(core::AuditRecord record) {
  record.detail = "Too long for the journal: " + std::to_string(record.machines.size()) + " machines and " +
                  std::to_string(record.grants.size()) + " grants are left out; postern audit has them. " + record.detail;
  record.machines.clear();
  record.grants.clear();
  return record;
}

std::string sentence_of(const core::AuditRecord& record) {
  std::string text = "Audit " + std::to_string(record.sequence) + ": " + record.operation + " " +
                     std::string(core::wire_name(record.outcome)) + " for " + record.principal;
  if (!record.detail.empty()) text += ": " + record.detail;
  return plain(std::move(text));
}

bool sent(int fd, const std::string& path, const std::string& datagram) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    errno = ENOENT;
    return false;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return sendto(fd, datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                reinterpret_cast<const sockaddr*>(&address), sizeof address) >= 0;
}

}  // namespace

std::string journal_entry(const core::AuditRecord& record) {
  std::string entry;
  add_field(entry, "MESSAGE", sentence_of(record));
  add_field(entry, "PRIORITY", std::to_string(priority_of(record.outcome)));
  add_field(entry, "SYSLOG_FACILITY", std::to_string(LOG_AUTHPRIV >> 3));
  add_field(entry, "SYSLOG_IDENTIFIER", "posternd");
  add_field(entry, "POSTERN_SEQUENCE", std::to_string(record.sequence));
  add_field(entry, "POSTERN_OPERATION", record.operation);
  add_field(entry, "POSTERN_OUTCOME", std::string(core::wire_name(record.outcome)));
  add_field(entry, "POSTERN_PRINCIPAL", record.principal);
  add_field(entry, "POSTERN_AUDIT", http::to_text(http::encode_record(record)));
  return entry;
}

// JSON escapes line ends and other control characters, so that it stays one line.
std::string syslog_line(const core::AuditRecord& record) {
  return "<" + std::to_string(LOG_AUTHPRIV | priority_of(record.outcome)) + ">posternd: postern-audit " +
         http::to_text(http::encode_record(record));
}

AuditJournal::AuditJournal(store::SqliteStore& store, JournalSockets sockets)
    : feed_(store, "journal"),
      sockets_(std::move(sockets)),
      fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}

AuditJournal::~AuditJournal() {
  if (fd_ >= 0) close(fd_);
}

bool AuditJournal::send(const core::AuditRecord& record) {
  if (sent(fd_, sockets_.journal, journal_entry(record))) return true;
  if (errno == EMSGSIZE && sent(fd_, sockets_.journal, journal_entry(shortened(record)))) return true;
  if (errno == EAGAIN || errno == ENOBUFS) return false;
  if (sent(fd_, sockets_.syslog, syslog_line(record))) return true;
  return errno == EMSGSIZE && sent(fd_, sockets_.syslog, syslog_line(shortened(record)));
}

void AuditJournal::turn() {
  const auto records = feed_.next(records_a_turn);
  trouble_ = records ? "" : records.error().message;
  if (!records) return;
  for (const core::AuditRecord& record : *records) {
    if (!send(record)) {
      ++failed_;
      trouble_ = std::string("neither the journal nor syslog takes it: ") + std::strerror(errno);
      break;
    }
    feed_.done(record.sequence);
    ++delivered_;
  }
  if (const auto saved = feed_.save(); !saved) trouble_ = saved.error().message;
}

}  // namespace postern::daemon
