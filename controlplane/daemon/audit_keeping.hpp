// SPDX-License-Identifier: Apache-2.0
// The audit's housekeeping by the clock: heads are signed and told to the log, old records taken out, a bounded stretch
// each time.
#pragma once

#include <optional>
#include <string>

#include "controlplane/core/access.hpp"
#include "controlplane/store/sqlite_store.hpp"

namespace postern::daemon {

class AuditKeeping {
 public:
  // `retention` none: everything is kept.
  AuditKeeping(store::SqliteStore& store, core::Gatekeeper& gatekeeper, const core::Clock& clock,
               std::optional<std::chrono::seconds> retention)
      : store_(store), gatekeeper_(gatekeeper), clock_(clock), retention_(retention) {}

  void turn();  // to be called about once a second
  void stop();  // signs what came since

 private:
  void sign(bool stopping);
  void retain();

  store::SqliteStore& store_;
  core::Gatekeeper& gatekeeper_;
  const core::Clock& clock_;
  std::optional<std::chrono::seconds> retention_;
  std::optional<core::Now> steady_since_;
  unsigned waited_ = 0;
  std::string trouble_;
};

}  // namespace postern::daemon
