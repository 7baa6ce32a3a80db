// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/audit_keeper.hpp"

#include <algorithm>
#include <cstring>

#include "controlplane/store/statement.hpp"

namespace postern::store {

namespace {

constexpr std::uint64_t looked_at_max = 100'000;  // records, for the end of what may go

core::AuditRecord own_record(core::UtcTime now, const char* operation, std::string detail) {
  core::AuditRecord record;
  record.time = now;
  record.operation = operation;
  record.principal = core::own_name;
  record.detail = std::move(detail);
  return record;
}

core::Error not_signed(const std::string& whose) {
  core::Error error = store_error(whose + " was not signed by a key of this gate");
  error.target = "head";
  return error;
}

core::Error broken(std::uint64_t sequence, const std::string& what) {
  core::Error error = store_error("audit record " + std::to_string(sequence) + " " + what);
  error.target = "audit[" + std::to_string(sequence) + "]";
  return error;
}

bool is_genuine(const SignedHead& head, const std::map<std::string, std::string>& keys) {
  const auto key = keys.find(head.key);
  return key != keys.end() && key_id(key->second) == head.key && is_signed(key->second, head.statement(), head.signature);
}

core::UtcTime time_of(const std::string& text) {
  const auto time = core::parse_time(text);
  return time ? *time : core::UtcTime{};
}

}  // namespace

AuditKeeper::AuditKeeper(SQLite::Database& database, AuditLog& log) : database_(database), log_(log) {}

void AuditKeeper::introduce(const HeadKey& key, core::UtcTime now) {
  const auto known = keys();
  if (known.contains(key.id())) return;
  SQLite::Statement insert(database_, "INSERT INTO audit_keys VALUES (?, ?, ?)");
  Run(insert).text(key.id()).bytes(key.public_key().data(), static_cast<int>(key.public_key().size())).time(now).execute();
  if (known.empty()) return;
  core::AuditRecord record = own_record(now, "audit.key",
                                        "Heads are signed by the new key " + key.id() +
                                            " from now on: the file of the one before was taken away, or exchanged.");
  record.outcome = core::Outcome::failed;
  log_.append(std::move(record));
}

std::map<std::string, std::string> AuditKeeper::keys() {
  std::map<std::string, std::string> keys;
  SQLite::Statement select(database_, "SELECT id, public_key FROM audit_keys");
  for (Run row(select); row.next();) {
    std::string id = row.text();
    keys[std::move(id)] = row.text();
  }
  return keys;
}

std::optional<SignedHead> AuditKeeper::newest_head() {
  SQLite::Statement select(database_, "SELECT line FROM audit_heads ORDER BY sequence DESC LIMIT 1");
  Run row(select);
  if (!row.next()) return std::nullopt;
  auto head = parse_head(row.text());
  if (!head) throw CorruptRow("the newest signed head of the audit is not in its form");
  return head;
}

bool AuditKeeper::head_due(core::UtcTime now, bool stopping) {
  const auto due = [&](std::uint64_t end, std::uint64_t signed_end, core::UtcTime time) {
    return end > signed_end && (stopping || end - signed_end >= records_a_head || now - time >= time_a_head || now < time);
  };
  if (!stopping && last_ && !due(log_.end(), last_->first, last_->second)) return false;
  const std::uint64_t end = log_.head().sequence;
  const auto newest = newest_head();
  if (!newest) return end > 0;
  last_ = {newest->sequence, time_of(newest->time)};
  return end < newest->sequence || due(end, newest->sequence, time_of(newest->time));  // sign_head() will say what is wrong
}

core::Result<SignedHead> AuditKeeper::sign_head(const HeadKey& key, core::UtcTime now) {
  const AuditLog::Head end = log_.head();
  if (const auto newest = newest_head()) {
    const auto from = checkpoint();
    if (!from) return from.error();
    if (const auto same = agrees(*newest, *from, end, keys(), "the newest head of the audit"); !same) return same.error();
  }
  SignedHead head = signed_head(SignedHead::Kind::head, end.sequence, end.hash, now, key);
  SQLite::Statement insert(database_, "INSERT INTO audit_heads VALUES (?, ?)");
  Run(insert).number(head.sequence).text(head.line()).execute();
  SQLite::Statement forget(database_,
                           "DELETE FROM audit_heads WHERE sequence <= (SELECT sequence FROM audit_heads ORDER BY sequence "
                           "DESC LIMIT 1 OFFSET ?)");
  Run(forget).number(heads_kept).execute();
  return head;
}

// Whether what the head says is so; false: it is of before the checkpoint, and nobody can tell.
core::Result<bool> AuditKeeper::agrees(const SignedHead& head, const AuditLog::Head& from, const AuditLog::Head& end,
                                       const std::map<std::string, std::string>& keys, const std::string& whose) {
  if (!is_genuine(head, keys)) return not_signed(whose);
  if (head.sequence < from.sequence) return false;
  if (head.sequence > end.sequence)
    return broken(end.sequence + 1, "is missing: the end was cut off, for at " + head.time + " there were " +
                                        std::to_string(head.sequence));
  const auto hash = head.sequence == from.sequence ? std::optional(from.hash) : log_.hash_of(head.sequence);
  if (!hash) return broken(head.sequence, "is missing");
  if (*hash != head.hash)
    return broken(head.sequence, "is not the one that was signed at " + head.time + ", or one before it was changed");
  return true;
}

core::Result<AuditLog::Head> AuditKeeper::checkpoint() {
  SQLite::Statement select(database_, "SELECT sequence, hash, line FROM audit_checkpoint");
  Run row(select);
  if (!row.next()) throw CorruptRow("the checkpoint of the audit is missing");
  AuditLog::Head from;
  from.sequence = row.number();
  const std::string hash = row.text(), line = row.text();
  if (from.sequence == 0) return from;
  if (hash.size() == from.hash.size()) std::memcpy(from.hash.data(), hash.data(), hash.size());
  const auto head = parse_head(line);
  const bool says_so = head && head->kind == SignedHead::Kind::checkpoint && head->sequence == from.sequence &&
                       head->hash == from.hash && is_genuine(*head, keys());
  if (!says_so)
    return not_signed("the checkpoint that says that records up to " + std::to_string(from.sequence) + " were taken out");
  return from;
}

// What is not over keeps the records of how it began: requests whose grants wait or run, break-glass that nobody reviewed.
core::UtcTime AuditKeeper::oldest_needed(core::UtcTime since) {
  SQLite::Statement select(database_,
                           "SELECT min(?1, (SELECT ifnull(min(r.start_ns), ?1) FROM grants g JOIN requests r ON r.id = g.request "
                           "WHERE g.state <> 1), (SELECT ifnull(min(time_ns), ?1) FROM break_glass_uses WHERE reviewed_ns IS NULL))");
  Run row(select);
  row.time(since);
  return row.next() ? row.time() : since;
}

std::uint64_t AuditKeeper::removable(core::UtcTime since) {
  const auto from = checkpoint();
  if (!from) return 0;
  since = oldest_needed(since);
  SQLite::Statement select(database_, "SELECT sequence, time_ns FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?");
  std::uint64_t last = 0;
  Run row(select);
  row.number(from->sequence).number(looked_at_max);
  while (row.next()) {
    const std::uint64_t sequence = row.number();
    if (row.time() >= since) break;
    last = sequence;
  }
  const std::uint64_t end = log_.head().sequence;
  return end == 0 ? 0 : std::min(last, end - 1);
}

bool AuditKeeper::checkpoint_due(core::UtcTime now) {
  SQLite::Statement select(database_, "SELECT line FROM audit_checkpoint");
  Run row(select);
  if (!row.next()) return false;
  const auto head = parse_head(row.text());
  return !head || now - time_of(head->time) >= retention_pause;
}

void AuditKeeper::raise_checkpoint(std::uint64_t sequence, const HeadKey& key, core::UtcTime now) {
  const auto hash = log_.hash_of(sequence);
  if (!hash) throw CorruptRow("audit record " + std::to_string(sequence) + " is missing");
  const SignedHead head = signed_head(SignedHead::Kind::checkpoint, sequence, *hash, now, key);
  SQLite::Statement update(database_, "UPDATE audit_checkpoint SET sequence = ?, hash = ?, line = ?");
  Run(update).number(sequence).bytes(hash->data(), static_cast<int>(hash->size())).text(head.line()).execute();
  log_.append(own_record(now, "audit.retention",
                         "Records up to " + std::to_string(sequence) + " are older than is kept, and taken out: " +
                             head.line()));
}

core::Result<std::size_t> AuditKeeper::remove(std::size_t at_most) {
  if (const auto from = checkpoint(); !from) return from.error();
  SQLite::Statement erase(database_,
                          "DELETE FROM audit WHERE sequence IN (SELECT sequence FROM audit WHERE sequence <= (SELECT "
                          "sequence FROM audit_checkpoint) ORDER BY sequence LIMIT ?)");
  Run(erase).number(at_most).execute();
  return static_cast<std::size_t>(database_.getChanges());
}

core::Result<core::AuditCheck> AuditKeeper::check(const std::vector<std::string>& lines) {
  const auto from = checkpoint();
  if (!from) return from.error();
  const auto end = log_.verify(*from);
  if (!end) return end.error();
  core::AuditCheck check;
  check.records = end->sequence - from->sequence;
  check.checkpoint = from->sequence;
  const auto known = keys();
  SQLite::Statement select(database_, "SELECT sequence, line FROM audit_heads ORDER BY sequence");
  for (Run row(select); row.next();) {
    const std::string sequence = std::to_string(row.number());
    const auto head = parse_head(row.text());
    const std::string whose = "the head at record " + sequence;
    if (!head || std::to_string(head->sequence) != sequence || head->kind != SignedHead::Kind::head) return not_signed(whose);
    const auto same = agrees(*head, *from, *end, known, whose);
    if (!same) return same.error();
    if (*same) ++check.heads;
  }
  for (std::size_t n = 0; n < lines.size(); ++n) {
    const std::string whose = "line " + std::to_string(n + 1);
    const auto head = parse_head(lines[n]);
    if (!head) {
      core::Error error{core::ErrorCode::invalid_input, whose + " is no signed head of an audit", "heads[" + std::to_string(n) + "]", {}};
      return error;
    }
    const auto same = agrees(*head, *from, *end, known, whose);
    if (!same) return same.error();
    ++(*same ? check.lines : check.lines_too_old);
  }
  return check;
}

}  // namespace postern::store
