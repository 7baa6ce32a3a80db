// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/own_encode.hpp"

#include "controlplane/http/machine_encode.hpp"

namespace postern::http {
namespace {

void put_unless_empty(Json& json, const char* name, const std::string& text) {
  if (!text.empty()) json[name] = text;
}

template <class List>
Json texts(const List& list) {
  Json json = Json::array();
  for (const auto& element : list) json.push_back(core::to_string(element));
  return json;
}

std::string_view state_name(std::string_view state) {
  return state == "not_configured" ? "notConfigured" : state;
}

std::string_view last_segment(std::string_view id) {
  return id.substr(id.rfind('/') + 1);
}

Json encode_counts(const std::vector<core::ReasonCount>& counts, bool with_verdict) {
  Json json = Json::array();
  for (const core::ReasonCount& count : counts) {
    Json& entry = json.emplace_back();
    entry["name"] = count.name;
    if (with_verdict) entry["verdict"] = count.pass ? "pass" : "drop";
    entry["packets"] = count.packets;
    entry["bytes"] = count.bytes;
  }
  return json;
}

}  // namespace

Json encode_machine(const core::MachineView& view) {
  const core::Machine& machine = view.machine;
  Json json;
  json["id"] = machine.id;
  json["name"] = machine.name;
  put_unless_empty(json, "os", machine.os);
  json["addresses"] = texts(machine.addresses);
  Json& forwards = json["forwards"] = Json::array();
  for (const core::Forward& forward : machine.forwards) {
    forwards.push_back(Json{{"address", core::to_string(forward.address)},
                            {"port", forward.port},
                            {"protocol", core::wire_name(forward.protocol)},
                            {"machinePort", forward.machine_port}});
  }
  if (!machine.excluded.empty()) json["excluded"] = Json{{"reason", machine.excluded}};
  json["state"] = state_name(view.state);
  if (view.recommended) json["recommended"] = true;
  put_unless_empty(json, "reason", view.reason);
  Json& policies = json["policies"] = Json::array();
  for (const core::PolicyId& id : view.policies) policies.push_back(id.path());
  Json& ports = json["ports"] = Json::array();
  for (const core::PortRule& rule : view.ports) {
    ports.push_back(Json{{"number", rule.number},
                         {"protocol", core::wire_name(rule.protocol)},
                         {"sources", texts(rule.sources)},
                         {"maxDuration", core::format_duration(rule.max_duration)},
                         {"ending", core::wire_name(rule.ending)}});
    if (!rule.standing.empty()) ports.back()["standingSources"] = texts(rule.standing);
    if (rule.max_session.count() != 0) ports.back()["maxSessionDuration"] = core::format_duration(rule.max_session);
    if (rule.justification != core::Justification::optional)
      ports.back()["justification"] = core::wire_name(rule.justification);
    if (rule.approval != core::Approval::automatic) ports.back()["approval"] = core::wire_name(rule.approval);
  }
  return json;
}

Json encode_grant(const core::Grant& grant, const core::Request& request) {
  Json json;
  json["serial"] = grant.serial;
  json["request"] = grant.request;
  json["policy"] = request.policy.path();
  json["machine"] = grant.machine_id;
  json["machineName"] = last_segment(grant.machine_id);
  json["port"] = grant.port;
  json["protocol"] = core::wire_name(grant.protocol);
  json["sources"] = texts(grant.sources);
  json["ending"] = core::wire_name(grant.ending);
  if (grant.max_session.count() != 0) json["maxSessionDuration"] = core::format_duration(grant.max_session);
  json["requestor"] = request.requestor;
  put_unless_empty(json, "justification", request.justification);
  json["startTimeUtc"] = core::format_time(grant.start);
  json["endTimeUtc"] = core::format_time(grant.end);
  if (grant.extended) json["extendedAtUtc"] = core::format_time(*grant.extended);
  json["state"] = core::wire_name(grant.state);
  if (grant.state != core::GrantState::ended) return json;
  json["endReason"] = core::wire_name(grant.end_reason);
  if (grant.ended_at) json["endedAtUtc"] = core::format_time(*grant.ended_at);
  put_unless_empty(json, "endedBy", grant.ended_by);
  return json;
}

Json encode_standing(const core::StandingRule& standing) {
  const core::PortRule& rule = standing.rule;
  return Json{{"serial", rule.standing_serial},
              {"policy", standing.policy.path()},
              {"machine", standing.machine_id},
              {"machineName", last_segment(standing.machine_id)},
              {"port", rule.number},
              {"protocol", core::wire_name(rule.protocol)},
              {"sources", texts(rule.standing)},
              {"ending", core::wire_name(rule.ending)}};
}

Json encode_explanation(const core::Explanation& told) {
  const core::Verdict& verdict = told.verdict;
  Json json{{"verdict", verdict.pass ? "pass" : "drop"},
            {"reason", verdict.reason},
            {"sentence", verdict.sentence},
            {"atUtc", core::format_time(told.at)},
            {"source", core::to_string(told.probe.source)},
            {"destination", core::to_string(told.probe.destination)},
            {"sourcePort", told.probe.source_port},
            {"port", told.probe.port},
            {"protocol", core::wire_name(told.probe.protocol)}};
  if (told.probe.protocol == core::Protocol::tcp) json["flags"] = told.probe.tcp_flags;
  put_unless_empty(json, "overruledBy", verdict.overruled_by);
  put_unless_empty(json, "overruledSentence", verdict.overruled_sentence);
  if (told.service) {
    json["service"] = Json{{"address", core::to_string(told.service->address)},
                           {"port", told.service->port},
                           {"protocol", core::wire_name(told.service->protocol)}};
    if (!told.machine_id.empty()) {
      json["service"]["machine"] = told.machine_id;
      json["service"]["machineName"] = last_segment(told.machine_id);
      json["service"]["machinePort"] = told.machine_port;
    }
    Json& policies = json["policies"] = Json::array();
    for (const core::Policy* policy : told.policies)
      policies.push_back(Json{{"id", policy->id.path()}, {"mode", core::wire_name(policy->mode)}});
  }
  if (told.grant) json["grant"] = encode_grant(told.grant->grant, told.grant->request);
  if (told.standing) json["standing"] = encode_standing(*told.standing);
  put_unless_empty(json, "hint", told.hint);
  return json;
}

Json encode_request(const core::RequestView& view) {
  Json json;
  json["id"] = view.request.id;
  json["policy"] = view.request.policy.path();
  json["requestor"] = view.request.requestor;
  put_unless_empty(json, "justification", view.request.justification);
  json["startTimeUtc"] = core::format_time(view.request.start);
  json["state"] = core::wire_name(core::state_of(view));
  if (view.request.answer_by) json["answerByUtc"] = core::format_time(*view.request.answer_by);
  put_unless_empty(json, "answeredBy", view.request.answered_by);
  put_unless_empty(json, "answerReason", view.request.answer_reason);
  Json& grants = json["grants"] = Json::array();
  for (const core::Grant& grant : view.grants) {
    Json& json_grant = grants.emplace_back(encode_grant(grant, view.request));
    if (const auto found = view.endpoints.find(grant.serial); found != view.endpoints.end())
      json_grant["endpoints"] = encode_endpoints(found->second);
  }
  if (view.break_glass) json["breakGlass"] = true;
  return json;
}

Json encode_grant(const core::GrantView& view) {
  Json json = encode_grant(view.grant, view.request);
  if (view.break_glass) json["breakGlass"] = true;
  if (!view.usage) return json;
  json["admitted"] = view.usage->admitted;
  json["established"] = view.usage->established;
  if (view.usage->last_admitted) json["lastAdmittedUtc"] = core::format_time(*view.usage->last_admitted);
  return json;
}

namespace {

Json encode_others(const std::vector<core::CutReach::Other>& others) {
  Json list = Json::array();
  for (const auto& other : others) {
    Json& json = list.emplace_back(Json{{"serial", other.serial}});
    put_unless_empty(json, "requestor", other.requestor);
  }
  return list;
}

}  // namespace

Json encode_revoked(const core::GrantView& view) {
  Json json = encode_grant(view.grant, view.request);
  if (!view.cut) return json;
  json["cut"] = {{"grants", view.cut->grants},
                 {"forgotten", view.cut->forgotten},
                 {"enforced", view.cut->enforced},
                 {"coveredBy", encode_others(view.cut->covered_by)},
                 {"mayInclude", encode_others(view.cut->may_include)},
                 {"notReached", {"adopted", "learned", "machineOpened"}}};
  return json;
}

Json encode_service_count(const core::ServiceCount& count) {
  return Json{{"address", core::to_string(count.key.address)},
              {"port", count.key.port},
              {"protocol", core::wire_name(count.key.protocol)},
              {"mode", count.enforce ? "enforce" : "monitor"},
              {"droppedPackets", count.dropped},
              {"wouldBeDroppedPackets", count.would_be_dropped},
              {"admittedConnections", count.admitted}};
}

namespace {

void put_end(Json& json, const char* address, const char* port, const core::PacketEnd& end) {
  if (end.address) json[address] = core::to_string(*end.address);
  if (end.port != 0) json[port] = end.port;
}

std::string protocol_name(std::uint8_t protocol) {
  const auto known = static_cast<core::Protocol>(protocol);
  if (known == core::Protocol::tcp || known == core::Protocol::udp) return std::string(core::wire_name(known));
  return std::to_string(protocol);
}

void encode_into(Json& json, const core::DropEvent& event) {
  json["kind"] = "drop";
  json["reason"] = event.reason;
  json["dropped"] = event.passed_as.empty();
  put_unless_empty(json, "passedAs", event.passed_as);
  put_end(json, "source", "sourcePort", event.source);
  put_end(json, "destination", "destinationPort", event.destination);
  json["protocol"] = protocol_name(event.protocol);
  put_unless_empty(json, "interface", event.interface);
}

void encode_into(Json& json, const core::FlowEvent& event) {
  using Kind = core::FlowEvent::Kind;
  json["kind"] = event.kind == Kind::opened ? "flow.opened" : event.kind == Kind::closed ? "flow.closed" : "flow.moved";
  put_unless_empty(json, "end", event.end);
  put_end(json, "client", "clientPort", event.client);
  put_end(json, "machine", "machinePort", event.machine);
  json["protocol"] = protocol_name(event.protocol);
  if (event.grant != 0) json["grant"] = event.grant;
  if (event.previous_grant != 0) json["previousGrant"] = event.previous_grant;
  json["clientPackets"] = event.client_packets;
  json["clientBytes"] = event.client_bytes;
  json["machinePackets"] = event.machine_packets;
  json["machineBytes"] = event.machine_bytes;
  if (event.picked_up) json["pickedUp"] = true;
  if (event.machine_opened) json["machineOpened"] = true;
  if (event.adopted) json["adopted"] = true;
}

}  // namespace

Json encode_event(const core::EventView& view) {
  Json json{{"sequence", view.event.sequence}, {"timeUtc", core::format_time(view.time)}};
  if (const auto* told = std::get_if<core::GrantEvent>(&view.event.event)) {
    json["kind"] = told->kind;
    json["grant"] = told->grant.serial;
    json["access"] = encode_grant(told->grant, told->request);
  } else if (const auto* flow = std::get_if<core::FlowEvent>(&view.event.event)) {
    encode_into(json, *flow);
    json["openedUtc"] = core::format_time(view.opened);
  } else {
    encode_into(json, std::get<core::DropEvent>(view.event.event));
  }
  return json;
}

Json encode_events(const core::EventPage& page) {
  Json json{{"last", page.last},
            {"totals", Json{{"drops", page.totals.drops},
                            {"opened", page.totals.opened},
                            {"closed", page.totals.closed},
                            {"moved", page.totals.moved}}},
            {"events", Json::array()}};
  for (const core::EventView& view : page.events) json["events"].push_back(encode_event(view));
  return json;
}

Json encode_token(const core::Token& token) {
  Json json;
  json["id"] = token.id;
  json["principal"] = token.principal.name;
  Json& assignments = json["assignments"] = Json::array();
  for (const core::Assignment& assignment : token.principal.assignments)
    assignments.push_back(Json{{"role", assignment.role}, {"scope", assignment.scope}});
  json["createdUtc"] = core::format_time(token.created);
  if (token.expires) json["expiresUtc"] = core::format_time(*token.expires);
  return json;
}

Json encode_role(const core::RoleView& view) {
  return Json{{"name", view.role.name},
              {"builtIn", view.built_in},
              {"actions", view.role.actions},
              {"notActions", view.role.not_actions}};
}

Json encode_status(const core::GateStatus& status) {
  Json json;
  json["instance"] = status.instance;
  json["abi"] = status.abi;
  json["interfaces"] = status.interfaces;
  json["unconfirmed"] = status.unconfirmed_until.has_value();
  json["oneWayConnections"] = status.one_way_connections;
  json["grants"] = status.grants;
  json["warnings"] = status.warnings;
  json["reasons"] = encode_counts(status.reasons, true);
  json["tallies"] = encode_counts(status.tallies, false);
  return json;
}

Json encode_record(const core::AuditRecord& record) {
  Json json;
  json["sequence"] = record.sequence;
  json["timeUtc"] = core::format_time(record.time);
  json["operation"] = record.operation;
  json["outcome"] = core::wire_name(record.outcome);
  json["principal"] = record.principal;
  put_unless_empty(json, "source", record.source);
  put_unless_empty(json, "requestId", record.request_id);
  put_unless_empty(json, "clientRequestId", record.client_request_id);
  put_unless_empty(json, "policy", record.policy);
  json["machines"] = record.machines;
  json["grants"] = record.grants;
  put_unless_empty(json, "code", record.code);
  put_unless_empty(json, "detail", record.detail);
  return json;
}

}  // namespace postern::http
