// SPDX-License-Identifier: Apache-2.0
// postern status: is the gate in place, and what did it do.
#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

void print_counts(const Printer& out, const json& counts) {
  std::vector<Row> rows;
  for (const json& count : counts)
    if (text_of(count, "packets") != "0")
      rows.push_back(
          {text_of(count, "name"), text_of(count, "verdict"), text_of(count, "packets"), text_of(count, "bytes")});
  out.table({"REASON", "VERDICT", "PACKETS", "BYTES"}, rows, "No packets were judged yet.");
}

void print_services(const Printer& out, const json& services) {
  std::vector<Row> rows;
  for (const json& service : services)
    rows.push_back({text_of(service, "address"), text_of(service, "port") + "/" + text_of(service, "protocol"),
                    text_of(service, "mode"), text_of(service, "droppedPackets"),
                    text_of(service, "wouldBeDroppedPackets"), text_of(service, "admittedConnections")});
  out.table({"SERVICE", "PORT", "MODE", "DROPPED", "WOULD BE DROPPED", "CONNECTIONS LET IN"}, rows,
            "No service is guarded.");
}

// What the events verb cannot show, because it was lost on the way.
void print_losses(const Printer& out, const json& tallies) {
  for (const json& tally : tallies) {
    const std::string name = text_of(tally, "name"), packets = text_of(tally, "packets");
    if (packets == "0") continue;
    if (name == "drop_events_lost") out.line("events lost " + packets + " drops were not told: their ring was full");
    if (name == "flow_events_lost") out.line("events lost " + packets + " flows were not told: their ring was full");
  }
}

void print_status(const Desk& desk) {
  const json status = desk.gate.get("/v1/status");
  if (desk.out.json()) return desk.out.document(status);
  const std::string instance = text_of(status, "instance");
  if (!instance.empty()) desk.out.line("instance    " + instance + " (ABI " + text_of(status, "abi") + ")");
  const std::string trouble = text_of(status, "notReady");
  desk.out.line("ready       " + text_of(status, "ready") + (trouble.empty() ? "" : ": " + trouble));
  const std::string interfaces = text_of(status, "interfaces");
  if (!instance.empty())
    desk.out.line("interfaces  " + (interfaces.empty() ? "none: nothing is attached, nothing is guarded" : interfaces));
  if (text_of(status, "unconfirmed") == "yes")
    desk.out.line("NOT CONFIRMED: the gate undoes itself soon; `postern-loader confirm` keeps it");
  if (const std::string count = text_of(status, "oneWayConnections"); !count.empty() && count != "0")
    desk.out.line("one way     answers to " + count + " connections leave past the gate: these end with their grants");
  for (const json& warning : status.value("warnings", json::array())) desk.out.line("WARNING     " + warning.get<std::string>());
  print_losses(desk.out, status.value("tallies", json::array()));
  desk.out.line("");
  print_counts(desk.out, status.value("reasons", json::array()));
  if (text_of(status, "ready") != "yes") return;
  desk.out.line("");
  print_services(desk.out, desk.gate.get("/v1/gate/services").value("services", json::array()));
}

}  // namespace

StatusVerb::StatusVerb(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("status", "Whether the gate is in place, and why packets passed or dropped");
  verb->callback([&chosen] { chosen = print_status; });
}

}  // namespace postern::cli
