// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/review_queries.hpp"

#include <algorithm>
#include <utility>

#include "controlplane/store/statement.hpp"
#include "controlplane/store/text_forms.hpp"

namespace postern::store {

namespace {

using Uses = std::map<std::pair<std::string, std::string>, core::ReviewedUse>;

// A grant's end is when it ended, or will; its length is taken from there. What waits, or never began, let nobody in.
constexpr const char* grants_of_period =
    "FROM grants g JOIN requests r ON r.id = g.request WHERE g.start_ns >= ? AND g.start_ns < ? AND g.boot_id <> '' ";
constexpr const char* end_of_grant = "min(g.end_ns, ifnull(g.ended_at_ns, g.end_ns))";
constexpr const char* was_used = "EXISTS (SELECT 1 FROM flows f WHERE f.grant_serial = g.serial)";

std::chrono::seconds seconds_of(std::uint64_t nanoseconds) {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::nanoseconds(nanoseconds));
}

core::ReviewedUse& use_of(Uses& uses, const std::string& requestor, const std::string& machine) {
  auto& use = uses[{requestor, core::folded(machine)}];
  if (use.machine_id.empty()) {
    use.requestor = requestor;
    use.machine_id = machine;
  }
  return use;
}

void count_grants(SQLite::Database& database, core::UtcTime from, core::UtcTime to, Uses& uses) {
  SQLite::Statement select(database, std::string("SELECT r.requestor, g.machine_id, count(DISTINCT r.id), count(*), sum(") +
                                         was_used + "), max(" + end_of_grant + " - g.start_ns), max(g.start_ns) " +
                                         grants_of_period + "GROUP BY r.requestor, g.machine_id");
  Run row(select);
  row.time(from).time(to);
  while (row.next()) {
    const std::string requestor = row.text();
    auto& use = use_of(uses, requestor, row.text());
    use.requests += row.number();
    use.grants += row.number();
    use.used_grants += row.number();
    use.longest_grant = std::max(use.longest_grant, seconds_of(row.number()));
    use.last = std::max(use.last, row.optional_time());
  }
}

void count_sessions(SQLite::Database& database, core::UtcTime from, core::UtcTime to, core::UtcTime now, Uses& uses) {
  SQLite::Statement select(database,
                           "SELECT requestor, machine_id, count(*), sum(client_bytes - client_bytes_before), "
                           "sum(machine_bytes - machine_bytes_before), max(ifnull(closed_ns, ?3) - opened_ns) FROM flows "
                           "WHERE opened_ns >= ?1 AND opened_ns < ?2 AND requestor <> '' GROUP BY requestor, machine_id");
  Run row(select);
  row.time(from).time(to).time(now);
  while (row.next()) {
    const std::string requestor = row.text();
    auto& use = use_of(uses, requestor, row.text());
    use.sessions += row.number();
    use.client_bytes += row.number();
    use.machine_bytes += row.number();
    use.longest_session = std::max(use.longest_session, seconds_of(row.number()));
  }
}

void count_refused(SQLite::Database& database, core::UtcTime from, core::UtcTime to, Uses& uses) {
  SQLite::Statement select(database,
                           "SELECT principal, m.value, count(*) FROM audit, json_each(machines) m WHERE operation = "
                           "'access.initiate' AND outcome = 1 AND time_ns >= ? AND time_ns < ? GROUP BY principal, m.value");
  Run row(select);
  row.time(from).time(to);
  while (row.next()) {
    const std::string principal = row.text();
    auto& use = use_of(uses, principal, row.text());
    use.refused += row.number();
  }
}

std::vector<core::ReviewedGrant> grants(SQLite::Database& database, const std::string& condition, const std::string& order,
                                        std::size_t limit, core::UtcTime from, core::UtcTime to,
                                        std::optional<core::UtcTime> now) {
  SQLite::Statement select(database, std::string("SELECT g.serial, r.requestor, g.machine_id, g.port, g.start_ns, ") +
                                         end_of_grant + " AS over_ns " + grants_of_period + condition + " ORDER BY " + order +
                                         " LIMIT " + std::to_string(limit));
  Run row(select);
  row.time(from).time(to);
  if (now) row.time(*now);
  std::vector<core::ReviewedGrant> list;
  while (row.next()) {
    core::ReviewedGrant grant;
    grant.serial = row.number();
    grant.requestor = row.text();
    grant.machine_id = row.text();
    grant.port = static_cast<std::uint16_t>(row.number());
    grant.start = row.time();
    grant.end = row.time();
    list.push_back(std::move(grant));
  }
  return list;
}

std::vector<core::ReviewedSession> longest_sessions(SQLite::Database& database, core::UtcTime from, core::UtcTime to,
                                                    core::UtcTime now) {
  SQLite::Statement select(database,
                           "SELECT id, grant_serial, requestor, machine_id, client, opened_ns, closed_ns FROM flows WHERE "
                           "opened_ns >= ?1 AND opened_ns < ?2 ORDER BY ifnull(closed_ns, ?3) - opened_ns DESC LIMIT ?4");
  Run row(select);
  row.time(from).time(to).time(now).number(core::review_longest);
  std::vector<core::ReviewedSession> list;
  while (row.next()) {
    core::ReviewedSession session;
    session.id = row.number();
    session.grant = row.number();
    session.requestor = row.text();
    session.machine_id = row.text();
    session.client = row.text();
    session.opened = row.time();
    session.closed = row.optional_time();
    list.push_back(std::move(session));
  }
  return list;
}

std::vector<core::AuditRecord> break_glass(SQLite::Database& database, core::UtcTime from, core::UtcTime to) {
  SQLite::Statement select(database,
                           "SELECT sequence, time_ns, operation, outcome, principal, machines, detail FROM audit WHERE "
                           "operation LIKE 'breakglass.%' AND time_ns >= ? AND time_ns < ? ORDER BY sequence DESC LIMIT ?");
  Run row(select);
  row.time(from).time(to).number(core::review_lines_max);
  std::vector<core::AuditRecord> list;
  while (row.next()) {
    core::AuditRecord record;
    record.sequence = row.number();
    record.time = row.time();
    record.operation = row.text();
    record.outcome = row.enumerator(core::Outcome::failed);
    record.principal = row.text();
    record.machines = texts_from(row.text());
    record.detail = row.text();
    list.push_back(std::move(record));
  }
  return list;
}

std::uint64_t count(SQLite::Database& database, const std::string& what, core::UtcTime from, core::UtcTime to,
                    std::optional<core::UtcTime> now) {
  SQLite::Statement select(database, "SELECT count(*) " + what);
  Run row(select);
  row.time(from).time(to);
  if (now) row.time(*now);
  return row.next() ? row.number() : 0;
}

}  // namespace

