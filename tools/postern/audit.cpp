// SPDX-License-Identifier: Apache-2.0
// postern audit: who was let in, when, by whose leave; and whether the record is whole.
#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

std::string last_segment(const std::string& id) {
  return id.substr(id.rfind('/') + 1);
}

}  // namespace

AuditVerbs::AuditVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group = app.add_subcommand("audit", "The record of every decision, newest first");
  group->add_option("--machine", machine_, "Only of this machine");
  group->add_option("--principal", principal_, "Only what this person or program did");
  group->add_option("--operation", operation_, "Only this operation, as access.initiate");
  group->add_option("--since", from_, "Not before this time (RFC 3339)");
  group->add_option("--before", to_, "Not after this time");
  group->add_option("--limit", limit_, "At most so many")->capture_default_str();
  CLI::App* check =
      group->add_subcommand("verify", "Check the hash chain: is a record changed, missing or out of order?");
  group->callback([this, &chosen, check] {
    if (!check->parsed()) chosen = [this](const Desk& desk) { list(desk); };
  });
  check->callback([this, &chosen] { chosen = [this](const Desk& desk) { verify(desk); }; });
}

void AuditVerbs::list(const Desk& desk) const {
  std::string target = "/v1/audit?limit=" + std::to_string(limit_);
  const auto filter = [&](const char* name, const std::string& value) {
    if (!value.empty()) target += std::string("&") + name + "=" + encoded(value);
  };
  filter("machine", machine_);
  filter("principal", principal_);
  filter("operation", operation_);
  filter("from", from_);
  filter("to", to_);
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

void AuditVerbs::verify(const Desk& desk) const {
  const json body = desk.gate.get("/v1/audit/verify");
  if (desk.out.json()) return desk.out.document(body);
  desk.out.line("The audit is whole: " + text_of(body, "verified") + " records, each chained to the one before.");
}

}  // namespace postern::cli
