// SPDX-License-Identifier: Apache-2.0
// postern exposure: what answers from outside although no policy guards it.
#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

void print_exposure(const Desk& desk) {
  const json body = desk.gate.get("/v1/exposure");
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  std::string names;
  for (const json& each : body.value("exposure", json::array())) {
    const std::string name = text_of(each, "machineName");
    if (!name.empty()) names += " " + name;
    for (const json& service : each.value("services", json::array())) {
      std::string sources;
      for (const json& source : service.value("sources", json::array()))
        sources += (sources.empty() ? "" : ", ") + text_of(source, "address");
      rows.push_back({text_of(service, "severity"), name.empty() ? "(not registered)" : name, text_of(service, "address"),
                      text_of(service, "port"), text_of(service, "answers"), local_time(text_of(service, "firstUtc")),
                      local_time(text_of(service, "lastUtc")), sources});
    }
  }
  desk.out.table({"SEVERITY", "MACHINE", "ADDRESS", "PORT", "ANSWERS", "FIRST", "LAST", "TO"}, rows,
                 "Nothing was seen answering that no policy guards.");
  if (!names.empty()) desk.out.line("→ postern policy enable --recommended" + names);
}

}  // namespace

ExposureVerb::ExposureVerb(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("exposure", "Management ports that were seen answering although no policy guards them");
  verb->callback([&chosen] { chosen = print_exposure; });
}

}  // namespace postern::cli
