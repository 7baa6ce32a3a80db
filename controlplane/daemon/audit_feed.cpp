// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/audit_feed.hpp"

namespace postern::daemon {

core::Result<void> AuditFeed::begin() {
  if (begun_) return {};
  const auto place = store_.cursor(name_);
  if (!place) return place.error();
  place_ = saved_ = *place;
  begun_ = true;
  return {};
}

core::Result<std::vector<core::AuditRecord>> AuditFeed::next(std::size_t at_most) {
  if (const auto begun = begin(); !begun) return begun.error();
  return store_.audit_after(place_, at_most);
}

core::Result<void> AuditFeed::save() {
  if (place_ == saved_) return {};
  if (const auto saved = store_.set_cursor(name_, place_); !saved) return saved;
  saved_ = place_;
  return {};
}

std::uint64_t AuditFeed::waiting() {
  core::AuditQuery newest;
  newest.limit = 1;
  const auto records = begun_ ? store_.audit(newest) : std::vector<core::AuditRecord>();
  if (!records || records->empty()) return 0;
  const std::uint64_t end = records->front().sequence;
  return end > place_ ? end - place_ : 0;
}

}  // namespace postern::daemon
