// SPDX-License-Identifier: Apache-2.0
// postern sessions: who was in, from where, when, how many bytes, and under which grant.
#include <iostream>

#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

std::string client_of(const json& flow) {
  const std::string host = text_of(flow, "client");
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + text_of(flow, "clientPort");
}

std::string machine_of(const json& flow) {
  const std::string name = text_of(flow, "machineName");
  return (name.empty() ? text_of(flow, "machineAddress") : name) + ":" + text_of(flow, "machinePort");
}

std::string leave_of(const json& flow) {
  if (const std::string grant = text_of(flow, "grant"); !grant.empty())
    return (flow.value("standing", false) ? "standing " : "grant ") + grant;
  const std::string origin = text_of(flow, "origin");
  return origin == "machineOpened" ? "by the machine" : origin == "adopted" ? "was open before" : "none";
}

}  // namespace

SessionsVerb::SessionsVerb(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("sessions", "Who was in, from where, when, and how many bytes; newest first");
  verb->add_option("--machine", machine_, "Only to this machine");
  verb->add_option("--principal", principal_, "Only under this person's grants");
  verb->add_option("--grant", grant_, "Only under this grant");
  verb->add_option("--since", from_, "That were open at this time or later (RFC 3339)");
  verb->add_option("--before", to_, "That began before this time");
  verb->add_flag("--open", open_, "Only those that are open");
  verb->add_option("--limit", limit_, "At most so many (50 in a table; an export has all)");
  CLI::Option* csv = verb->add_flag("--csv", csv_, "All of them as CSV, which spreadsheets may open without harm");
  verb->add_flag("--jsonl", json_lines_, "All of them as JSON, one a line")->excludes(csv);
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { run(desk); }; });
}

void SessionsVerb::run(const Desk& desk) const {
  const bool exported = csv_ || json_lines_;
  std::string target = std::string("/v1/audit/flows?format=") + (csv_ ? "csv" : json_lines_ ? "jsonl" : "json");
  if (limit_ != 0 || !exported) target += "&limit=" + std::to_string(limit_ != 0 ? limit_ : 50);
  if (grant_ != 0) target += "&grant=" + std::to_string(grant_);
  if (open_) target += "&open=true";
  const auto filter = [&](const char* name, const std::string& value) {
    if (!value.empty()) target += std::string("&") + name + "=" + encoded(value);
  };
  filter("machine", machine_);
  filter("principal", principal_);
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
  for (const json& flow : body.value("flows", json::array())) {
    const std::string closed = text_of(flow, "closedUtc");
    rows.push_back({local_time(text_of(flow, "openedUtc")), closed.empty() ? "open" : local_time(closed),
                    text_of(flow, "requestor"), client_of(flow), machine_of(flow), leave_of(flow),
                    text_of(flow, "clientBytes"), text_of(flow, "machineBytes"), text_of(flow, "end")});
  }
  desk.out.table({"OPENED", "CLOSED", "WHO", "FROM", "TO", "LEAVE", "BYTES IN", "BYTES OUT", "END"}, rows,
                 "No sessions.");
}

}  // namespace postern::cli
