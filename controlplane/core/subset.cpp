// SPDX-License-Identifier: Apache-2.0
// The subset rule, see subset.hpp.
#include "controlplane/core/subset.hpp"

#include <algorithm>

#include "controlplane/core/text.hpp"

namespace postern::core {

const PolicyMachine* find_machine(const Policy& policy, std::string_view machine_id) {
  const auto wanted = folded(machine_id);
  for (const auto& machine : policy.machines) {
    if (folded(machine.machine_id) == wanted) return &machine;
  }
  return nullptr;
}

const PortRule* find_rule(const Policy& policy, std::string_view machine_id, std::uint16_t port) {
  const auto* machine = find_machine(policy, machine_id);
  if (!machine) return nullptr;
  const auto rule = std::find_if(machine->ports.begin(), machine->ports.end(),
                                 [&](const PortRule& candidate) { return candidate.number == port; });
  return rule == machine->ports.end() ? nullptr : &*rule;
}

Result<std::vector<Grant>> grants_inside(const Policy& policy, const AskedAccess& asked, UtcTime now) {
  Faults faults;
  std::vector<Grant> grants;
  for (const auto& ask : asked.ports) {
    const auto* machine = find_machine(policy, ask.machine);
    if (!machine) {
      faults.add(ask.target.substr(0, ask.target.find('.')) + ".id",
                 "The policy does not name the machine " + quoted(ask.machine) + ".");
      continue;
    }
    const auto* rule = find_rule(policy, ask.machine, ask.port);
    if (!rule) {
      faults.add(ask.target + ".number", "The policy has no rule for port " + std::to_string(ask.port) + " of this machine.");
      continue;
    }
    if (ask.end - now > rule->max_duration + end_tolerance) {
      faults.add(ask.target, "The end lies later than the " + format_duration(rule->max_duration) +
                                 " that the policy allows for port " + std::to_string(ask.port) + ".");
    }
    for (const auto& source : ask.sources) {
      if (!covers(rule->sources, source)) {
        faults.add(ask.target + ".allowedSourceAddressPrefix",
                   "The source " + quoted(to_string(source)) + " does not lie inside the sources that the policy allows.");
      }
    }
    Grant grant;
    grant.machine_id = machine->machine_id;
    grant.port = ask.port;
    grant.protocol = rule->protocol;
    grant.sources = ask.sources;
    grant.ending = rule->ending;
    grant.start = now;
    grant.end = std::min<UtcTime>(ask.end, now + rule->max_duration);
    grants.push_back(std::move(grant));
  }
  if (faults.any()) {
    return faults.as_error(ErrorCode::not_subset_of_policy,
                           "The request is not a subset of policy '" + policy.id.path() + "'");
  }
  return grants;
}

bool still_allows(const Policy& policy, const Grant& grant) {
  const auto* rule = find_rule(policy, grant.machine_id, grant.port);
  if (!rule) return false;
  if (rule->protocol != Protocol::any && rule->protocol != grant.protocol) return false;
  if (grant.end - grant.start > rule->max_duration) return false;
  return std::all_of(grant.sources.begin(), grant.sources.end(),
                     [&](const Source& source) { return covers(rule->sources, source); });
}

}  // namespace postern::core
