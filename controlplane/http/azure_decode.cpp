// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/azure_decode.hpp"

#include "controlplane/http/object_reader.hpp"

namespace postern::http {
namespace {

constexpr std::string_view one_prefix = "allowedSourceAddressPrefix";
constexpr std::string_view many_prefixes = "allowedSourceAddressPrefixes";

// Scripts send a real array in the member that is a string. (Two elements joined by a blank are the core's to refuse.)
void read_sources(ObjectReader& reader, core::PortDraft& port, std::vector<core::Fault>& faults) {
  port.sources = reader.texts(many_prefixes);
  const Json* single = reader.find(one_prefix);
  if (!single) return;
  if (!single->is_array()) {
    port.source = reader.text(one_prefix);
    return;
  }
  std::vector<std::string> several = strings_of(*single, reader.place_of(one_prefix), faults);
  if (several.empty()) return;
  if (several.size() == 1) {
    port.source = several.front();
  } else if (port.sources && !port.sources->empty()) {
    reader.fault(one_prefix, "Only one of allowedSourceAddressPrefix and allowedSourceAddressPrefixes may be given.");
  } else {
    port.sources = std::move(several);
  }
}

core::PortDraft read_port(const Json& json, const std::string& place, std::vector<core::Fault>& faults) {
  ObjectReader reader(json, place, Manner::any_case, faults);
  core::PortDraft port;
  port.number = reader.number("number");
  port.protocol = reader.text("protocol");
  port.max_duration = reader.text("maxRequestAccessDuration");
  port.end_time = reader.text("endTimeUtc");
  port.duration = reader.text("duration");
  port.ending = reader.text("ending");
  port.max_session = reader.text("maxSessionDuration");
  port.standing = reader.texts("standingSources");
  port.justification = reader.text("justification");
  port.approval = reader.text("approval");
  read_sources(reader, port, faults);
  return port;
}

std::vector<core::PolicyMachineDraft> read_machines(ObjectReader& body, std::vector<core::Fault>& faults) {
  std::vector<core::PolicyMachineDraft> machines;
  for (const Json* element : body.elements("virtualMachines")) {
    ObjectReader reader(*element, body.place_of("virtualMachines", machines.size()), Manner::any_case, faults);
    core::PolicyMachineDraft& machine = machines.emplace_back();
    machine.id = reader.text("id");
    machine.public_ip_address = reader.text("publicIpAddress");
    for (const Json* port : reader.elements("ports"))
      machine.ports.push_back(read_port(*port, reader.place_of("ports", machine.ports.size()), faults));
  }
  return machines;
}

}  // namespace

core::PolicyDraft decode_policy(std::string_view body) {
  core::PolicyDraft draft;
  const auto json = parse_json(body);
  if (!json || !json->is_object()) {
    draft.unreadable = json ? "The body must be a JSON object." : json.error().message;
    return draft;
  }
  ObjectReader top(*json, "", Manner::any_case, draft.faults);
  draft.kind = top.text("kind");
  const Json* properties = top.find("properties");
  if (!properties || !properties->is_object()) {
    draft.unreadable = "The body must have an object 'properties'.";
    return draft;
  }
  ObjectReader reader(*properties, "properties", Manner::any_case, draft.faults);
  draft.mode = reader.text("mode");
  const Json* machines = reader.find("virtualMachines");
  if (!machines || !machines->is_array()) {
    draft.unreadable = "'properties' must have an array 'virtualMachines'.";
    return draft;
  }
  draft.machines = read_machines(reader, draft.faults);
  return draft;
}

core::AccessDraft decode_access(std::string_view body) {
  core::AccessDraft draft;
  const auto json = parse_json(body);
  if (!json || !json->is_object()) {
    draft.unreadable = json ? "The body must be a JSON object." : json.error().message;
    return draft;
  }
  ObjectReader reader(*json, "", Manner::any_case, draft.faults);
  draft.machines = read_machines(reader, draft.faults);
  draft.justification = reader.text("justification");
  return draft;
}

}  // namespace postern::http