core::ReviewFacts review(SQLite::Database& database, core::UtcTime from, core::UtcTime to, core::UtcTime now) {
  core::ReviewFacts facts;
  Uses uses;
  count_grants(database, from, to, uses);
  count_sessions(database, from, to, now, uses);
  count_refused(database, from, to, uses);
  for (auto& [key, use] : uses)
    if (facts.uses.size() < core::review_lines_max) facts.uses.push_back(std::move(use));
  const std::string unused = std::string("AND NOT ") + was_used + " AND " + end_of_grant + " <= ?";
  facts.unused = grants(database, unused, "g.serial DESC", core::review_lines_max, from, to, now);
  facts.unused_count = count(database, grants_of_period + unused, from, to, now);
  facts.longest_grants = grants(database, "", "over_ns - g.start_ns DESC, g.serial", core::review_longest, from, to, {});
  facts.longest_sessions = longest_sessions(database, from, to, now);
  facts.break_glass = break_glass(database, from, to);
  facts.break_glass_count = count(
      database, "FROM audit WHERE operation LIKE 'breakglass.%' AND time_ns >= ? AND time_ns < ?", from, to, {});
  return facts;
}

void note_token_uses(SQLite::Database& database, const std::map<std::string, core::UtcTime>& last) {
  SQLite::Statement put(database, "INSERT INTO token_uses VALUES (?, ?) ON CONFLICT(id) DO UPDATE SET last_ns = excluded.last_ns");
  for (const auto& [id, time] : last) Run(put).text(id).time(time).execute();
  database.exec("DELETE FROM token_uses WHERE id NOT IN (SELECT id FROM tokens)");
}

std::map<std::string, core::UtcTime> token_uses(SQLite::Database& database) {
  SQLite::Statement select(database, "SELECT id, last_ns FROM token_uses");
  std::map<std::string, core::UtcTime> uses;
  for (Run row(select); row.next();) {
    std::string id = row.text();
    uses[std::move(id)] = row.time();
  }
  return uses;
}

}  // namespace postern::store
