// SPDX-License-Identifier: Apache-2.0
// postern audit: who was let in, when, by whose leave; and whether the record is whole.
#include <fstream>
#include <functional>
#include <iostream>

#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

std::string last_segment(const std::string& id) {
  return id.substr(id.rfind('/') + 1);
}

// The heads in lines of a log; other lines are passed over. The newest, as far as the daemon takes them in one call.
std::vector<std::string> kept_heads(const std::string& place) {
  constexpr std::size_t heads_max = 3000;
  std::ifstream file;
  if (place != "-") file.open(place);
  std::istream& in = place == "-" ? std::cin : file;
  if (!in) throw Failure(Exit::usage, "cannot read " + place);
  std::vector<std::string> heads;
  for (std::string line; std::getline(in, line);) {
    const auto begin = line.find("postern-audit-head ");
    if (begin == std::string::npos) continue;
    if (line.ends_with('\r')) line.pop_back();
    heads.push_back(line.substr(begin));
  }
  if (heads.empty()) throw Failure(Exit::usage, "there is no line with postern-audit-head in " + place);
  if (heads.size() > heads_max) heads.erase(heads.begin(), heads.end() - static_cast<std::ptrdiff_t>(heads_max));
  return heads;
}

}  // namespace

AuditVerbs::AuditVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group = app.add_subcommand("audit", "The record of every decision, newest first");
  group->add_option("--machine", machine_, "Only of this machine");
  group->add_option("--principal", principal_, "Only what this person or program did");
  group->add_option("--operation", operation_, "Only this operation, as access.initiate");
  group->add_option("--since", from_, "Not before this time (RFC 3339)");
  group->add_option("--before", to_, "Not after this time");
  group->add_option("--limit", limit_, "At most so many (50 in a table; an export has all)");
  CLI::Option* csv = group->add_flag("--csv", csv_, "All of them as CSV, which spreadsheets may open without harm");
  group->add_flag("--jsonl", json_lines_, "All of them as JSON, one record a line")->excludes(csv);
  CLI::App* check =
      group->add_subcommand("verify", "Check the hash chain and its signed heads: is a record changed, missing, out of order?");
  check->add_option("--head", heads_,
                    "Check also signed heads that were kept elsewhere: a file with lines of the daemon's log, or -");
  CLI::App* access = group->add_subcommand("review", "Who may get where, who did, and which rights nobody used");
  access->add_option("--since", review_from_, "Begin of the period (RFC 3339; 90 days ago)");
  access->add_option("--before", review_to_, "Its end (now)");
  access->add_flag("--csv", review_csv_, "As one table in CSV, which spreadsheets may open without harm");
  access->callback([this, &chosen] { chosen = [this](const Desk& desk) { review(desk); }; });
  group->callback([this, &chosen, check, access] {
    if (!check->parsed() && !access->parsed()) chosen = [this](const Desk& desk) { list(desk); };
  });
  check->callback([this, &chosen] { chosen = [this](const Desk& desk) { verify(desk); }; });
}

void AuditVerbs::list(const Desk& desk) const {
  const bool exported = csv_ || json_lines_;
  std::string target = std::string("/v1/audit?format=") + (csv_ ? "csv" : json_lines_ ? "jsonl" : "json");
  if (limit_ != 0 || !exported) target += "&limit=" + std::to_string(limit_ != 0 ? limit_ : 50);
  const auto filter = [&](const char* name, const std::string& value) {
    if (!value.empty()) target += std::string("&") + name + "=" + encoded(value);
  };
  filter("machine", machine_);
  filter("principal", principal_);
  filter("operation", operation_);
  filter("from", from_);
  filter("to", to_);
  if (exported) {
    desk.gate.download(target, [](std::string_view piece) { std::cout << piece; });
    std::cout.flush();
    return;
  }
  const json body = desk.gate.get(target);
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  for (const json& record : body.value("records", json::array())) {
    const std::string code = text_of(record, "code");
    std::string machines;
    for (const json& id : record.value("machines", json::array()))
      machines += (machines.empty() ? "" : ", ") + last_segment(id.get<std::string>());
    rows.push_back({text_of(record, "sequence"), local_time(text_of(record, "timeUtc")), text_of(record, "operation"),
                    text_of(record, "outcome") + (code.empty() ? "" : " " + code), text_of(record, "principal"),
                    machines, text_of(record, "grants"), text_of(record, "detail")});
  }
  desk.out.table({"NO", "TIME", "OPERATION", "OUTCOME", "WHO", "MACHINE", "GRANTS", "DETAIL"}, rows, "No records.");
}

