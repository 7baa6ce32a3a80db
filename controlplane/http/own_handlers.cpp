// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/azure_encode.hpp"
#include "controlplane/http/handlers.hpp"
#include "controlplane/http/machine_encode.hpp"
#include "controlplane/http/metrics.hpp"
#include "controlplane/http/own_decode.hpp"
#include "controlplane/http/own_encode.hpp"

namespace postern::http::own {
namespace {

HttpResponse fail(const core::Error& error) {
  return error_response(error, Dialect::own);
}

// Also one that could not be recorded.
bool is_refusal(const core::Error& error) {
  return status_of(error.code) < 500 || error.code == core::ErrorCode::service_unavailable;
}

HttpResponse answer(int status, const Json& json) {
  return {.status = status, .body = to_text(json), .headers = {}};
}

HttpResponse erased(const core::Result<bool>& existed, core::ErrorCode absent, std::string_view what) {
  if (!existed) return fail(existed.error());
  if (!*existed) return fail({absent, "There is no '" + std::string(what) + "'.", "", {}});
  return {.status = 204, .body = "", .headers = {}};
}

template <class List, class Encode>
HttpResponse list_of(const char* name, const List& list, Encode encode) {
  Json json{{name, Json::array()}};
  for (const auto& element : list) json[name].push_back(encode(element));
  return answer(200, json);
}

}  // namespace

HttpResponse list_machines(Call& call) {
  const auto filter = decode_machine_filter(call.target);
  if (!filter) return fail(filter.error());
  const auto machines = call.gatekeeper.list_machines(call.caller, *filter);
  return machines ? list_of("machines", *machines, encode_machine) : fail(machines.error());
}

HttpResponse get_machine(Call& call) {
  const auto machine = call.gatekeeper.get_machine(call.caller, call.parameter("name"));
  return machine ? answer(200, encode_machine(*machine)) : fail(machine.error());
}

HttpResponse put_machine(Call& call) {
  const auto machine = call.gatekeeper.put_machine(call.caller, decode_machine(call.body, call.parameter("name")));
  return machine ? answer(200, encode_machine(*machine)) : fail(machine.error());
}

HttpResponse post_machines(Call& call) {
  const auto machines = call.gatekeeper.put_machines(call.caller, decode_inventory(call.body));
  return machines ? list_of("machines", *machines, encode_machine) : fail(machines.error());
}

HttpResponse delete_machine(Call& call) {
  const std::string& name = call.parameter("name");
  return erased(call.gatekeeper.erase_machine(call.caller, name), core::ErrorCode::machine_not_found, name);
}

HttpResponse get_connection(Call& call) {
  const auto view = call.gatekeeper.connection(call.caller, call.parameter("name"));
  return view ? answer(200, encode_connection(*view)) : fail(view.error());
}

HttpResponse enable_machines(Call& call) {
  const auto machines = call.gatekeeper.enable_machines(call.caller, decode_enabling(call.body));
  return machines ? list_of("machines", *machines, encode_machine) : fail(machines.error());
}

HttpResponse disable_machines(Call& call) {
  const auto machines = call.gatekeeper.disable_machines(call.caller, decode_disabling(call.body));
  return machines ? list_of("machines", *machines, encode_machine) : fail(machines.error());
}

HttpResponse list_exposure(Call& call) {
  const auto exposure = call.gatekeeper.list_exposure(call.caller);
  return exposure ? list_of("exposure", *exposure, encode_exposure) : fail(exposure.error());
}

HttpResponse list_switches(Call& call) {
  const auto switches = call.gatekeeper.list_switches(call.caller);
  return switches ? list_of("switches", *switches, encode_switch) : fail(switches.error());
}

HttpResponse put_switch(Call& call) {
  const auto put = call.gatekeeper.put_switch(call.caller, call.parameter("name"), decode_switch(call.body));
  return put ? answer(200, encode_switch(*put)) : fail(put.error());
}

HttpResponse list_policies(Call& call) {
  const auto policies = call.gatekeeper.list_policies(call.caller, {});
  return policies ? list_of("policies", *policies, encode_policy) : fail(policies.error());
}

HttpResponse post_request(Call& call) {
  const auto request = call.gatekeeper.request(call.caller, decode_request(call.body));
  if (request && request->break_glass) shout_break_glass(call, *request);
  return told(request);
}

core::AccessCall asked(const Call& call) {
  return {call.caller, std::nullopt, decode_request(call.body)};
}

HttpResponse told(const core::Result<core::RequestView>& request) {
  return request ? answer(201, encode_request(*request)) : fail(with_own_places(request.error()));
}

HttpResponse list_requests(Call& call) {
  const auto filter = decode_request_filter(call.target);
  if (!filter) return fail(filter.error());
  const auto requests = call.gatekeeper.list_requests(call.caller, *filter);
  return requests ? list_of("requests", *requests, encode_request) : fail(requests.error());
}

HttpResponse get_request(Call& call) {
  const auto request = call.gatekeeper.get_request(call.caller, decode_request_id(call.parameter("id")));
  return request ? answer(200, encode_request(*request)) : fail(request.error());
}

HttpResponse approve_request(Call& call) {
  if (!call.body.empty() && call.body != "{}") {
    return fail({core::ErrorCode::invalid_request_content, "An approval has no body: what was asked for is approved as it is.", "", {}});
  }
  const auto request = call.gatekeeper.approve(call.caller, decode_request_id(call.parameter("id")));
  return request ? answer(200, encode_request(*request)) : fail(request.error());
}

HttpResponse deny_request(Call& call) {
  const auto request = call.gatekeeper.deny(call.caller, decode_request_id(call.parameter("id")), decode_denial(call.body));
  return request ? answer(200, encode_request(*request)) : fail(request.error());
}

HttpResponse list_grants(Call& call) {
  const auto filter = decode_grant_filter(call.target);
  if (!filter) return fail(filter.error());
  const auto grants = call.gatekeeper.list_grants(call.caller, *filter);
  if (!grants) return fail(grants.error());
  const bool first_page = filter->after == 0;
  const auto standing = first_page ? call.gatekeeper.list_standing(call.caller, *filter)
                                   : core::Result(std::vector<core::StandingRule>());
  if (!standing) return fail(standing.error());
  Json json{{"grants", Json::array()}, {"standing", Json::array()}};
  for (const core::GrantView& view : *grants) json["grants"].push_back(encode_grant(view));
  for (const core::StandingRule& rule : *standing) json["standing"].push_back(encode_standing(rule));
  if (grants->size() >= filter->limit) json["next"] = grants->back().request.id;
  return answer(200, json);
}

HttpResponse revoke_grant(Call& call) {
  const auto [serial, draft] = decode_revocation(call.parameter("serial"), call.body);
  const auto view = call.gatekeeper.revoke(call.caller, serial, draft);
  return view ? answer(200, encode_revoked(*view)) : fail(view.error());
}

HttpResponse extend_grant(Call& call) {
  const auto [serial, draft] = decode_extension(call.parameter("serial"), call.body);
  const auto view = call.gatekeeper.extend(call.caller, serial, draft);
  return view ? answer(200, encode_grant(*view)) : fail(view.error());
}

// A gate that cannot be read is an answer here, not an error: this is where one looks when it is gone.
HttpResponse get_status(Call& call) {
  const auto status = call.gatekeeper.gate_status(call.caller);
  if (!status && is_refusal(status.error())) return fail(status.error());
  const auto ready = call.gatekeeper.ready();
  const auto& home = call.gatekeeper.settings();
  Json json{{"ready", ready.has_value() && status.has_value()},
            {"subscription", home.subscription},
            {"resourceGroup", home.resource_group},
            {"location", home.location}};
  if (!ready) json["notReady"] = ready.error().message;
  if (ready && !status) json["notReady"] = status.error().message;
  if (!status) json["warnings"] = call.gatekeeper.warnings();
  if (status) json.update(encode_status(*status));
  return answer(200, json);
}

// As the status: a gate that cannot be read is an answer.
HttpResponse get_metrics(Call& call) {
  const auto status = call.gatekeeper.gate_status(call.caller);
  if (!status && is_refusal(status.error())) return fail(status.error());
  const auto services = call.gatekeeper.service_counts(call.caller);
  const bool ready = call.gatekeeper.ready() && status && services;
  return {.body = metrics_text(ready, call.counts, status ? &*status : nullptr,
                               services ? *services : std::vector<core::ServiceCount>{}, call.gatekeeper.trail_counts()),
          .content_type = metrics_content_type,
          .headers = {}};
}

HttpResponse explain(Call& call) {
  const auto draft = decode_probe(call.target);
  if (!draft) return fail(draft.error());
  const auto told = call.gatekeeper.explain(call.caller, *draft);
  return told ? answer(200, encode_explanation(*told)) : fail(told.error());
}

HttpResponse list_service_counts(Call& call) {
  const auto counts = call.gatekeeper.service_counts(call.caller);
  return counts ? list_of("services", *counts, encode_service_count) : fail(counts.error());
}

HttpResponse list_events(Call& call) {
  const auto query = decode_event_query(call.target);
  if (!query) return fail(query.error());
  const auto page = call.gatekeeper.events(call.caller, *query);
  return page ? answer(200, encode_events(*page)) : fail(page.error());
}

HttpResponse list_tokens(Call& call) {
  const auto tokens = call.gatekeeper.list_tokens(call.caller);
  return tokens ? list_of("tokens", *tokens, encode_token) : fail(tokens.error());
}

HttpResponse post_token(Call& call) {
  const auto issued = call.gatekeeper.issue_token(call.caller, decode_token(call.body));
  if (!issued) return fail(issued.error());
  Json json = encode_token(issued->token);
  json["secret"] = issued->secret;
  return answer(201, json);
}

HttpResponse delete_token(Call& call) {
  const std::string& id = call.parameter("id");
  return erased(call.gatekeeper.erase_token(call.caller, id), core::ErrorCode::token_not_found, id);
}

HttpResponse list_roles(Call& call) {
  const auto roles = call.gatekeeper.list_roles(call.caller);
  return roles ? list_of("roles", *roles, encode_role) : fail(roles.error());
}

}  // namespace postern::http::own
