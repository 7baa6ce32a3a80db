// SPDX-License-Identifier: Apache-2.0
// Appending, searching and verifying audit records.
#include "controlplane/store/audit_log.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "controlplane/store/statement.hpp"
#include "controlplane/store/text_forms.hpp"

namespace postern::store {

namespace {

constexpr const char* columns =
    "sequence, time_ns, operation, outcome, principal, source, request_id, client_request_id, policy, machines, "
    "grants, code, detail";

core::AuditRecord read_record(Run& row) {
  core::AuditRecord record;
  record.sequence = row.number();
  record.time = row.time();
  record.operation = row.text();
  record.outcome = row.enumerator(core::Outcome::failed);
  record.principal = row.text();
  record.source = row.text();
  record.request_id = row.text();
  record.client_request_id = row.text();
  record.policy = row.text();
  record.machines = texts_from(row.text());
  record.grants = numbers_from(row.text());
  record.code = row.text();
  record.detail = row.text();
  return record;
}

// Not up to the checkpoint: that was taken out, gone yet or not, and nothing vouches for what stands there.
constexpr const char* kept = "sequence > ifnull((SELECT sequence FROM audit_checkpoint), 0)";

Hash hash_from(const std::string& bytes) {
  Hash hash{};
  if (bytes.size() == hash.size()) std::memcpy(hash.data(), bytes.data(), hash.size());
  return hash;  // a hash of another length never matches
}

core::Error bad_record(std::uint64_t sequence, const std::string& what) {
  core::Error error = store_error("audit record " + std::to_string(sequence) + " " + what);
  error.target = "audit[" + std::to_string(sequence) + "]";
  return error;
}

}  // namespace

AuditLog::AuditLog(SQLite::Database& database)
    : head_(database, "SELECT sequence, hash FROM audit_head"),
      set_head_(database, "UPDATE audit_head SET sequence = ?, hash = ?"),
      append_(database, std::string("INSERT INTO audit(") + columns +
                            ", previous_hash, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
      find_(database, std::string("SELECT ") + columns +
                          " FROM audit WHERE " + kept + " AND (?1 = '' OR EXISTS (SELECT 1 FROM json_each(machines) WHERE value = ?1 "
                          "COLLATE NOCASE)) "
                          "AND (?2 = '' OR principal = ?2) "
                          "AND (?3 = '' OR operation = ?3) AND time_ns >= ?4 AND time_ns < ?5 AND sequence < ?6 "
                          "AND sequence >= ?7 ORDER BY sequence DESC LIMIT ?8"),
      walk_(database, std::string("SELECT ") + columns + ", previous_hash, hash FROM audit WHERE sequence > ? ORDER BY sequence"),
      newest_(database, "SELECT time_ns FROM audit ORDER BY sequence DESC LIMIT 1"),
      hash_of_(database, "SELECT hash FROM audit WHERE sequence = ?"),
      after_(database, std::string("SELECT ") + columns + " FROM audit WHERE sequence > ? AND " + kept + " ORDER BY sequence LIMIT ?") {
  end_ = head().sequence;
}

AuditLog::Head AuditLog::head() {
  Run row(head_);
  if (!row.next()) throw CorruptRow("the head of the audit is missing");
  const std::uint64_t sequence = row.number();
  return {sequence, hash_from(row.text())};
}

void AuditLog::append(core::AuditRecord record) {
  const Head before = head();
  record.sequence = before.sequence + 1;
  end_ = record.sequence;
  const Hash hash = chained(before.hash, record);
  Run(append_)
      .number(record.sequence)
      .time(record.time)
      .text(record.operation)
      .choice(record.outcome)
      .text(record.principal)
      .text(record.source)
      .text(record.request_id)
      .text(record.client_request_id)
      .text(record.policy)
      .text(to_text(record.machines))
      .text(to_text(record.grants))
      .text(record.code)
      .text(record.detail)
      .bytes(before.hash.data(), static_cast<int>(before.hash.size()))
      .bytes(hash.data(), static_cast<int>(hash.size()))
      .execute();
  Run(set_head_).number(record.sequence).bytes(hash.data(), static_cast<int>(hash.size())).execute();
}

std::vector<core::AuditRecord> AuditLog::find(const core::AuditQuery& query) {
  constexpr auto last = std::numeric_limits<std::int64_t>::max();
  Run row(find_);
  row.text(query.machine).text(query.principal).text(query.operation);
  row.time(query.from.value_or(core::UtcTime::min())).time(query.to.value_or(core::UtcTime::max()));
  const auto end = static_cast<std::uint64_t>(last);
  row.number(query.before_sequence ? std::min(query.before_sequence, end) : end);
  row.number(std::min(query.from_sequence, end));
  row.number(std::min<std::uint64_t>(query.limit, static_cast<std::uint64_t>(last)));
  std::vector<core::AuditRecord> records;
  while (row.next()) records.push_back(read_record(row));
  return records;
}

std::optional<Hash> AuditLog::hash_of(std::uint64_t sequence) {
  Run row(hash_of_);
  row.number(sequence);
  return row.next() ? std::optional(hash_from(row.text())) : std::nullopt;
}

std::vector<core::AuditRecord> AuditLog::after(std::uint64_t sequence, std::size_t at_most) {
  std::vector<core::AuditRecord> records;
  Run row(after_);
  row.number(sequence).number(at_most);
  while (row.next()) records.push_back(read_record(row));
  return records;
}

core::Result<AuditLog::Head> AuditLog::verify(const Head& from) {
  Head before = from;
  Run row(walk_);
  row.number(from.sequence);
  while (row.next()) {
    const core::AuditRecord record = read_record(row);
    const Hash previous = hash_from(row.text()), hash = hash_from(row.text());
    const std::uint64_t expected = before.sequence + 1;
    if (record.sequence > expected) return bad_record(expected, "is missing");
    if (record.sequence < expected) return bad_record(record.sequence, "has a number that cannot be");
    if (previous != before.hash)
      return bad_record(expected, "does not follow the one before it: the order was changed");
    if (chained(before.hash, record) != hash) return bad_record(expected, "was changed");
    before = {expected, hash};
  }
  const Head written = head();
  if (written.sequence > before.sequence) return bad_record(before.sequence + 1, "is missing: the end was cut off");
  if (written.sequence != before.sequence || written.hash != before.hash)
    return bad_record(before.sequence, "is not the one that was written last");
  return before;
}

std::optional<core::UtcTime> AuditLog::newest() {
  Run row(newest_);
  return row.next() ? std::optional(row.time()) : std::nullopt;
}

}  // namespace postern::store
