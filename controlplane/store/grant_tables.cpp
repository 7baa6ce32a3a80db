// SPDX-License-Identifier: Apache-2.0
// Rows of requests and grants.
#include "controlplane/store/grant_tables.hpp"

#include "controlplane/store/statement.hpp"
#include "controlplane/store/text_forms.hpp"

namespace postern::store {

namespace {

core::Protocol protocol_of(std::uint64_t number) {
  if (number != 0 && number != 6 && number != 17)
    throw CorruptRow("a grant has the unknown protocol " + std::to_string(number));
  return static_cast<core::Protocol>(number);
}

core::Request read_request(Run& row) {
  core::Request request;
  request.id = row.number();
  request.policy.subscription = row.text();
  request.policy.resource_group = row.text();
  request.policy.location = row.text();
  request.policy.name = row.text();
  request.policy_generation = row.number();
  request.start = row.time();
  request.requestor = row.text();
  request.justification = row.text();
  request.client_request_id = row.text();
  request.body_digest = row.text();
  request.answer_by = row.optional_time();
  request.answered_by = row.text();
  request.answer_reason = row.text();
  return request;
}

core::Grant read_grant(Run& row) {
  core::Grant grant;
  grant.serial = row.number();
  grant.request = row.number();
  grant.machine_id = row.text();
  grant.port = static_cast<std::uint16_t>(row.number());
  grant.protocol = protocol_of(row.number());
  grant.sources = sources_from(row.text());
  grant.ending = row.enumerator(core::Ending::cut);
  grant.start = row.time();
  grant.end = row.time();
  grant.boot_id = row.text();
  grant.boot_start = row.boot_time();
  grant.state = row.enumerator(core::GrantState::scheduled);
  grant.end_reason = row.enumerator(core::EndReason::taken_back);
  grant.ended_at = row.optional_time();
  grant.ended_by = row.text();
  grant.max_session = std::chrono::seconds(row.number());
  grant.extended = row.optional_time();
  grant.by_duration = row.number() != 0;
  return grant;
}

}  // namespace

GrantTables::GrantTables(SQLite::Database& database)
    : database_(database),
      put_request_(database,
                   "INSERT INTO requests(id, policy_key, subscription, resource_group, location, policy_name, "
                   "policy_generation, start_ns, requestor, justification, client_request_id, body_digest, "
                   "answer_by_ns, answered_by, answer_reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET "
                   "policy_key = excluded.policy_key, subscription = excluded.subscription, "
                   "resource_group = excluded.resource_group, location = excluded.location, "
                   "policy_name = excluded.policy_name, policy_generation = excluded.policy_generation, "
                   "start_ns = excluded.start_ns, requestor = excluded.requestor, "
                   "justification = excluded.justification, client_request_id = excluded.client_request_id, "
                   "body_digest = excluded.body_digest, answer_by_ns = excluded.answer_by_ns, "
                   "answered_by = excluded.answered_by, answer_reason = excluded.answer_reason"),
      put_grant_(database,
                 "INSERT INTO grants(serial, request, machine_id, port, protocol, sources, ending, start_ns, end_ns, "
                 "boot_id, boot_start_ns, state, end_reason, ended_at_ns, ended_by, max_session_s, extended_ns, by_duration) "
                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(serial) DO UPDATE SET "
                 "request = excluded.request, machine_id = excluded.machine_id, port = excluded.port, "
                 "protocol = excluded.protocol, sources = excluded.sources, ending = excluded.ending, "
                 "start_ns = excluded.start_ns, end_ns = excluded.end_ns, boot_id = excluded.boot_id, "
                 "boot_start_ns = excluded.boot_start_ns, state = excluded.state, end_reason = excluded.end_reason, "
                 "ended_at_ns = excluded.ended_at_ns, ended_by = excluded.ended_by, "
                 "max_session_s = excluded.max_session_s, extended_ns = excluded.extended_ns, "
                 "by_duration = excluded.by_duration") {
  database.exec("CREATE TEMP TABLE chosen(request INTEGER PRIMARY KEY)");
}

void GrantTables::put(const core::Request& request) {
  Run(put_request_)
      .number(request.id)
      .text(request.policy.key())
      .text(request.policy.subscription)
      .text(request.policy.resource_group)
      .text(request.policy.location)
      .text(request.policy.name)
      .number(request.policy_generation)
      .time(request.start)
      .text(request.requestor)
      .text(request.justification)
      .text(request.client_request_id)
      .text(request.body_digest)
      .time(request.answer_by)
      .text(request.answered_by)
      .text(request.answer_reason)
      .execute();
}

void GrantTables::put(const core::Grant& grant) {
  Run(put_grant_)
      .number(grant.serial)
      .number(grant.request)
      .text(grant.machine_id)
      .number(grant.port)
      .choice(grant.protocol)
      .text(to_text(grant.sources))
      .choice(grant.ending)
      .time(grant.start)
      .time(grant.end)
      .text(grant.boot_id)
      .boot_time(grant.boot_start)
      .choice(grant.state)
      .choice(grant.end_reason)
      .time(grant.ended_at)
      .text(grant.ended_by)
      .number(static_cast<std::uint64_t>(grant.max_session.count()))
      .time(grant.extended)
      .number(grant.by_duration ? 1 : 0)
      .execute();
}

// Fills the temporary table with the requests to load: `OR IGNORE` because a request may have many such grants.
void GrantTables::choose(core::UtcTime since, std::uint64_t ended_max) {
  database_.exec("DELETE FROM chosen");
  database_.exec("INSERT OR IGNORE INTO chosen SELECT request FROM grants WHERE state <> 1 ORDER BY request");
  SQLite::Statement ended(database_,
                          "INSERT INTO chosen SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY policy_key "
                          "ORDER BY id DESC) AS place FROM requests WHERE id IN (SELECT request FROM grants WHERE "
                          "state = 1 AND ended_at_ns >= ?) AND id NOT IN (SELECT request FROM chosen)) "
                          "WHERE place <= ?");
  Run(ended).time(since).number(ended_max).execute();
}

void GrantTables::load(core::UtcTime since, std::uint64_t ended_max, std::vector<core::Request>& requests,
                       std::vector<core::Grant>& grants) {
  choose(since, ended_max);
  requests.reserve(static_cast<std::size_t>(database_.execAndGet("SELECT count(*) FROM chosen").getInt64()));
  SQLite::Statement select_requests(
      database_,
      "SELECT id, subscription, resource_group, location, policy_name, policy_generation, start_ns, requestor, "
      "justification, client_request_id, body_digest, answer_by_ns, answered_by, answer_reason FROM chosen JOIN requests ON id = chosen.request "
      "ORDER BY chosen.request");
  for (Run row(select_requests); row.next();) requests.push_back(read_request(row));
  grants.reserve(requests.size());
  SQLite::Statement select_grants(
      database_,
      "SELECT serial, request, machine_id, port, protocol, sources, ending, start_ns, end_ns, boot_id, "
      "boot_start_ns, state, end_reason, ended_at_ns, ended_by, max_session_s, extended_ns, by_duration FROM grants "
      "WHERE request IN (SELECT request FROM chosen) ORDER BY serial");
  for (Run row(select_grants); row.next();) grants.push_back(read_grant(row));
  database_.exec("DELETE FROM chosen");
}

}  // namespace postern::store
