// SPDX-License-Identifier: Apache-2.0
// postern grants, postern revoke, postern extend: who may come in right now, shutting it again, and leaving it open longer.
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

json grants_of(const Desk& desk, const std::string& machine, bool all) {
  std::string target = "/v1/grants?limit=10000";
  if (!machine.empty()) target += "&machine=" + encoded(machine);
  if (all) target += "&all=true";
  json listed = desk.gate.get(target);
  for (std::string next = text_of(listed, "next"); !next.empty();) {
    const json page = desk.gate.get(target + "&after=" + next);
    listed["grants"].insert(listed["grants"].end(), page["grants"].begin(), page["grants"].end());
    next = text_of(page, "next");
  }
  listed.erase("next");
  return listed;
}

std::string state_text(const json& grant) {
  const std::string reason = text_of(grant, "endReason");
  const std::string who = text_of(grant, "endedBy");
  if (text_of(grant, "state") == "scheduled") return "scheduled for " + local_time(text_of(grant, "startTimeUtc"));
  const std::string mark = grant.value("breakGlass", false) ? " (break-glass)" : "";
  return text_of(grant, "state") + mark + (reason.empty() ? "" : ": " + reason) + (who.empty() ? "" : " by " + who);
}

std::string use_text(const json& grant) {
  const std::string times = text_of(grant, "admitted"), last = text_of(grant, "lastAdmittedUtc");
  if (times.empty()) return "";
  return last.empty() ? "never" : times + (times == "1" ? " time, last " : " times, last ") + local_time(last);
}

std::string others_text(const json& others) {
  std::string text;
  for (const json& other : others) {
    const std::string who = text_of(other, "requestor");
    text += (text.empty() ? "" : ", ") + text_of(other, "serial") + " (" + (who.empty() ? "standing" : who) + ")";
  }
  return text;
}

// Whose sessions a cut met.
std::string cut_text(const json& cut) {
  if (!cut.is_object()) return "";
  const std::string grants = text_of(cut, "grants"), forgotten = text_of(cut, "forgotten");
  std::string text = grants.empty() ? "" : " Open sessions of " + grants + " are cut.";
  if (!cut.value("enforced", true)) text += " No policy enforces the port everywhere: there they live on.";
  if (!forgotten.empty())
    text += " The gate has forgotten " + forgotten + ": sessions of it that are open cannot be cut.";
  const std::string covered = others_text(cut.value("coveredBy", json::array()));
  const std::string besides = others_text(cut.value("mayInclude", json::array()));
  if (!covered.empty()) text += " They live on where covered by " + covered + ".";
  if (!besides.empty())
    text += " From the same sources, some of " + besides + " may be among them; others of those live on.";
  text += " Sessions that have no grant (open before the port was enforced or the gate attached) are not reached.";
  return text;
}

void check_serial(const std::string& serial) {
  if (serial.empty() || serial.find_first_not_of("0123456789") != std::string::npos)
    throw Failure(Exit::usage, "\"" + serial + "\" is no grant's number; `postern grants` shows them");
}

}  // namespace

GrantVerbs::GrantVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("grants", "Who may come in now");
  verb->add_option("--machine", machine_, "Only of this machine");
  verb->add_flag("--all", all_, "Ended ones too");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { list(desk); }; });

  verb =
      app.add_subcommand("revoke", "End grants now. Open sessions live on, unless their rule ends them with the grant");
  CLI::Option* serials = verb->add_option("SERIAL", serials_, "Numbers that `postern grants` shows");
  CLI::Option* machine = verb->add_option("--machine", machine_, "All live grants of this machine");
  serials->excludes(machine);
  CLI::Option* cut = verb->add_flag("--cut", cut_, "Open sessions that came in by the grant end too, also if it is over already");
  verb->add_flag("--drain", drain_, "Open sessions live on, whatever the rule says")->excludes(cut);
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { revoke(desk); }; });

  verb = app.add_subcommand("extend", "Give a running grant more time: postern extend 7 --for 1h. Open sessions notice nothing");
  verb->add_option("SERIAL", serial_, "Number that `postern grants` shows")->required();
  CLI::Option* duration = verb->add_option("--for", duration_, "How long from now: 90m, 1h30m, PT1H");
  verb->add_option("--until", until_, "Until when, UTC unless it has a zone: 2030-01-02T03:04:05+01:00")->excludes(duration);
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { extend(desk); }; });
}

void GrantVerbs::list(const Desk& desk) const {
  const json body = grants_of(desk, machine_, all_);
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  for (const json& grant : body.value("grants", json::array())) {
    const std::string end = text_of(grant, "endTimeUtc");
    rows.push_back({text_of(grant, "serial"), text_of(grant, "machineName"),
                    text_of(grant, "port") + "/" + text_of(grant, "protocol"), text_of(grant, "sources"),
                    text_of(grant, "requestor"), local_time(end) + " (" + time_left(end) + ")", state_text(grant),
                    use_text(grant), text_of(grant, "justification")});
  }
  desk.out.table({"GRANT", "MACHINE", "PORT", "OPEN TO", "ASKED BY", "UNTIL", "STATE", "USED", "BECAUSE"}, rows,
                 all_ ? "There were no grants." : "No live grants.");
  rows.clear();
  for (const json& rule : body.value("standing", json::array()))
    rows.push_back({text_of(rule, "serial"), text_of(rule, "machineName"),
                    text_of(rule, "port") + "/" + text_of(rule, "protocol"), text_of(rule, "sources"),
                    text_of(rule, "policy")});
  if (rows.empty()) return;
  desk.out.line("");
  desk.out.table({"STANDING", "MACHINE", "PORT", "OPEN TO", "BY POLICY"}, rows, "");
}

void GrantVerbs::revoke(const Desk& desk) const {
  std::vector<std::string> serials = serials_;
  if (serials.empty() && machine_.empty()) throw Failure(Exit::usage, "say which: SERIAL… or --machine NAME");
  if (!machine_.empty())
    for (const json& grant : grants_of(desk, machine_, false).value("grants", json::array()))
      serials.push_back(text_of(grant, "serial"));
  json revoked = json::array();
  for (const std::string& serial : serials) check_serial(serial);
  json wish;
  if (cut_ || drain_) wish["ending"] = cut_ ? "cut" : "drain";
  for (const std::string& serial : serials) {
    const Answer answer = desk.gate.call("POST", "/v1/grants/" + serial + "/revoke", wish.empty() ? nullptr : &wish);
    revoked.push_back(answer.body);
    std::string text = "Grant " + serial + " is over." + cut_text(answer.body.value("cut", json()));
    if (drain_ && text_of(answer.body, "ending") == "cut") text += " It ended by cut, and what was cut stays cut.";
    desk.out.line(text);
  }
  if (serials.empty()) desk.out.line("No live grants of " + machine_ + ".");
  if (desk.out.json()) desk.out.document({{"grants", revoked}});
}

void GrantVerbs::extend(const Desk& desk) const {
  check_serial(serial_);
  if (duration_.empty() && until_.empty())
    throw Failure(Exit::usage, "say how long from now: --for 1h, or --until 2030-01-02T03:04:05Z");
  const json wish = duration_.empty() ? json{{"endTimeUtc", until_}} : json{{"duration", iso_duration(duration_)}};
  const Answer answer = desk.gate.call("POST", "/v1/grants/" + serial_ + "/extend", &wish);
  if (desk.out.json()) return desk.out.document(answer.body);
  const std::string end = text_of(answer.body, "endTimeUtc");
  desk.out.line("Grant " + serial_ + " runs until " + local_time(end) + " (" + time_left(end) + ").");
}

}  // namespace postern::cli
