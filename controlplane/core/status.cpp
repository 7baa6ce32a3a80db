// SPDX-License-Identifier: Apache-2.0
// What is only read: the gate's status and the audit. Events: following.cpp.
#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {

const Settings& Gatekeeper::settings() const {
  return parts_->settings;
}

Result<GateStatus> Gatekeeper::gate_status(const Caller& caller) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "gate.status", actions::gate_read, "/")) return *error;
  auto status = p.dataplane.status();
  if (!status) return status;
  status->grants = p.ledger.by_deadline().size();
  for (auto& sentence : warnings()) status->warnings.push_back(std::move(sentence));
  return status;
}

std::vector<std::string> Gatekeeper::warnings() const {
  auto sentences = switched_off();
  for (const auto& [about, sentence] : parts_->warnings) sentences.push_back(sentence);
  for (auto& sentence : parts_->lost_roles()) sentences.push_back(std::move(sentence));
  for (auto& sentence : parts_->break_glass_warnings()) sentences.push_back(std::move(sentence));
  return sentences;
}

void Gatekeeper::warn(const std::string& about, std::string sentence) {
  if (sentence.empty()) {
    parts_->warnings.erase(about);
  } else {
    parts_->warnings[about] = std::move(sentence);
  }
}

Result<std::vector<ServiceCount>> Gatekeeper::service_counts(const Caller& caller) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "gate.services", actions::gate_read, "/")) return *error;
  return p.dataplane.service_counts();
}

Result<std::vector<RoleView>> Gatekeeper::list_roles(const Caller& caller) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::role_read)) {
    if (auto error = p.refused_read(caller, "role.list", actions::role_read, "/")) return *error;
  }
  std::vector<RoleView> views;
  for (const auto& role : built_in_roles()) views.push_back({role, true});
  for (const auto& role : p.settings.roles) views.push_back({role, false});
  return views;
}

Result<std::vector<AuditRecord>> Gatekeeper::audit(const Caller& caller, const AuditQuery& query) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "audit.read", actions::audit_read, "/")) return *error;
  return p.store.audit(query);
}

Result<AuditCheck> Gatekeeper::verify_audit(const Caller& caller, const std::vector<std::string>& heads) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "audit.verify", actions::audit_read, "/")) return *error;
  return p.store.check_audit(heads);
}

}  // namespace postern::core
