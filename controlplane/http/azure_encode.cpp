// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/azure_encode.hpp"

namespace postern::http {
namespace {

void put_sources(Json& json, const std::vector<core::Source>& sources) {
  if (sources.size() == 1) {
    json["allowedSourceAddressPrefix"] = core::to_string(sources.front());
    return;
  }
  Json& list = json["allowedSourceAddressPrefixes"] = Json::array();
  for (const core::Source& source : sources) list.push_back(core::to_string(source));
}

Json encode_rule(const core::PortRule& rule) {
  Json json;
  json["number"] = rule.number;
  json["protocol"] = core::wire_name(rule.protocol);
  put_sources(json, rule.sources);
  json["maxRequestAccessDuration"] = core::format_duration(rule.max_duration);
  if (rule.ending != core::Ending::drain) json["ending"] = core::wire_name(rule.ending);  // ours; drain is Azure's way
  if (rule.max_session.count() != 0) json["maxSessionDuration"] = core::format_duration(rule.max_session);
  if (rule.justification != core::Justification::optional) json["justification"] = core::wire_name(rule.justification);
  if (rule.approval != core::Approval::automatic) json["approval"] = core::wire_name(rule.approval);
  if (rule.standing.empty()) return json;
  for (const core::Source& source : rule.standing) json["standingSources"].push_back(core::to_string(source));
  return json;
}

enum class Tense { accepted, now };

// mapped_port: 0 where nothing maps it.
Json encode_port(const core::Grant& grant, Tense tense, std::uint16_t mapped_port) {
  const bool ended = grant.state == core::GrantState::ended && tense == Tense::now;
  const bool initiated = grant.state == core::GrantState::live && tense == Tense::now;
  Json json;
  json["number"] = grant.port;
  put_sources(json, grant.sources);
  json["endTimeUtc"] = core::format_time(grant.end);
  json["status"] = ended ? "Revoked" : initiated ? "Initiated" : "Initiating";  // the last also while it waits
  json["statusReason"] = core::wire_name(ended ? grant.end_reason : core::EndReason::none);
  if (mapped_port != 0) json["mappedPort"] = mapped_port;
  return json;
}

// The ports of one machine are listed together, else in the order they were asked for.
Json& ports_of(Json& machines, const std::string& id) {
  for (Json& machine : machines)
    if (machine["id"] == id) return machine["ports"];
  machines.push_back(Json{{"id", id}, {"ports", Json::array()}});
  return machines.back()["ports"];
}

Json encode_request(const core::RequestView& view, Tense tense) {
  Json json;
  Json& machines = json["virtualMachines"] = Json::array();
  for (const core::Grant& grant : view.grants) {
    const auto mapped = view.mapped_ports.find(grant.serial);
    const std::uint16_t mapped_port = mapped == view.mapped_ports.end() ? std::uint16_t{0} : mapped->second;
    ports_of(machines, grant.machine_id).push_back(encode_port(grant, tense, mapped_port));
  }
  json["startTimeUtc"] = core::format_time(view.request.start);
  json["requestor"] = view.request.requestor;
  if (!view.request.justification.empty()) json["justification"] = view.request.justification;
  return json;
}

}  // namespace

Json encode_policy(const core::PolicyView& view) {
  const core::Policy& policy = view.policy;
  Json json;
  json["id"] = policy.id.path();
  json["name"] = policy.id.name;
  json["type"] = "Microsoft.Security/locations/jitNetworkAccessPolicies";
  json["location"] = policy.id.location;
  json["kind"] = policy.kind;
  Json& properties = json["properties"] = Json::object();
  Json& machines = properties["virtualMachines"] = Json::array();
  for (const core::PolicyMachine& machine : policy.machines) {
    Json& entry = machines.emplace_back();
    entry["id"] = machine.machine_id;
    Json& ports = entry["ports"] = Json::array();
    for (const core::PortRule& rule : machine.ports) ports.push_back(encode_rule(rule));
    if (!machine.public_ip_address.empty()) entry["publicIpAddress"] = machine.public_ip_address;
  }
  if (policy.mode != core::Mode::enforce) properties["mode"] = core::wire_name(policy.mode);  // ours, as above
  Json& requests = properties["requests"] = Json::array();
  for (const core::RequestView& request : view.requests) requests.push_back(encode_request(request, Tense::now));
  properties["provisioningState"] = "Succeeded";
  return json;
}

Json encode_accepted(const core::RequestView& view) {
  return encode_request(view, Tense::accepted);
}

Json encode_revoked(const std::vector<core::GrantView>& grants) {
  Json machines = Json::array();
  for (const core::GrantView& view : grants)
    ports_of(machines, view.grant.machine_id).push_back(encode_port(view.grant, Tense::now, 0));
  return Json{{"virtualMachines", std::move(machines)}};
}

Json encode_azure_error(const core::Error& error) {
  Json inner;
  inner["code"] = core::wire_name(error.code);
  inner["message"] = error.message;
  if (!error.target.empty()) inner["target"] = error.target;
  if (!error.faults.empty()) {
    Json& details = inner["details"] = Json::array();
    for (const core::Fault& fault : error.faults) {
      Json& detail = details.emplace_back();
      detail["code"] = core::wire_name(error.code);
      detail["message"] = fault.message;
      if (!fault.target.empty()) detail["target"] = fault.target;
    }
  }
  return Json{{"error", std::move(inner)}};
}

}  // namespace postern::http
