// SPDX-License-Identifier: Apache-2.0
// What stands between a well-formed request and its grants: which policy, and whether anything could be opened at all.
#include <algorithm>
#include <set>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

bool names_all(const Policy& policy, const AskedAccess& asked) {
  return std::all_of(asked.ports.begin(), asked.ports.end(), [&](const AskedPort& port) {
    const auto* machine = machine_meant(policy, port.machine);
    return machine && find_rule(policy, machine->machine_id, port.port);
  });
}

// Where names and ids both are understood, one machine's port can be asked for in two spellings.
std::optional<Error> asked_twice(const AskedAccess& asked) {
  Faults faults;
  std::set<std::pair<std::string, std::uint16_t>> seen;
  for (const auto& port : asked.ports) {
    if (seen.insert({folded(port.machine), port.port}).second) continue;
    faults.add(port.target + ".number", "Port " + std::to_string(port.port) + " of this machine is named twice.");
  }
  if (!faults.any()) return std::nullopt;
  return faults.as_error(ErrorCode::invalid_initiate_input, "The request is not valid");
}

std::string what_was_asked(const AskedAccess& asked) {
  std::vector<std::string> parts;
  for (const auto& port : asked.ports) parts.push_back(in_quotes(port.machine) + " port " + std::to_string(port.port));
  return joined(parts);
}

}  // namespace

// Replaces names by ids once the policy is found.
Result<const Policy*> Gatekeeper::Parts::policy_for(const Caller& caller, const PolicyId* named,
                                                    AskedAccess& asked) const {
  if (named) {
    if (const auto* policy = ledger.policy(*named)) return policy;
    return Error{ErrorCode::policy_not_found, "There is no policy '" + named->path() + "'.", "", {}};
  }
  std::vector<const Policy*> fitting;
  std::vector<std::string> names;
  for (const auto& [key, policy] : ledger.policies()) {
    if (!names_all(policy, asked)) continue;
    const bool allowed =
        allows(caller.principal, actions::policy_initiate, policy.id.path()) ||
        std::all_of(asked.ports.begin(), asked.ports.end(), [&](const AskedPort& port) {
          return allows(caller.principal, actions::policy_initiate, machine_meant(policy, port.machine)->machine_id);
        });
    if (!allowed) continue;
    fitting.push_back(&policy);
    names.push_back("'" + policy.id.path() + "'");
  }
  if (fitting.empty()) {
    return Error{ErrorCode::policy_not_found,
                 "No policy that you may use has rules for " + what_was_asked(asked) +
                     " (a name that several machines of a policy have is not enough: use the id).",
                 "",
                 {}};
  }
  if (fitting.size() > 1) {
    return Error{
        ErrorCode::conflict,
        "Several policies have rules for " + what_was_asked(asked) + ": " + joined(names) + "; name the one to use.",
        "",
        {}};
  }
  for (auto& port : asked.ports) port.machine = machine_meant(*fitting.front(), port.machine)->machine_id;
  if (auto error = asked_twice(asked)) return *error;
  return fitting.front();
}

std::optional<Error> Gatekeeper::Parts::cannot_open(const std::vector<Grant>& grants, const AskedAccess& asked) const {
  Faults faults;
  for (std::size_t i = 0; i < grants.size(); ++i) {
    const auto& grant = grants[i];
    const auto& target = asked.ports[i].target;
    const auto* machine = ledger.machine(grant.machine_id);
    if (!machine) {
      faults.add(target, "The machine " + in_quotes(grant.machine_id) +
                             " is not registered with this gate, so there is no address to open.");
      continue;
    }
    const auto services = services_of(*machine, grant.port, grant.protocol);
    if (services.empty()) {
      faults.add(target, "The machine " + in_quotes(machine->name) + " has no address, so there is nothing to open.");
      continue;
    }
    for (const auto& source : grant.sources) {
      const bool reaches = std::any_of(services.begin(), services.end(),
                                       [&](const auto& key) { return !sources_for(key, {source}).empty(); });
      if (reaches) continue;
      faults.add(target + ".allowedSourceAddressPrefix",
                 "The machine " + in_quotes(machine->name) +
                     " has no address of the same family (IPv4 or IPv6) as the source " + in_quotes(to_string(source)) +
                     ".");
    }
  }
  if (faults.any()) return faults.as_error(ErrorCode::invalid_initiate_input, "The request cannot be carried out");
  return clock_not_believed();
}

std::optional<Error> Gatekeeper::Parts::cannot_open(const std::vector<Grant>& grants) const {
  AskedAccess asked;
  for (std::size_t i = 0; i < grants.size(); ++i) asked.ports.emplace_back().target = indexed("grants", i);
  return cannot_open(grants, asked);
}

}  // namespace postern::core
