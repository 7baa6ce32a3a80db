// SPDX-License-Identifier: Apache-2.0
// postern events: what the gate dropped, and which connections opened and closed.
#include <chrono>
#include <iostream>
#include <thread>

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

Row row_of(const json& event) {
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
  json page = desk.gate.get("/v1/gate/events?limit=" + std::to_string(limit_));
  if (desk.out.json() && !follow_) return desk.out.document(page);
  const Row heads = {"TIME", "EVENT", "FROM", "TO", "PROTOCOL", "WHAT"};
  std::vector<Row> rows;
  for (const json& event : page.value("events", json::array())) rows.push_back(row_of(event));
  if (!desk.out.json()) desk.out.table(heads, rows, "Nothing was told yet.");
  for (std::string last = text_of(page, "last"); follow_; last = text_of(page, "last")) {
    if (desk.out.json())
      for (const json& event : page.value("events", json::array())) desk.out.document(event);
    std::cout.flush();
    std::this_thread::sleep_for(std::chrono::seconds(1));
    page = desk.gate.get("/v1/gate/events?limit=1000&after=" + last);
    for (const json& event : page.value("events", json::array())) {
      std::string line;
      for (const std::string& cell : row_of(event)) line += (line.empty() ? "" : "  ") + cell;
      desk.out.line(line);
    }
  }
}

}  // namespace postern::cli
