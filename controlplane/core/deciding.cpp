// SPDX-License-Identifier: Apache-2.0
// Who may do what, and the one record that each decision leaves.
#include <algorithm>
#include <set>

#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t detail_bytes_max = 4000;  // a refusal quotes what was sent: keep the audit from being filled

std::string cut(std::string text) {
  if (text.size() <= detail_bytes_max) return text;
  text.resize(detail_bytes_max);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.pop_back();
  return text + "…";
}

std::string with_faults(const Error& error) {
  std::string text = error.message;
  for (std::size_t i = 1; i < error.faults.size() && text.size() < detail_bytes_max; ++i) {
    text += " " + error.faults[i].target + ": " + error.faults[i].message;
  }
  return cut(std::move(text));
}

std::vector<std::string> each_once(const std::vector<std::string>& machines) {
  std::vector<std::string> ids;
  std::set<std::string> seen;
  for (const auto& id : machines)
    if (seen.insert(folded(id)).second) ids.push_back(id);
  return ids;
}

}  // namespace

const Role* Gatekeeper::Parts::role_of(const Assignment& assignment) const {
  return find_role(assignment.role, settings.roles);
}

bool Gatekeeper::Parts::allows(const Principal& principal, std::string_view action, std::string_view resource) const {
  return allowed(principal, action, resource, settings.roles);
}

bool Gatekeeper::Parts::allows_anywhere(const Principal& principal, std::string_view action) const {
  return std::any_of(principal.assignments.begin(), principal.assignments.end(), [&](const Assignment& assignment) {
    const auto* role = role_of(assignment);
    return role && role_allows(*role, action);
  });
}

std::optional<Error> Gatekeeper::Parts::forbidden(const Caller& caller, std::string_view action,
                                                  std::string_view resource) const {
  if (allows(caller.principal, action, resource)) return std::nullopt;
  return lacks(caller, action, resource);
}

Error Gatekeeper::Parts::lacks(const Caller& caller, std::string_view action, std::string_view resource) {
  return {ErrorCode::authorization_failed,
          "The client '" + caller.principal.name + "' does not have authorization to perform action '" +
              std::string(action) + "' over scope '" + std::string(resource) + "'.",
          "",
          {}};
}

AuditRecord Gatekeeper::Parts::record(const Decision& decision, Outcome outcome, std::string detail) const {
  AuditRecord record;
  record.time = clock.now().utc;
  record.operation = decision.operation;
  record.outcome = outcome;
  record.principal = decision.caller.principal.name;
  record.source = decision.caller.address ? to_string(*decision.caller.address) : "";
  record.request_id = decision.caller.request_id;
  record.client_request_id = decision.caller.client_request_id;
  record.policy = decision.policy;
  record.machines = each_once(decision.machines);
  record.grants = decision.grants;
  record.detail = cut(std::move(detail));
  return record;
}

Error Gatekeeper::Parts::refuse(const Decision& decision, Error error) {
  ChangeSet change;
  change.audit.push_back(record(decision, Outcome::refused, with_faults(error)));
  change.audit.back().code = std::string(wire_name(error.code));
  if (auto written = commit(change); written) return error;
  return {ErrorCode::service_unavailable,
          "The decision could not be recorded, so none was made; please try again later.",
          "",
          {}};
}

std::optional<Error> Gatekeeper::Parts::refused_read(const Caller& caller, std::string_view operation,
                                                     std::string_view action, std::string_view resource) {
  auto error = forbidden(caller, action, resource);
  if (!error) return std::nullopt;
  return refuse({caller, std::string(operation)}, *std::move(error));
}

}  // namespace postern::core
