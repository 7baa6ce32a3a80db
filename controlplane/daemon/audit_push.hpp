// SPDX-License-Identifier: Apache-2.0
// Everybody outside who is told of audit records, and what status and metrics say of it.
#pragma once

#include <list>
#include <optional>

#include "controlplane/core/access.hpp"
#include "controlplane/daemon/audit_journal.hpp"
#include "controlplane/daemon/webhook.hpp"

namespace postern::daemon {

class AuditPush {
 public:
  AuditPush(boost::asio::io_context& io, store::SqliteStore& store, const core::Clock& clock, core::Gatekeeper& gatekeeper,
            const Config& config);

  void turn();  // to be called about once a second
  void stop();

 private:
  core::Gatekeeper& gatekeeper_;
  std::optional<AuditJournal> journal_;
  std::list<Webhook> webhooks_;
};

}  // namespace postern::daemon
