// SPDX-License-Identifier: Apache-2.0
// postern break-glass: armed by an admin for somebody else, used when nothing else helps, reviewed by a third.
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

void check_number(const std::string& word) {
  if (word.empty() || word.find_first_not_of("0123456789") != std::string::npos)
    throw Failure(Exit::usage, "\"" + word + "\" is no number; `postern break-glass list` shows them");
}

std::string review_text(const json& use) {
  const std::string by = text_of(use, "reviewedBy"), note = text_of(use, "note");
  return by.empty() ? "not reviewed" : by + (note.empty() ? "" : ": " + note);
}

}  // namespace

BreakGlassVerbs::BreakGlassVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group = app.add_subcommand("break-glass", "Getting in past the rules: arm, use, list, review, disarm")->require_subcommand(1);

  CLI::App* verb = group->add_subcommand("arm", "Arm somebody else, for a time: each use is audited, alarmed and to be reviewed");
  verb->add_option("WHO", principal_, "Name that his requests show")->required();
  verb->add_option("--for", duration_, "How long he is armed: 12h, 7d at most")->required();
  verb->add_option("--because", because_, "Why, for the audit")->required();
  verb->add_option("--scope", scope_, "Resource id it is limited to; everything if left out");
  verb->add_option("--longest", longest_, "Longest grant: 8h at most; 1h if left out");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { arm(desk); }; });

  verb = group->add_subcommand("use", "Get in: postern break-glass use vm1 --port 22 --for 30m --because \"…\"");
  wish_.declare(*verb);
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { wish_.run(desk, true); }; });

  verb = group->add_subcommand("list", "Who is and was armed, and what was done with it");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { list(desk); }; });

  verb = group->add_subcommand("review", "Say that a use was looked at; not by who did it");
  verb->add_option("REQUEST", number_, "Number that `postern break-glass list` shows")->required();
  verb->add_option("--note", because_, "What was found");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { review(desk); }; });

  verb = group->add_subcommand("disarm", "Nothing new opens by it; grants that run end at their time");
  verb->add_option("ID", number_, "Number that `postern break-glass list` shows")->required();
  verb->add_flag("--cut", cut_, "End what was opened by it now, open sessions too");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { disarm(desk); }; });
}

void BreakGlassVerbs::arm(const Desk& desk) const {
  json body = {{"principal", principal_}, {"duration", iso_duration(duration_)}, {"reason", because_}};
  if (!scope_.empty()) body["scope"] = scope_;
  if (!longest_.empty()) body["maxGrantDuration"] = iso_duration(longest_);
  const Answer answer = desk.gate.call("POST", "/v1/breakglass", &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Break-glass " + text_of(answer.body, "id") + " is armed for " + principal_ + " until " +
                local_time(text_of(answer.body, "endTimeUtc")) + ".");
}

void BreakGlassVerbs::list(const Desk& desk) const {
  const json body = desk.gate.get("/v1/breakglass");
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> armed, uses;
  for (const json& each : body.value("breakGlass", json::array())) {
    armed.push_back({text_of(each, "id"), text_of(each, "principal"), text_of(each, "state"), text_of(each, "scope"),
                     local_time(text_of(each, "endTimeUtc")), text_of(each, "armedBy"), text_of(each, "reason")});
    for (const json& use : each.value("uses", json::array()))
      uses.push_back({text_of(use, "request"), text_of(each, "id"), text_of(use, "principal"),
                      local_time(text_of(use, "timeUtc")), review_text(use), text_of(use, "detail")});
  }
  desk.out.table({"ID", "WHO", "STATE", "WHERE", "UNTIL", "ARMED BY", "BECAUSE"}, armed, "Nobody was armed.");
  if (uses.empty()) return;
  desk.out.line("");
  desk.out.table({"REQUEST", "ID", "WHO", "WHEN", "REVIEW", "WHAT"}, uses, "");
}

void BreakGlassVerbs::review(const Desk& desk) const {
  check_number(number_);
  json body = json::object();
  if (!because_.empty()) body["note"] = because_;
  const Answer answer = desk.gate.call("POST", "/v1/breakglass/uses/" + number_ + "/review", &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("The use of break-glass in request " + number_ + " is reviewed.");
}

void BreakGlassVerbs::disarm(const Desk& desk) const {
  check_number(number_);
  const Answer answer = desk.gate.call("DELETE", "/v1/breakglass/" + number_ + (cut_ ? "?cut=true" : ""));
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Break-glass " + number_ + " is disarmed." + (cut_ ? " What was opened by it is cut." : ""));
}

}  // namespace postern::cli
