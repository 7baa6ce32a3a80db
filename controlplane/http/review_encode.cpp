// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/review_encode.hpp"

#include "controlplane/http/csv.hpp"
#include "controlplane/http/own_encode.hpp"

namespace postern::http {
namespace {

std::string time_of(const std::optional<core::UtcTime>& time) {
  return time ? core::format_time(*time) : "";
}

void put(Json& json, const char* name, const std::optional<core::UtcTime>& time) {
  if (time) json[name] = core::format_time(*time);
}

Json encode(const core::ReviewedRight& right) {
  return Json{{"principal", right.principal}, {"by", right.by},       {"machine", right.machine_id},
              {"policy", right.policy},       {"ports", right.ports}, {"needNotAsk", right.need_not_ask}};
}

Json encode(const core::ReviewedUse& use) {
  Json json{{"requestor", use.requestor},
            {"machine", use.machine_id},
            {"requests", use.requests},
            {"refused", use.refused},
            {"grants", use.grants},
            {"usedGrants", use.used_grants},
            {"sessions", use.sessions},
            {"clientBytes", use.client_bytes},
            {"machineBytes", use.machine_bytes},
            {"longestGrant", core::format_duration(use.longest_grant)},
            {"longestSession", core::format_duration(use.longest_session)}};
  put(json, "lastGrantUtc", use.last);
  return json;
}

Json encode(const core::ReviewedGrant& grant) {
  return Json{{"serial", grant.serial},
              {"requestor", grant.requestor},
              {"machine", grant.machine_id},
              {"port", grant.port},
              {"startTimeUtc", core::format_time(grant.start)},
              {"endTimeUtc", core::format_time(grant.end)}};
}

Json encode(const core::ReviewedSession& session) {
  Json json{{"id", session.id}};
  if (session.grant != 0) json["grant"] = session.grant;
  if (!session.requestor.empty()) json["requestor"] = session.requestor;
  json["machine"] = session.machine_id;
  json["client"] = session.client;
  json["openedUtc"] = core::format_time(session.opened);
  put(json, "closedUtc", session.closed);
  return json;
}

Json encode(const core::ReviewedToken& reviewed) {
  Json json = encode_token(reviewed.token);
  put(json, "lastUsedUtc", reviewed.last_used);
  json["neverUsed"] = !reviewed.last_used;
  json["endless"] = !reviewed.token.expires;
  json["expired"] = reviewed.expired;
  return json;
}

template <class List, class Encode>
Json list_of(const List& list, Encode encode) {
  Json json = Json::array();
  for (const auto& element : list) json.push_back(encode(element));
  return json;
}

template <class List>
Json list_of(const List& list) {
  return list_of(list, [](const auto& element) { return encode(element); });
}

// One line of the table; what an element does not have stays empty.
struct Line {
  std::string about, who = {}, machine = {}, from = {}, until = {}, number = {}, count = {}, used = {}, sessions = {},
      client_bytes = {}, machine_bytes = {}, detail = {};
  std::string row() const {
    return csv_row({about, who, machine, from, until, number, count, used, sessions, client_bytes, machine_bytes, detail});
  }
};

std::string joined(const std::vector<std::uint16_t>& ports) {
  std::string text;
  for (const auto port : ports) text += (text.empty() ? "" : " ") + std::to_string(port);
  return text;
}

Line line(const std::string& about, const core::ReviewedGrant& grant) {
  return {.about = about,
          .who = grant.requestor,
          .machine = grant.machine_id,
          .from = core::format_time(grant.start),
          .until = core::format_time(grant.end),
          .number = std::to_string(grant.serial),
          .detail = "port " + std::to_string(grant.port)};
}

Line line(const core::ReviewedUse& use) {
  return {.about = "use",
          .who = use.requestor,
          .machine = use.machine_id,
          .until = time_of(use.last),
          .number = std::to_string(use.requests),
          .count = std::to_string(use.grants),
          .used = std::to_string(use.used_grants),
          .sessions = std::to_string(use.sessions),
          .client_bytes = std::to_string(use.client_bytes),
          .machine_bytes = std::to_string(use.machine_bytes),
          .detail = "refused " + std::to_string(use.refused) + ", longest grant " + core::format_duration(use.longest_grant) +
                    ", longest session " + core::format_duration(use.longest_session)};
}

Line line(const core::ReviewedToken& reviewed) {
  std::string detail = reviewed.token.id;
  for (const auto& assignment : reviewed.token.principal.assignments)
    detail += ", " + assignment.role + " over " + assignment.scope;
  if (!reviewed.token.expires) detail += ", without end";
  if (reviewed.expired) detail += ", expired";
  detail += reviewed.last_used ? ", last used " + core::format_time(*reviewed.last_used) : ", never used";
  return {.about = "token",
          .who = reviewed.token.principal.name,
          .from = core::format_time(reviewed.token.created),
          .until = time_of(reviewed.token.expires),
          .detail = detail};
}

}  // namespace

Json encode_review(const core::Review& review) {
  const core::ReviewFacts& facts = review.facts;
  return Json{{"fromUtc", core::format_time(review.from)},
              {"toUtc", core::format_time(review.to)},
              {"rights", list_of(review.rights)},
              {"rightsCut", review.rights_cut},
              {"uses", list_of(facts.uses)},
              {"unusedGrants", list_of(facts.unused)},
              {"unusedGrantsCount", facts.unused_count},
              {"longestGrants", list_of(facts.longest_grants)},
              {"longestSessions", list_of(facts.longest_sessions)},
              {"standing", list_of(review.standing, encode_standing)},
              {"breakGlass", list_of(facts.break_glass, encode_record)},
              {"breakGlassCount", facts.break_glass_count},
              {"tokens", list_of(review.tokens)}};
}

std::string review_csv(const core::Review& review) {
  const core::ReviewFacts& facts = review.facts;
  std::string text = csv_row({"about", "who", "machine", "fromUtc", "untilUtc", "numberOrRequests", "grants", "usedGrants",
                              "sessions", "clientBytes", "machineBytes", "detail"});
  text += Line{.about = "period", .from = core::format_time(review.from), .until = core::format_time(review.to)}.row();
  for (const auto& right : review.rights)
    text += Line{.about = "right",
                 .who = right.principal,
                 .machine = right.machine_id,
                 .detail = "ports " + joined(right.ports) + ", by " + right.by +
                           (right.need_not_ask ? ", may write the policy" : "")}
                .row();
  for (const auto& use : facts.uses) text += line(use).row();
  for (const auto& grant : facts.unused) text += line("unusedGrant", grant).row();
  for (const auto& grant : facts.longest_grants) text += line("longestGrant", grant).row();
  for (const auto& session : facts.longest_sessions)
    text += Line{.about = "longestSession",
                 .who = session.requestor,
                 .machine = session.machine_id,
                 .from = core::format_time(session.opened),
                 .until = time_of(session.closed),
                 .number = session.grant == 0 ? "" : std::to_string(session.grant),
                 .detail = "from " + session.client}
                .row();
  for (const auto& standing : review.standing) {
    std::string sources;
    for (const auto& source : standing.rule.standing) sources += (sources.empty() ? "" : " ") + core::to_string(source);
    text += Line{.about = "standing",
                 .machine = standing.machine_id,
                 .number = std::to_string(standing.rule.standing_serial),
                 .detail = "port " + std::to_string(standing.rule.number) + " from " + sources}
                .row();
  }
  for (const auto& record : facts.break_glass)
    text += Line{.about = "breakGlass",
                 .who = record.principal,
                 .machine = record.machines.empty() ? "" : record.machines.front(),
                 .from = core::format_time(record.time),
                 .number = std::to_string(record.sequence),
                 .detail = record.operation + " " + std::string(core::wire_name(record.outcome)) + ": " + record.detail}
                .row();
  for (const auto& token : review.tokens) text += line(token).row();
  return text;
}

}  // namespace postern::http
