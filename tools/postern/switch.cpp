// SPDX-License-Identifier: Apache-2.0
// postern switch: everything, or a subscription, only monitors until it is switched on again.
#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

void list(const Desk& desk) {
  const json body = desk.gate.get("/v1/switches");
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  for (const json& each : body.value("switches", json::array()))
    rows.push_back({text_of(each, "name"), text_of(each, "enforcing") == "yes" ? "on" : "OFF", text_of(each, "by"),
                    local_time(text_of(each, "sinceUtc")), text_of(each, "reason")});
  desk.out.table({"SWITCH", "STATE", "BY", "SINCE", "REASON"}, rows, "");
}

}  // namespace

SwitchVerbs::SwitchVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group = app.add_subcommand("switch", "In an emergency: off lets everything pass and counts it, on enforces again; list")
                        ->require_subcommand(1);

  CLI::App* verb = group->add_subcommand(
      "off", "All policies, or those of a subscription, only monitor: every guarded port of theirs is OPEN TO EVERYBODY.\n"
             "Policies and grants stay as they are");
  verb->add_option("--subscription", subscription_, "Only this subscription; all of them if left out");
  verb->add_option("--because", because_, "Why; the audit and every status show it")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { turn(desk, false); }; });

  verb = group->add_subcommand("on", "Policies do again what their mode says");
  verb->add_option("--subscription", subscription_, "Only this subscription's switch; the global one if left out");
  verb->add_option("--because", because_, "Why");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { turn(desk, true); }; });

  verb = group->add_subcommand("list", "The switches, who turned them, and why");
  verb->callback([&chosen] { chosen = list; });
}

void SwitchVerbs::turn(const Desk& desk, bool on) const {
  json body = {{"enforcing", on}};
  if (!because_.empty()) body["reason"] = because_;
  const Answer answer = desk.gate.call("PUT", "/v1/switches/" + encoded(subscription_.empty() ? "global" : subscription_), &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  const std::string whose = subscription_.empty() ? "All policies" : "The policies of subscription " + subscription_;
  desk.out.line(whose + (on ? " enforce again, but for those that another switch or their mode only lets monitor."
                            : " only monitor from now on: NOTHING OF THEIRS IS SHUT. `postern switch on` ends that."));
}

}  // namespace postern::cli
