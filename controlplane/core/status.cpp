// SPDX-License-Identifier: Apache-2.0
// What is only read: the gate's status and the audit.
#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {

const Settings& Gatekeeper::settings() const {
  return parts_->settings;
}

Result<GateStatus> Gatekeeper::gate_status(const Caller& caller) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "gate.status", actions::gate_read, "/")) return *error;
  return p.dataplane.status();
}

Result<std::vector<AuditRecord>> Gatekeeper::audit(const Caller& caller, const AuditQuery& query) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "audit.read", actions::audit_read, "/")) return *error;
  return p.store.audit(query);
}

Result<std::uint64_t> Gatekeeper::verify_audit(const Caller& caller) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "audit.verify", actions::audit_read, "/")) return *error;
  return p.store.verify_audit();
}

}  // namespace postern::core
