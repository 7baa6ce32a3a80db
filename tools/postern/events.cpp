// SPDX-License-Identifier: Apache-2.0
// postern events: what the gate dropped, which connections opened and closed, what became of grants.
#include <chrono>
#include <iostream>
#include <thread>

#include "tools/postern/failure.hpp"
#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

std::string end_text(const json& event, const char* address, const char* port) {
  const std::string host = text_of(event, address), number = text_of(event, port);
  if (host.empty()) return "?";
  if (number.empty()) return host;
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + number;
}

std::string what_happened(const json& event) {
  if (text_of(event, "kind") == "drop") {
    const std::string passed = text_of(event, "passedAs");
    return text_of(event, "reason") + (passed.empty() ? "" : ", passed: " + passed);
  }
  const std::string end = text_of(event, "end");
  const std::string grant = text_of(event, "grant"), before = text_of(event, "previousGrant");
  return (grant.empty() ? "no grant" : "grant " + grant) + (before.empty() ? "" : ", before " + before) +
         (end.empty() ? "" : ", " + end + " after " + text_of(event, "clientBytes") + " bytes in, " +
                                 text_of(event, "machineBytes") + " out");
}

Row row_of_grant(const json& event) {
  const json& access = event["access"];
  std::string sources;
  for (const json& source : access.value("sources", json::array())) sources += (sources.empty() ? "" : ", ") + source.get<std::string>();
  const bool ended = text_of(event, "kind") == "grant.ended";
  return {local_time(text_of(event, "timeUtc")), text_of(event, "kind"), sources,
          text_of(access, "machineName") + ":" + text_of(access, "port"), text_of(access, "protocol"),
          "grant " + text_of(event, "grant") + " of " + text_of(access, "requestor") +
              (ended ? ", " + text_of(access, "endReason") : " until " + local_time(text_of(access, "endTimeUtc")))};
}

Row row_of(const json& event) {
  if (event.contains("access")) return row_of_grant(event);
  const bool drop = text_of(event, "kind") == "drop";
  return {local_time(text_of(event, "timeUtc")), text_of(event, "kind"),
          drop ? end_text(event, "source", "sourcePort") : end_text(event, "client", "clientPort"),
          drop ? end_text(event, "destination", "destinationPort") : end_text(event, "machine", "machinePort"),
          text_of(event, "protocol"), what_happened(event)};
}

}  // namespace

EventsVerb::EventsVerb(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("events", "What was dropped, and which connections opened and closed, just now");
  verb->add_option("--limit", limit_, "At most so many to begin with")->capture_default_str();
  verb->add_flag("--follow", follow_, "Go on telling, until interrupted");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { run(desk); }; });
}

void EventsVerb::run(const Desk& desk) const {
  json page = {{"events", json::array()}};
  try {
    page = desk.gate.get("/v1/gate/events?limit=" + std::to_string(limit_));
  } catch (const Failure& failure) {
    // Who may not read the gate may still follow what becomes of grants.
    if (!follow_ || failure.exit != Exit::not_allowed) throw;
  }
  if (desk.out.json() && !follow_) return desk.out.document(page);
  std::vector<Row> rows;
  for (const json& event : page["events"]) {
    rows.push_back(row_of(event));
    if (desk.out.json()) desk.out.document(event);
  }
  if (!desk.out.json()) desk.out.table({"TIME", "EVENT", "FROM", "TO", "PROTOCOL", "WHAT"}, rows, "Nothing was told yet.");
  if (follow_) follow(desk, text_of(page, "last"));
}

void EventsVerb::follow(const Desk& desk, const std::string& after) const {
  std::string last_id;
  const auto tell = [&](const ServerEvent& told) {
    if (!told.id.empty()) last_id = told.id;
    json event = json::parse(told.data, nullptr, false);
    if (!event.is_object()) return;
    if (desk.out.json()) {
      if (!event.contains("kind")) event["kind"] = told.name;
      desk.out.document(event);
    } else if (event.contains("kind")) {
      std::string line;
      for (const std::string& cell : row_of(event)) line += (line.empty() ? "" : "  ") + cell;
      desk.out.line(line);
    } else {
      desk.out.line(told.name == "lost" ? "(" + text_of(event, "lost") + " events were too many to be kept and are lost)"
                                        : "(posternd was started anew)");
    }
    std::cout.flush();
  };
  std::cout.flush();
  for (;;) {  // a stream that ends is begun anew where it ended; if posternd is gone, that fails
    desk.gate.stream("/v1/events/stream" + (after.empty() ? "" : "?after=" + after), last_id, tell);
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
}

}  // namespace postern::cli