void AuditVerbs::review(const Desk& desk) const {
  std::string target = std::string("/v1/audit/review?format=") + (review_csv_ ? "csv" : "json");
  if (!review_from_.empty()) target += "&from=" + encoded(review_from_);
  if (!review_to_.empty()) target += "&to=" + encoded(review_to_);
  if (review_csv_) {
    desk.gate.download(target, [](std::string_view piece) { std::cout << piece; });
    std::cout.flush();
    return;
  }
  const json body = desk.gate.get(target);
  if (desk.out.json()) return desk.out.document(body);
  const auto rows_of = [&body](const char* list, const std::function<Row(const json&)>& row) {
    std::vector<Row> rows;
    for (const json& each : body.value(list, json::array())) rows.push_back(row(each));
    return rows;
  };
  const auto grant = [](const json& each) {
    return Row{text_of(each, "serial"), text_of(each, "requestor"), last_segment(text_of(each, "machine")),
               text_of(each, "port"), local_time(text_of(each, "startTimeUtc")), local_time(text_of(each, "endTimeUtc"))};
  };
  const Row grant_heads = {"GRANT", "WHO", "MACHINE", "PORT", "FROM", "UNTIL"};
  desk.out.line("From " + text_of(body, "fromUtc") + " to " + text_of(body, "toUtc") + ".");
  desk.out.line("Who may get where:");
  desk.out.table({"WHO", "MACHINE", "PORTS", "BY"}, rows_of("rights", [](const json& each) {
                   return Row{text_of(each, "principal"), last_segment(text_of(each, "machine")), text_of(each, "ports"),
                              text_of(each, "by") + (each.value("needNotAsk", false) ? ", may write the policy" : "")};
                 }),
                 "Nobody but root and the socket's group.");
  desk.out.line("Who did:");
  desk.out.table({"WHO", "MACHINE", "REQUESTS", "REFUSED", "GRANTS", "USED", "SESSIONS", "BYTES IN", "BYTES OUT", "LONGEST"},
                 rows_of("uses", [](const json& each) {
                   return Row{text_of(each, "requestor"), last_segment(text_of(each, "machine")), text_of(each, "requests"),
                              text_of(each, "refused"), text_of(each, "grants"), text_of(each, "usedGrants"),
                              text_of(each, "sessions"), text_of(each, "clientBytes"), text_of(each, "machineBytes"),
                              text_of(each, "longestSession")};
                 }),
                 "Nobody.");
  desk.out.line("Grants that nobody used (" + text_of(body, "unusedGrantsCount") + "):");
  desk.out.table(grant_heads, rows_of("unusedGrants", grant), "None.");
  desk.out.line("The longest grants:");
  desk.out.table(grant_heads, rows_of("longestGrants", grant), "None.");
  desk.out.line("The longest sessions:");
  desk.out.table({"WHO", "MACHINE", "FROM", "OPENED", "CLOSED"}, rows_of("longestSessions", [](const json& each) {
                   const std::string closed = text_of(each, "closedUtc");
                   return Row{text_of(each, "requestor"), last_segment(text_of(each, "machine")), text_of(each, "client"),
                              local_time(text_of(each, "openedUtc")), closed.empty() ? "open" : local_time(closed)};
                 }),
                 "None.");
  desk.out.line("Standing rules:");
  desk.out.table({"NUMBER", "MACHINE", "PORT", "SOURCES"}, rows_of("standing", [](const json& each) {
                   return Row{text_of(each, "serial"), text_of(each, "machineName"), text_of(each, "port"),
                              text_of(each, "sources")};
                 }),
                 "None.");
  desk.out.line("Break-glass (" + text_of(body, "breakGlassCount") + "):");
  desk.out.table({"TIME", "OPERATION", "WHO", "DETAIL"}, rows_of("breakGlass", [](const json& each) {
                   return Row{local_time(text_of(each, "timeUtc")), text_of(each, "operation"), text_of(each, "principal"),
                              text_of(each, "detail")};
                 }),
                 "None.");
  desk.out.line("Tokens:");
  desk.out.table({"TOKEN", "WHO", "UNTIL", "LAST USED"}, rows_of("tokens", [](const json& each) {
                   const std::string expires = text_of(each, "expiresUtc"), used = text_of(each, "lastUsedUtc");
                   return Row{text_of(each, "id"), text_of(each, "principal"),
                              expires.empty() ? "without end" : local_time(expires), used.empty() ? "never" : local_time(used)};
                 }),
                 "None.");
}

void AuditVerbs::verify(const Desk& desk) const {
  json body;
  if (heads_.empty()) {
    body = desk.gate.get("/v1/audit/verify");
  } else {
    const json asked = {{"heads", kept_heads(heads_)}};
    body = desk.gate.call("POST", "/v1/audit/verify", &asked).body;
  }
  // Whoever made up all records anew, and raised the checkpoint above every kept head, would otherwise be told that all is well.
  if (!heads_.empty() && body.value("lines", 0) == 0)
    throw Failure(Exit::refused, "none of these heads can be checked: all are of before record " + text_of(body, "checkpoint") +
                                     ", up to which records were taken out. Take newer ones; if there should be some, ask why");
  if (desk.out.json()) return desk.out.document(body);
  desk.out.line("The audit is whole: " + text_of(body, "verified") + " records, each chained to the one before, and " +
                text_of(body, "heads") + " signed heads in the store agree.");
  if (const std::string taken = text_of(body, "checkpoint"); !taken.empty())
    desk.out.line("Records up to " + taken + " were taken out, as a signed checkpoint says.");
  if (heads_.empty()) return;
  desk.out.line(text_of(body, "lines") + " of the heads that were kept elsewhere agree, " + text_of(body, "linesTooOld") +
                " are of before the checkpoint.");
}

}  // namespace postern::cli
