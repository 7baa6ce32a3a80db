// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/flow_table.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "controlplane/store/statement.hpp"

namespace postern::store {

namespace {

constexpr std::uint64_t picked_up = 1, machine_opened = 2, adopted = 4, standing = 8;

std::string text_of(const core::PacketEnd& end) {
  return end.address ? core::to_string(*end.address) : "";
}

core::PacketEnd end_from(const std::string& address, std::uint64_t port) {
  core::PacketEnd end{std::nullopt, static_cast<std::uint16_t>(port)};
  if (address.empty()) return end;
  const auto parsed = core::parse_address(address);
  if (!parsed) throw CorruptRow("a connection has the address " + address);
  end.address = *parsed;
  return end;
}

std::uint64_t flags_of(const core::FlowNews& news) {
  const core::FlowEvent& event = news.event;
  return (event.picked_up ? picked_up : 0) | (event.machine_opened ? machine_opened : 0) |
         (event.adopted ? adopted : 0) | (news.standing ? standing : 0);
}

Run& counters(Run& run, const core::FlowEvent& event) {
  return run.number(event.client_packets).number(event.client_bytes).number(event.machine_packets).number(event.machine_bytes);
}

// Its counters are those of its own part: what went before it moved is another record's.
core::FlowRecord read_record(Run& row) {
  core::FlowRecord record;
  record.id = row.number();
  const std::string client = row.text();
  record.client = end_from(client, row.number());
  const std::string machine = row.text();
  record.machine = end_from(machine, row.number());
  record.protocol = static_cast<std::uint8_t>(row.number());
  record.opened = row.time();
  record.as_of = row.time();
  record.closed = row.optional_time();
  record.end = row.text();
  record.grant = row.number();
  record.request = row.number();
  record.requestor = row.text();
  record.machine_id = row.text();
  record.client_packets = row.number();
  record.client_bytes = row.number();
  record.machine_packets = row.number();
  record.machine_bytes = row.number();
  const std::uint64_t flags = row.number();
  record.picked_up = (flags & picked_up) != 0;
  record.machine_opened = (flags & machine_opened) != 0;
  record.adopted = (flags & adopted) != 0;
  record.standing = (flags & standing) != 0;
  return record;
}

constexpr const char* shown =
    "SELECT id, client, client_port, machine, machine_port, protocol, opened_ns, as_of_ns, closed_ns, ending, grant_serial, "
    "request, requestor, machine_id, client_packets - client_packets_before, client_bytes - client_bytes_before, "
    "machine_packets - machine_packets_before, machine_bytes - machine_bytes_before, flags FROM flows "
    "WHERE id < ? AND id >= ?";

std::int64_t bounded(std::uint64_t number) {
  return static_cast<std::int64_t>(std::min<std::uint64_t>(number, std::numeric_limits<std::int64_t>::max()));
}

}  // namespace

FlowTable::FlowTable(SQLite::Database& database)
    : database_(database),
      find_(database,
            "SELECT id, closed_ns IS NOT NULL, grant_serial, client_packets, client_bytes, machine_packets, machine_bytes FROM flows WHERE opened_boot_ns = ? AND client_port = ? AND client = ? AND "
            "machine = ? AND machine_port = ? AND protocol = ? AND boot_id = ? ORDER BY id DESC LIMIT 1"),
      // Whose it was is written down now: requests and grants outlive what a ledger holds, but records outlive them.
      insert_(database,
              "INSERT INTO flows(boot_id, opened_boot_ns, client, client_port, machine, machine_port, protocol, opened_ns, "
              "as_of_ns, closed_ns, ending, grant_serial, request, requestor, machine_id, client_packets, client_bytes, "
              "machine_packets, machine_bytes, client_packets_before, client_bytes_before, machine_packets_before, "
              "machine_bytes_before, flags, run) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, "
              "ifnull(r.id, 0), ifnull(r.requestor, ''), ifnull(g.machine_id, ?13), ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, "
              "?22, ?23 FROM (SELECT 1) LEFT JOIN grants g ON g.serial = ?12 LEFT JOIN requests r ON r.id = g.request"),
      follow_(database,
              "UPDATE flows SET client_packets = ?, client_bytes = ?, machine_packets = ?, machine_bytes = ?, as_of_ns = ?, "
              "run = ?, closed_ns = ?, ending = ? WHERE id = ?"),
      leave_(database, "UPDATE flows SET run = ?, closed_ns = ?, ending = 'moved' WHERE id = ?"),
      unseen_(database,
              "UPDATE flows SET closed_ns = ?, ending = 'unseen' WHERE id IN (SELECT id FROM flows WHERE closed_ns IS NULL "
              "AND run <> ? LIMIT ?)"),
      forget_old_(database,
                  "DELETE FROM flows WHERE id IN (SELECT id FROM flows WHERE closed_ns < ? ORDER BY closed_ns LIMIT ?)"),
      forget_many_(database,
                   "DELETE FROM flows WHERE id IN (SELECT id FROM flows WHERE id <= (SELECT max(id) FROM flows) - ? "
                   "ORDER BY id LIMIT ?)") {}

std::optional<FlowTable::Known> FlowTable::newest_of(const core::FlowNews& news) {
  Run row(find_);
  row.boot_time(news.event.opened).number(news.event.client.port).text(text_of(news.event.client));
  row.text(text_of(news.event.machine)).number(news.event.machine.port).number(news.event.protocol).text(news.boot_id);
  if (!row.next()) return std::nullopt;
  Known known;
  known.id = row.number();
  known.closed = row.number() != 0;
  known.grant = row.number();
  known.counted.client_packets = row.number();
  known.counted.client_bytes = row.number();
  known.counted.machine_packets = row.number();
  known.counted.machine_bytes = row.number();
  return known;
}

void FlowTable::open(const core::FlowNews& news, std::uint64_t run, const std::optional<core::FlowEvent>& before) {
  const core::FlowEvent& event = news.event;
  const bool closed = event.kind == core::FlowEvent::Kind::closed;
  Run row(insert_);
  row.text(news.boot_id).boot_time(event.opened).text(text_of(event.client)).number(event.client.port);
  row.text(text_of(event.machine)).number(event.machine.port).number(event.protocol);
  row.time(before ? news.time : news.opened).time(news.time);
  row.time(closed ? std::optional(news.time) : std::nullopt).text(event.end).number(event.grant).text(news.machine_id);
  counters(row, event);
  counters(row, before.value_or(core::FlowEvent{}));
  row.number(flags_of(news)).number(run).execute();
}

// `end` empty: it goes on.
void FlowTable::follow(std::uint64_t id, const core::FlowNews& news, std::uint64_t run, const std::string& end) {
  Run row(follow_);
  counters(row, news.event).time(news.time).number(run);
  row.time(end.empty() ? std::nullopt : std::optional(news.time)).text(end).number(id).execute();
}

// It moved, and nobody has said when.
void FlowTable::leave(const Known& known, const core::FlowNews& news, std::uint64_t run) {
  Run(leave_).number(run).time(news.time).number(known.id).execute();
}

void FlowTable::write(const core::FlowNews& news, std::uint64_t run) {
  using Kind = core::FlowEvent::Kind;
  const Kind kind = news.event.kind;
  const auto known = newest_of(news);
  const bool goes_on = known && !known->closed, same_grant = known && known->grant == news.event.grant;
  if (kind == Kind::moved && !same_grant) {
    if (goes_on) follow(known->id, news, run, "moved");
    return open(news, run, news.event);
  }
  if (!known) return open(news, run);
  if (!goes_on) return;
  if (!same_grant && (kind == Kind::seen || kind == Kind::closed)) {
    leave(*known, news, run);
    return open(news, run, known->counted);
  }
  follow(known->id, news, run, kind == Kind::closed ? news.event.end : "");
}

std::vector<core::FlowRecord> FlowTable::find(const core::FlowQuery& query) {
  const bool by_name = query.machine.find('/') == std::string::npos;
  const auto time = [](core::UtcTime at) { return static_cast<std::int64_t>(at.time_since_epoch().count()); };
  std::string sql = shown;
  if (query.grant != 0) sql += " AND grant_serial = ?";
  if (!query.machine.empty())
    sql += by_name ? " AND lower(substr(machine_id, -length(?))) = lower(?)" : " AND machine_id = ? COLLATE NOCASE";
  if (!query.requestor.empty()) sql += " AND requestor = ?";
  if (query.from) sql += " AND (closed_ns IS NULL OR closed_ns >= ?)";
  if (query.to) sql += " AND opened_ns < ?";
  if (query.only_open) sql += " AND closed_ns IS NULL";
  SQLite::Statement statement(database_, sql + " ORDER BY id DESC LIMIT ?");
  int at = 0;
  statement.bind(++at, query.before_id == 0 ? std::numeric_limits<std::int64_t>::max() : bounded(query.before_id));
  statement.bind(++at, bounded(query.from_id));
  if (query.grant != 0) statement.bind(++at, bounded(query.grant));
  if (!query.machine.empty()) {
    const std::string wanted = (by_name ? "/" : "") + query.machine;
    statement.bind(++at, wanted);
    if (by_name) statement.bind(++at, wanted);
  }
  if (!query.requestor.empty()) statement.bind(++at, query.requestor);
  if (query.from) statement.bind(++at, time(*query.from));
  if (query.to) statement.bind(++at, time(*query.to));
  statement.bind(++at, bounded(query.limit));
  std::vector<core::FlowRecord> records;
  for (Run row(statement); row.next();) records.push_back(read_record(row));
  return records;
}

std::size_t FlowTable::end_unseen(std::uint64_t run, core::UtcTime now, std::size_t at_most) {
  Run(unseen_).time(now).number(run).number(at_most).execute();
  return static_cast<std::size_t>(database_.getChanges());
}

std::size_t FlowTable::forget(core::UtcTime since, std::uint64_t kept, std::size_t at_most) {
  Run(forget_old_).time(since).number(at_most).execute();
  const int old = database_.getChanges();
  Run(forget_many_).number(kept).number(at_most).execute();
  return static_cast<std::size_t>(old + database_.getChanges());
}

}  // namespace postern::store
