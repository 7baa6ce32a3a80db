// SPDX-License-Identifier: Apache-2.0
// Reads the body of a policy (docs/azure-api.md).
#include <set>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t names_together_max = 56;

std::optional<Protocol> read_protocol(const PortDraft& draft, const std::string& target, Faults& faults) {
  if (!draft.protocol) {
    faults.missing(target);
    return std::nullopt;
  }
  for (const auto protocol : {Protocol::any, Protocol::tcp, Protocol::udp}) {
    if (folded(*draft.protocol) == folded(wire_name(protocol))) return protocol;
  }
  faults.add(target, in_quotes(*draft.protocol) + " is not a protocol: TCP, UDP or *.");
  return std::nullopt;
}

std::optional<std::chrono::seconds> read_max_duration(const PortDraft& draft, const std::string& target,
                                                      Faults& faults) {
  if (!draft.max_duration) {
    faults.missing(target);
    return std::nullopt;
  }
  const auto duration = faults.take(parse_duration(*draft.max_duration), target);
  if (duration && (*duration < rule_duration_min || *duration > rule_duration_max)) {
    faults.add(target, in_quotes(*draft.max_duration) + " is not between 5 minutes and 1 day.");
    return std::nullopt;
  }
  return duration;
}

std::optional<Ending> read_ending(const PortDraft& draft, const std::string& target, Faults& faults) {
  if (!draft.ending) return Ending::drain;
  for (const auto ending : {Ending::drain, Ending::cut}) {
    if (folded(*draft.ending) == wire_name(ending)) return ending;
  }
  faults.add(target, in_quotes(*draft.ending) + " is not a way to end: drain or cut.");
  return std::nullopt;
}

std::optional<PortRule> read_rule(const PortDraft& draft, const std::string& target, Faults& faults) {
  const auto number = read_port(draft.number, target + ".number", faults);
  const auto protocol = read_protocol(draft, target + ".protocol", faults);
  auto sources = read_sources(draft, target, faults);
  const auto duration = read_max_duration(draft, target + ".maxRequestAccessDuration", faults);
  const auto ending = read_ending(draft, target + ".ending", faults);
  if (!number || !protocol || !duration || !ending) return std::nullopt;
  refuse_dhcp(*number, *protocol, target + ".number", faults);
  if (sources.empty()) sources.push_back(Source{});  // none given: "per request", any source
  return PortRule{*number, *protocol, std::move(sources), *duration, *ending};
}

void check_machine(const PolicyId& id, const PolicyMachineDraft& draft, const std::string& target, Faults& faults) {
  if (!draft.id) {
    faults.missing(target + ".id");
  } else if (!parse_machine_id(*draft.id)) {
    faults.add(target + ".id", in_quotes(*draft.id) +
                                   " is not a machine's id: /subscriptions/{guid}/resourceGroups/{group}/providers/"
                                   "Microsoft.Compute/virtualMachines/{name}.");
  } else if (characters(id.name) + characters(last_segment(*draft.id)) > names_together_max) {
    faults.add(target + ".id", "The policy's name and the machine's name have more than 56 characters together.");
  }
  if (draft.public_ip_address &&
      (draft.public_ip_address->size() > 256 || has_control_characters(*draft.public_ip_address))) {
    faults.add(target + ".publicIpAddress", in_quotes(*draft.public_ip_address) + " is not an address.");
  }
}

}  // namespace

Result<Policy> read_policy(const PolicyId& id, const PolicyDraft& draft) {
  Faults faults(draft.faults);
  check_policy_id(id, faults);
  Policy policy{id, 0, draft.kind.value_or("Basic"), {}};
  if (policy.kind.size() > 64 || has_control_characters(policy.kind)) {
    faults.add("kind", in_quotes(policy.kind) + " is not a kind.");
  }
  std::set<std::string> machines;
  for (std::size_t i = 0; i < draft.machines.size(); ++i) {
    const auto& machine = draft.machines[i];
    const auto target = indexed("properties.virtualMachines", i);
    check_machine(id, machine, target, faults);
    if (machine.id && !machines.insert(folded(*machine.id)).second) {
      faults.add(target + ".id", in_quotes(*machine.id) + " stands in the policy twice.");
    }
    if (machine.ports.empty()) faults.missing(target + ".ports");
    PolicyMachine read{machine.id.value_or(""), {}, machine.public_ip_address.value_or("")};
    std::set<std::uint16_t> numbers;
    for (std::size_t j = 0; j < machine.ports.size(); ++j) {
      const auto place = target + "." + indexed("ports", j);
      auto rule = read_rule(machine.ports[j], place, faults);
      if (!rule) continue;
      if (!numbers.insert(rule->number).second) {
        faults.add(place + ".number", "Port " + std::to_string(rule->number) +
                                          " stands twice in this machine's list; protocol * is TCP and UDP.");
      }
      read.ports.push_back(std::move(*rule));
    }
    policy.machines.push_back(std::move(read));
  }
  if (faults.any()) return faults.as_error(ErrorCode::invalid_policy_input, "The policy is not valid");
  return policy;
}

}  // namespace postern::core
