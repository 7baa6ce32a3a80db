// SPDX-License-Identifier: Apache-2.0
// postern requests, approve, deny: what somebody else must agree to.
#include "tools/postern/verbs.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

std::string asked_text(const json& request) {
  std::string text;
  for (const json& grant : request.value("grants", json::array())) {
    text += (text.empty() ? "" : "; ") + text_of(grant, "machineName") + " " + text_of(grant, "port") + "/" +
            text_of(grant, "protocol") + " to " + text_of(grant, "sources") + " until " +
            local_time(text_of(grant, "endTimeUtc"));
  }
  return text;
}

std::string state_text(const json& request) {
  const std::string who = text_of(request, "answeredBy"), reason = text_of(request, "answerReason");
  const std::string until = text_of(request, "answerByUtc");
  std::string text = text_of(request, "state");
  if (text == "pending") return text + " (" + time_left(until) + ")";
  if (!who.empty()) text += ", answered by " + who;
  return text + (reason.empty() ? "" : ": " + reason);
}

}  // namespace

AnswerVerbs::AnswerVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* verb = app.add_subcommand("requests", "Requests that wait for somebody to agree");
  verb->add_flag("--all", all_, "The others too");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { list(desk); }; });

  verb = app.add_subcommand("approve", "Agree to requests of others. A duration counts from now");
  verb->add_option("REQUEST", ids_, "Numbers that `postern requests` shows")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { answer(desk, true); }; });

  verb = app.add_subcommand("deny", "Refuse requests of others");
  verb->add_option("REQUEST", ids_, "Numbers that `postern requests` shows")->required();
  verb->add_option("--because", because_, "Reason, which the requestor sees");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { answer(desk, false); }; });
}

void AnswerVerbs::list(const Desk& desk) const {
  const json body = desk.gate.get(all_ ? "/v1/requests" : "/v1/requests?state=pending");
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  for (const json& request : body.value("requests", json::array()))
    rows.push_back({text_of(request, "id"), local_time(text_of(request, "startTimeUtc")), text_of(request, "requestor"),
                    state_text(request), asked_text(request), text_of(request, "justification")});
  desk.out.table({"REQUEST", "ASKED", "BY", "STATE", "FOR", "BECAUSE"}, rows,
                 all_ ? "There were no requests." : "No requests wait for an answer.");
}

void AnswerVerbs::answer(const Desk& desk, bool approve) const {
  for (const std::string& id : ids_) {
    if (id.empty() || id.find_first_not_of("0123456789") != std::string::npos)
      throw Failure(Exit::usage, "\"" + id + "\" is no request's number; `postern requests` shows them");
  }
  json answered = json::array();
  json wish = json::object();
  if (!because_.empty()) wish["reason"] = because_;
  for (const std::string& id : ids_) {
    const Answer answer = desk.gate.call("POST", "/v1/requests/" + id + (approve ? "/approve" : "/deny"), approve ? nullptr : &wish);
    answered.push_back(answer.body);
    desk.out.line("Request " + id + " is " + (approve ? "approved: " + asked_text(answer.body) : std::string("denied")) + ".");
  }
  if (desk.out.json()) desk.out.document({{"requests", answered}});
}

}  // namespace postern::cli
