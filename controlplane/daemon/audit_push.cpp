// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/audit_push.hpp"

namespace postern::daemon {

AuditPush::AuditPush(boost::asio::io_context& io, store::SqliteStore& store, const core::Clock& clock,
                     core::Gatekeeper& gatekeeper, const Config& config)
    : gatekeeper_(gatekeeper) {
  if (config.audit_journal) journal_.emplace(store);
  for (const WebhookTarget& target : config.audit_webhooks) webhooks_.emplace_back(io, store, clock, target).start();
}

void AuditPush::turn() {
  if (journal_) {
    journal_->turn();
    const std::string& trouble = journal_->trouble();
    gatekeeper_.warn("journal", trouble.empty() ? "" : "Audit records do not reach the journal: " + trouble + ".");
    gatekeeper_.note_push("journal", {journal_->delivered(), journal_->failed(), journal_->waiting()});
  }
  for (Webhook& hook : webhooks_) {
    const std::string name = hook.target().name();
    const std::uint64_t waiting = hook.waiting();
    gatekeeper_.warn("webhook " + name, hook.trouble().empty() ? ""
                                                               : "Audit records do not reach " + name + " (" +
                                                                     std::to_string(waiting) + " wait): " + hook.trouble() +
                                                                     ".");
    gatekeeper_.note_push(name, {hook.delivered(), hook.failed(), waiting});
  }
}

void AuditPush::stop() {
  if (journal_) journal_->turn();
  for (Webhook& hook : webhooks_) hook.stop();
}

}  // namespace postern::daemon
