// SPDX-License-Identifier: Apache-2.0
// Reads the body of a policy (docs/azure-api.md).
#include <set>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/subset.hpp"
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

std::optional<Mode> read_mode(const std::string& text, const std::string& target, Faults& faults) {
  for (const auto mode : {Mode::enforce, Mode::monitor}) {
    if (folded(text) == wire_name(mode)) return mode;
  }
  faults.add(target, in_quotes(text) + " is not a mode: enforce or monitor.");
  return std::nullopt;
}

std::optional<std::chrono::seconds> read_max_session(const std::string& text, const std::string& target,
                                                     Faults& faults) {
  const auto duration = faults.take(parse_duration(text), target);
  if (duration && *duration > session_max) {
    faults.add(target, in_quotes(text) + " is longer than 30 days.");
    return std::nullopt;
  }
  return duration;
}

std::optional<Justification> read_justification(const std::string& text, const std::string& target, Faults& faults) {
  for (const auto justification : {Justification::optional, Justification::required}) {
    if (folded(text) == wire_name(justification)) return justification;
  }
  faults.add(target, in_quotes(text) + " is neither optional nor required.");
  return std::nullopt;
}

std::optional<Approval> read_approval(const std::string& text, const std::string& target, Faults& faults) {
  for (const auto approval : {Approval::automatic, Approval::approve}) {
    if (folded(text) == wire_name(approval)) return approval;
  }
  faults.add(target, in_quotes(text) + " is neither auto nor approve.");
  return std::nullopt;
}

// Our own members of a rule: as the draft says, else as they were.
void read_own_members(const PortDraft& draft, const PortRule* before, const std::string& target, PortRule& rule,
                      Faults& faults) {
  if (before) {
    rule.ending = before->ending;
    rule.max_session = before->max_session;
    rule.standing = before->standing;
    rule.justification = before->justification;
    rule.approval = before->approval;
  }
  if (draft.ending) rule.ending = read_ending(*draft.ending, target + ".ending", faults).value_or(rule.ending);
  if (draft.max_session) {
    rule.max_session =
        read_max_session(*draft.max_session, target + ".maxSessionDuration", faults).value_or(rule.max_session);
  }
  if (draft.approval) rule.approval = read_approval(*draft.approval, target + ".approval", faults).value_or(rule.approval);
  if (draft.justification) {
    rule.justification =
        read_justification(*draft.justification, target + ".justification", faults).value_or(rule.justification);
  }
}

void read_standing(const PortDraft& draft, const std::string& target, PortRule& rule, Faults& faults) {
  if (!draft.standing) return;
  std::vector<Source> sources;
  for (std::size_t i = 0; i < draft.standing->size(); ++i) {
    const auto place = target + "." + indexed("standingSources", i);
    const auto source = faults.take(parse_source((*draft.standing)[i]), place);
    if (source && (!source->prefix || source->prefix->length == 0)) {
      faults.add(place, in_quotes((*draft.standing)[i]) +
                            " would always admit everybody: name who may, or take the port out of the policy.");
    } else if (source) {
      sources.push_back(*source);
    }
  }
  rule.standing = canonical(std::move(sources));
}

std::optional<PortRule> read_rule(const PortDraft& draft, const PortRule* before, const std::string& target,
                                  Faults& faults) {
  const auto number = read_port(draft.number, target + ".number", faults);
  const auto protocol = read_protocol(draft, target + ".protocol", faults);
  auto sources = read_sources(draft, target, faults);
  const auto duration = read_max_duration(draft, target + ".maxRequestAccessDuration", faults);
  PortRule rule;
  read_own_members(draft, before, target, rule, faults);
  read_standing(draft, target, rule, faults);
  if (!number || !protocol || !duration) return std::nullopt;
  // What was said of one protocol holds for that one: nobody becomes admitted by another that does not say so.
  if (!draft.standing && !rule.standing.empty() && before->protocol != Protocol::any && before->protocol != *protocol) {
    faults.add(target + ".standingSources", "The rule's standing sources were named for " +
                                                std::string(wire_name(before->protocol)) + ", not for " +
                                                std::string(wire_name(*protocol)) + ": state them, or an empty list.");
  }
  refuse_dhcp(*number, *protocol, target + ".number", faults);
  if (sources.empty()) sources.push_back(Source{});  // none given: "per request", any source
  rule.number = *number;
  rule.protocol = *protocol;
  rule.sources = std::move(sources);
  rule.max_duration = *duration;
  return rule;
}

const PortRule* rule_before(const Policy* before, const PolicyMachineDraft& machine, const PortDraft& port) {
  if (!before || !machine.id || !port.number) return nullptr;
  const auto number = parse_digits(*port.number, 5);
  return number && *number <= 65535 ? find_rule(*before, *machine.id, static_cast<std::uint16_t>(*number)) : nullptr;
}

void check_machine(const PolicyId& id, const PolicyMachineDraft& draft, const std::string& target, Faults& faults) {
  if (!draft.id) {
    faults.missing(target + ".id");
  } else if (!parse_machine_id(*draft.id)) {
    faults.add(target + ".id", no_machine_id(*draft.id));
  } else if (characters(id.name) + characters(last_segment(*draft.id)) > names_together_max) {
    faults.add(target + ".id", "The policy's name and the machine's name have more than 56 characters together.");
  }
  if (draft.public_ip_address &&
      (draft.public_ip_address->size() > 256 || has_control_characters(*draft.public_ip_address))) {
    faults.add(target + ".publicIpAddress", in_quotes(*draft.public_ip_address) + " is not an address.");
  }
}

}  // namespace

std::optional<Ending> read_ending(const std::string& text, const std::string& target, Faults& faults) {
  for (const auto ending : {Ending::drain, Ending::cut}) {
    if (folded(text) == wire_name(ending)) return ending;
  }
  faults.add(target, in_quotes(text) + " is not a way to end: drain or cut.");
  return std::nullopt;
}

Result<Policy> read_policy(const PolicyId& id, const PolicyDraft& draft, const Policy* before) {
  Faults faults(draft.faults);
  check_policy_id(id, faults);
  Policy policy{id, 0, draft.kind.value_or("Basic"), {}, before ? before->mode : Mode::enforce};
  if (draft.mode) policy.mode = read_mode(*draft.mode, "properties.mode", faults).value_or(policy.mode);
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
      auto rule = read_rule(machine.ports[j], rule_before(before, machine, machine.ports[j]), place, faults);
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
