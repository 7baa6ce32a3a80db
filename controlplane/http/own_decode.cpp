// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/own_decode.hpp"

#include <array>

#include "controlplane/http/object_reader.hpp"
#include "controlplane/http/parameters.hpp"

namespace postern::http {
namespace {

constexpr std::uint64_t audit_limit_max = 1000;
constexpr std::size_t grants_limit = 1000, grants_limit_max = 10000;

// Parses the body for a draft; none: `unreadable` says why.
std::optional<Json> object_of(std::string_view body, core::DraftFaults& draft) {
  auto json = parse_json(body);
  if (json && json->is_object()) return std::move(*json);
  draft.unreadable = json ? "The body must be a JSON object." : json.error().message;
  return std::nullopt;
}

core::ForwardDraft read_forward(const Json& json, const std::string& place, std::vector<core::Fault>& faults) {
  ObjectReader reader(json, place, Manner::strict, faults);
  core::ForwardDraft forward{reader.text("address"), reader.number("port"), reader.text("protocol"),
                             reader.number("machinePort")};
  reader.refuse_unknown();
  return forward;
}

void read_machine(const Json& json, core::MachineDraft& draft) {
  ObjectReader reader(json, "", Manner::strict, draft.faults);
  draft.name = reader.text("name");
  draft.id = reader.text("id");
  draft.os = reader.text("os");
  if (!reader.find("addresses")) reader.fault("addresses", "'addresses' is required; [] if it has none.");  // or it would lose what it has
  draft.addresses = reader.texts("addresses").value_or(std::vector<std::string>{});
  for (const Json* element : reader.elements("forwards"))
    draft.forwards.push_back(read_forward(*element, reader.place_of("forwards", draft.forwards.size()), draft.faults));
  if (const Json* excluded = reader.find("excluded")) {
    ObjectReader exclusion(*excluded, reader.place_of("excluded"), Manner::strict, draft.faults);
    draft.excluded = exclusion.text("reason");
    if (!draft.excluded) exclusion.fault("reason", "Say why; \"\" takes an exclusion back.");
    exclusion.refuse_unknown();
  }
  reader.refuse_unknown();
}

core::PortDraft read_asked_port(const Json& json, const std::string& place, std::vector<core::Fault>& faults) {
  ObjectReader reader(json, place, Manner::strict, faults);
  core::PortDraft port;
  port.number = reader.number("number");
  port.duration = reader.text("duration");
  port.end_time = reader.text("endTimeUtc");
  port.sources = reader.texts("sources");
  reader.refuse_unknown();
  return port;
}

}  // namespace

core::MachineDraft decode_machine(std::string_view body, std::string_view name) {
  core::MachineDraft draft;
  if (const auto json = object_of(body, draft)) read_machine(*json, draft);
  if (draft.name && core::folded(*draft.name) != core::folded(name))
    draft.faults.push_back({"'" + *draft.name + "' is not the name in the path, '" + std::string(name) + "'.", "name"});
  draft.name = std::string(name);
  return draft;
}

core::InventoryDraft decode_inventory(std::string_view body) {
  core::InventoryDraft draft;
  const auto json = object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  for (const Json* element : reader.elements("machines")) {
    if (draft.machines.size() > core::inventory_machines_max) break;  // too many: refused without reading the rest
    read_machine(*element, draft.machines.emplace_back());
  }
  reader.refuse_unknown();
  return draft;
}

// Rules as machines show them.
core::EnableDraft decode_enabling(std::string_view body) {
  core::EnableDraft draft;
  const auto json = object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  draft.machines = reader.texts("machines").value_or(std::vector<std::string>{});
  draft.mode = reader.text("mode");
  if (const Json* ports = reader.find("ports"); ports && ports->is_array()) {
    for (const Json* element : reader.elements("ports")) {
      ObjectReader rule(*element, reader.place_of("ports", draft.ports.size()), Manner::strict, draft.faults);
      core::PortDraft& port = draft.ports.emplace_back();
      port.number = rule.number("number");
      port.protocol = rule.text("protocol");
      port.sources = rule.texts("sources");
      port.max_duration = rule.text("maxDuration");
      port.ending = rule.text("ending");
      port.standing = rule.texts("standingSources");
      port.max_session = rule.text("maxSessionDuration");
      port.justification = rule.text("justification");
      port.approval = rule.text("approval");
      rule.refuse_unknown();
    }
    if (draft.ports.empty()) reader.fault("ports", "Name a port, or say \"default\" or \"recommended\".");
  } else {
    draft.preset = reader.text("ports").value_or("default");
  }
  reader.refuse_unknown();
  return draft;
}

core::DisableDraft decode_disabling(std::string_view body) {
  core::DisableDraft draft;
  const auto json = object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  draft.machines = reader.texts("machines").value_or(std::vector<std::string>{});
  reader.refuse_unknown();
  return draft;
}

core::SwitchDraft decode_switch(std::string_view body) {
  core::SwitchDraft draft;
  const auto json = object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  if (const Json* enforcing = reader.find("enforcing")) {
    if (enforcing->is_boolean())
      draft.enforcing = enforcing->get<bool>();
    else
      reader.fault("enforcing", "Must be true or false.");
  }
  draft.reason = reader.text("reason");
  reader.refuse_unknown();
  return draft;
}

core::Result<core::MachineFilter> decode_machine_filter(const Target& target) {
  if (const auto known = refuse_unknown_parameters(target, {"state", "subscription", "resourcegroup"}); !known)
    return known.error();
  core::MachineFilter filter{target.parameter("state").value_or(""), target.parameter("subscription").value_or(""),
                             target.parameter("resourceGroup").value_or("")};
  const std::string state = core::folded(filter.state);
  if (state == "notconfigured") {
    filter.state = "not_configured";
  } else if (!state.empty() && state != "configured" && state != "unsupported") {
    return core::Error{core::ErrorCode::invalid_input,
                       "'state' must be configured, notConfigured or unsupported, not '" + filter.state + "'.", "state", {}};
  }
  return filter;
}

core::AccessDraft decode_request(std::string_view body) {
  core::AccessDraft draft;
  const auto json = object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  for (const Json* element : reader.elements("machines")) {
    ObjectReader asked(*element, reader.place_of("machines", draft.machines.size()), Manner::strict, draft.faults);
    core::PolicyMachineDraft& machine = draft.machines.emplace_back();
    machine.id = asked.text("machine");
    for (const Json* port : asked.elements("ports"))
      machine.ports.push_back(read_asked_port(*port, asked.place_of("ports", machine.ports.size()), draft.faults));
    asked.refuse_unknown();
  }
  draft.justification = reader.text("justification");
  draft.start = reader.text("startTimeUtc");
  if (const Json* wish = reader.find("breakGlass"); wish && !wish->is_boolean()) {
    reader.fault("breakGlass", "Must be true or false.");
  } else {
    draft.break_glass = wish && wish->get<bool>();
  }
  reader.refuse_unknown();
  return draft;
}

core::DenialDraft decode_denial(std::string_view body) {
  core::DenialDraft draft;
  const auto json = body.empty() ? std::nullopt : object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  draft.reason = reader.text("reason");
  reader.refuse_unknown();
  return draft;
}

std::uint64_t decode_request_id(std::string_view text) {
  const auto number = read_number(text, "id", UINT64_MAX);
  return number ? *number : 0;
}

core::Result<core::RequestFilter> decode_request_filter(const Target& target) {
  if (const auto known = refuse_unknown_parameters(target, {"state"}); !known) return known.error();
  const auto text = target.parameter("state");
  if (!text) return core::RequestFilter{};
  using State = core::GrantState;
  for (const State state : {State::pending, State::scheduled, State::live, State::ended})
    if (core::folded(*text) == core::wire_name(state)) return core::RequestFilter{state};
  return core::Error{core::ErrorCode::invalid_input,
                     "'state' must be pending, scheduled, live or ended, not '" + *text + "'.", "state", {}};
}

core::TokenDraft decode_token(std::string_view body) {
  core::TokenDraft draft;
  const auto json = object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  draft.principal = reader.text("principal");
  draft.role = reader.text("role");
  draft.scope = reader.text("scope");
  draft.duration = reader.text("duration");
  const auto given = reader.elements("assignments");
  if (reader.find("assignments")) draft.assignments.emplace();
  for (std::size_t i = 0; i < given.size(); ++i) {
    ObjectReader assignment(*given[i], reader.place_of("assignments", i), Manner::strict, draft.faults);
    draft.assignments->push_back({assignment.text("role"), assignment.text("scope")});
    assignment.refuse_unknown();
  }
  reader.refuse_unknown();
  return draft;
}

std::pair<std::uint64_t, core::RevocationDraft> decode_revocation(std::string_view serial, std::string_view body) {
  core::RevocationDraft draft;
  const auto number = read_number(serial, "serial", UINT64_MAX);
  if (!number) draft.faults = number.error().faults;
  const auto json = body.empty() ? std::nullopt : object_of(body, draft);
  if (json) {
    ObjectReader reader(*json, "", Manner::strict, draft.faults);
    draft.ending = reader.text("ending");
    reader.refuse_unknown();
  }
  return {number ? *number : 0, std::move(draft)};
}

std::pair<std::uint64_t, core::ExtensionDraft> decode_extension(std::string_view serial, std::string_view body) {
  core::ExtensionDraft draft;
  const auto number = read_number(serial, "serial", UINT64_MAX);
  if (!number) draft.faults = number.error().faults;
  if (const auto json = object_of(body, draft)) {
    ObjectReader reader(*json, "", Manner::strict, draft.faults);
    draft.duration = reader.text("duration");
    draft.end_time = reader.text("endTimeUtc");
    reader.refuse_unknown();
  }
  return {number ? *number : 0, std::move(draft)};
}

core::Result<core::GrantFilter> decode_grant_filter(const Target& target) {
  if (const auto known = refuse_unknown_parameters(target, {"machine", "requestor", "all", "after", "limit"}); !known)
    return known.error();
  core::GrantFilter filter;
  filter.limit = grants_limit;
  if (const auto text = target.parameter("after")) {
    const auto after = read_number(*text, "after", UINT64_MAX);
    if (!after) return after.error();
    filter.after = *after;
  }
  if (const auto text = target.parameter("limit")) {
    const auto limit = read_number(*text, "limit", grants_limit_max);
    if (!limit) return limit.error();
    filter.limit = static_cast<std::size_t>(*limit);
  }
  filter.machine = target.parameter("machine").value_or("");
  filter.requestor = target.parameter("requestor").value_or("");
  const std::string all = core::folded(target.parameter("all").value_or("false"));
  if (all != "true" && all != "false" && !all.empty())
    return core::Error{core::ErrorCode::invalid_input, "'all' must be true or false, not '" + all + "'.", "all", {}};
  filter.include_ended = all != "false";  // a bare "?all" means true
  return filter;
}

core::Result<core::ProbeDraft> decode_probe(const Target& target) {
  const auto known =
      refuse_unknown_parameters(target, {"source", "destination", "port", "protocol", "sourceport", "flags", "at"});
  if (!known) return known.error();
  core::ProbeDraft draft;
  draft.source = target.parameter("source");
  draft.destination = target.parameter("destination");
  draft.port = target.parameter("port");
  draft.protocol = target.parameter("protocol");
  draft.source_port = target.parameter("sourcePort");
  draft.flags = target.parameter("flags");
  draft.at = target.parameter("at");
  return draft;
}

core::Result<core::EventQuery> decode_event_query(const Target& target) {
  const auto known = refuse_unknown_parameters(target, {"after", "limit"});
  if (!known) return known.error();
  core::EventQuery query;
  if (const auto text = target.parameter("after")) {
    const auto after = read_number(*text, "after", UINT64_MAX);
    if (!after) return after.error();
    query.after = *after;
  }
  if (const auto text = target.parameter("limit")) {
    const auto limit = read_number(*text, "limit", audit_limit_max);
    if (!limit) return limit.error();
    query.limit = static_cast<std::size_t>(*limit);
  }
  return query;
}

core::Result<StreamBegin> decode_stream_begin(const Target& target, const HttpRequest& request, std::string_view epoch) {
  if (const auto known = refuse_unknown_parameters(target, {"after"}); !known) return known.error();
  const auto number = [](std::string_view text, std::string_view place) -> core::Result<std::uint64_t> {
    if (text == "0") return std::uint64_t{0};
    return read_number(text, place, UINT64_MAX);
  };
  if (const auto id = request.first("last-event-id"); id && !id->empty()) {
    const std::size_t dot = std::min(id->find('.'), id->size() - 1);
    const auto sequence = number(id->substr(dot + 1), "Last-Event-ID");
    if (!sequence) return sequence.error();
    if (id->substr(0, dot) != epoch) return StreamBegin{0, true};
    return StreamBegin{*sequence, false};
  }
  const auto text = target.parameter("after");
  if (!text) return StreamBegin{};
  const auto after = number(*text, "after");
  if (!after) return after.error();
  return StreamBegin{*after, false};
}

core::Error with_own_places(core::Error error) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> names{{
      {"virtualMachines", "machines"},
      {"].id", "].machine"},
      {"allowedSourceAddressPrefixes", "sources"},
      {"allowedSourceAddressPrefix", "sources"},
  }};
  const auto rename = [&names](std::string& text) {
    for (const auto& [theirs, ours] : names)
      for (std::size_t at = text.find(theirs); at != std::string::npos; at = text.find(theirs, at + ours.size()))
        text.replace(at, theirs.size(), ours);
  };
  rename(error.message);
  rename(error.target);
  for (core::Fault& fault : error.faults) {
    rename(fault.message);
    rename(fault.target);
  }
  return error;
}

}  // namespace postern::http
