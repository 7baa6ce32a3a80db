// SPDX-License-Identifier: Apache-2.0
// postern connect: what to dial for a machine, and whether the gate lets one in at the moment.
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

std::string grant_text(const json& port) {
  if (!port.contains("grant")) return "none";
  const std::string end = text_of(port["grant"], "endTimeUtc");
  return "until " + local_time(end) + " (" + time_left(end) + ") from " + text_of(port["grant"], "sources");
}

}  // namespace

ConnectVerb::ConnectVerb(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("connect", "What to dial for a machine's guarded ports, and which are open to you");
  verb->add_option("MACHINE", machine_, "Name or id")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { run(desk); }; });
}

void ConnectVerb::run(const Desk& desk) const {
  const json body = desk.gate.get("/v1/machines/" + encoded(machine_) + "/connection");
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  std::string closed;
  for (const json& port : body.value("ports", json::array())) {
    const std::string number = text_of(port, "number");
    if (!port.contains("grant")) closed += " --port " + number;
    std::string grant = grant_text(port);
    for (const json& endpoint : port.value("endpoints", json::array()))
      rows.push_back({number + "/" + text_of(endpoint, "protocol"),
                      dial_words(text_of(endpoint, "address"), text_of(endpoint, "port"), number), grant});
  }
  desk.out.table({"PORT", "DIAL", "YOUR GRANT"}, rows, "No policy guards a port of it: the gate is not in the way.");
  if (!closed.empty()) desk.out.line("→ postern request " + machine_ + closed + " --for 1h");
}

}  // namespace postern::cli
