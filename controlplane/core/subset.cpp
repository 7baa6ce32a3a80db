// SPDX-License-Identifier: Apache-2.0
// The subset rule, see subset.hpp.
#include "controlplane/core/subset.hpp"

#include <algorithm>

#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {

const PolicyMachine* find_machine(const Policy& policy, std::string_view machine_id) {
  for (const auto& machine : policy.machines) {
    if (same_folded(machine.machine_id, machine_id)) return &machine;
  }
  return nullptr;
}

const PolicyMachine* machine_meant(const Policy& policy, const std::string& text) {
  const PolicyMachine* found = nullptr;
  bool several = false;
  for (const auto& machine : policy.machines) {
    if (same_folded(machine.machine_id, text)) return &machine;
    if (!same_folded(last_segment(machine.machine_id), text)) continue;
    several = found != nullptr;
    found = &machine;
  }
  return several ? nullptr : found;
}

const PortRule* find_rule(const Policy& policy, std::string_view machine_id, std::uint16_t port) {
  const auto* machine = find_machine(policy, machine_id);
  if (!machine) return nullptr;
  const auto rule = std::find_if(machine->ports.begin(), machine->ports.end(),
                                 [&](const PortRule& candidate) { return candidate.number == port; });
  return rule == machine->ports.end() ? nullptr : &*rule;
}

namespace {

Error not_a_subset(const Policy& policy, const Faults& faults) {
  return faults.as_error(ErrorCode::not_subset_of_policy,
                         "The request is not a subset of policy '" + policy.id.path() + "'");
}

const PortRule* rule_for(const Policy& policy, const AskedPort& ask, Faults& faults) {
  if (!find_machine(policy, ask.machine)) {
    faults.add(ask.target.substr(0, ask.target.find('.')) + ".id",
               "The policy does not name the machine " + in_quotes(ask.machine) + ".");
    return nullptr;
  }
  const auto* rule = find_rule(policy, ask.machine, ask.port);
  if (!rule) {
    faults.add(ask.target + ".number",
               "The policy has no rule for port " + std::to_string(ask.port) + " of this machine.");
  }
  return rule;
}

void hold_against(const PortRule& rule, const AskedPort& ask, UtcTime now, Faults& faults) {
  if (ask.end - now > rule.max_duration + end_tolerance) {
    faults.add(ask.target, "The end lies later than the " + format_duration(rule.max_duration) +
                               " that the policy allows for port " + std::to_string(ask.port) + ".");
  }
  for (const auto& source : ask.sources) {
    if (covers(rule.sources, source)) continue;
    faults.add(ask.target + ".allowedSourceAddressPrefix",
               "The source " + in_quotes(to_string(source)) + " does not lie inside the sources that the policy allows.");
  }
}

// Blanks say nothing.
bool says_why(const std::string& justification) {
  return justification.find_first_not_of(' ') != std::string::npos;
}

}  // namespace

Result<std::vector<Grant>> grants_inside(const Policy& policy, const AskedAccess& asked, UtcTime now) {
  Faults faults;
  std::vector<Grant> grants;
  bool unexplained = false;
  for (const auto& ask : asked.ports) {
    const auto* rule = rule_for(policy, ask, faults);
    if (!rule) continue;
    if (rule->justification == Justification::required && !says_why(asked.justification) && !unexplained) {
      faults.add("justification", "The policy wants a justification for port " + std::to_string(ask.port) + ".");
      unexplained = true;
    }
    hold_against(*rule, ask, now, faults);
    Grant grant;
    grant.machine_id = find_machine(policy, ask.machine)->machine_id;
    grant.port = ask.port;
    grant.protocol = rule->protocol;
    grant.sources = ask.sources;
    grant.ending = rule->ending;
    grant.max_session = rule->max_session;
    grant.start = now;
    grant.by_duration = ask.by_duration;
    grant.end = std::min<UtcTime>(ask.end, now + rule->max_duration);
    grants.push_back(std::move(grant));
  }
  if (faults.any()) return not_a_subset(policy, faults);
  return grants;
}

std::optional<Error> ports_outside(const Policy& policy, const AskedAccess& asked) {
  Faults faults;
  for (const auto& ask : asked.ports) (void)rule_for(policy, ask, faults);
  if (!faults.any()) return std::nullopt;
  return not_a_subset(policy, faults);
}

bool wants_approval(const Policy& policy, const std::vector<Grant>& grants) {
  return std::any_of(grants.begin(), grants.end(), [&](const Grant& grant) {
    const auto* rule = find_rule(policy, grant.machine_id, grant.port);
    return rule && rule->approval == Approval::approve;
  });
}

bool lets_wait(const Policy& policy, const Request& request, const Grant& grant) {
  const auto* rule = find_rule(policy, grant.machine_id, grant.port);
  if (!rule || !still_allows(policy, grant)) return false;
  if (rule->justification == Justification::required && !says_why(request.justification)) return false;
  return grant.state == GrantState::pending || rule->approval == Approval::automatic || !request.answered_by.empty();
}

bool still_allows(const Policy& policy, const Grant& grant) {
  const auto* rule = find_rule(policy, grant.machine_id, grant.port);
  if (!rule) return false;
  if (rule->protocol != Protocol::any && rule->protocol != grant.protocol) return false;
  if (grant.end - grant.counted_from() > rule->max_duration) return false;
  return std::all_of(grant.sources.begin(), grant.sources.end(),
                     [&](const Source& source) { return covers(rule->sources, source); });
}

}  // namespace postern::core
