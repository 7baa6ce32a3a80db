// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/audit_keeping.hpp"

#include <spdlog/spdlog.h>

namespace postern::daemon {
namespace {

constexpr std::size_t removed_a_turn = 1000;
constexpr unsigned turns_between_removals = 60;
// A clock that was just set may have been set wrong, and what is removed cannot be had back.
constexpr std::chrono::hours clock_steady_for{1};
constexpr std::chrono::minutes clock_tolerance{1};

}  // namespace

void AuditKeeping::turn() {
  sign(false);
  if (retention_) retain();
}

void AuditKeeping::stop() {
  sign(true);
}

void AuditKeeping::sign(bool stopping) {
  const auto line = store_.sign_head(stopping);
  if (line && *line) spdlog::info("Audit head. {}", **line);
  const std::string trouble = line ? "" : line.error().message;
  if (trouble == trouble_) return;
  if (!trouble.empty()) spdlog::critical("ALARM: the head of the audit is not signed. why=\"{}\"", trouble);
  gatekeeper_.warn("heads", trouble.empty() ? "" : "The head of the audit is not signed: " + trouble);
  trouble_ = trouble;
}

void AuditKeeping::retain() {
  const core::Now now = clock_.now();
  const auto drift = steady_since_ ? (now.utc - steady_since_->utc) - (now.boot - steady_since_->boot)
                                   : std::chrono::nanoseconds::max();
  if (!steady_since_ || std::chrono::abs(drift) > clock_tolerance) steady_since_ = now;
  if (now.boot - steady_since_->boot < clock_steady_for) return;
  if (waited_++ % turns_between_removals != 0) return;
  const auto removed = store_.retain(now.utc - *retention_, removed_a_turn);
  if (removed && *removed == removed_a_turn) waited_ = 0;  // there is more
  if (removed && *removed > 0) spdlog::info("Old audit records were taken out. records={}", *removed);
  gatekeeper_.warn("retention", removed ? "" : "Old audit records cannot be taken out: " + removed.error().message);
}

}  // namespace postern::daemon
