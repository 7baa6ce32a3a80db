// SPDX-License-Identifier: Apache-2.0
// How the clock of people and the clock of the kernel relate, as last measured; and what that makes of a grant's end.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>

#include "controlplane/core/model.hpp"

namespace postern::core {

struct Timeline {
  std::chrono::nanoseconds boot_minus_utc{};
  std::string boot_id;
  bool believed = true;  // false: the wall clock is older than what the store has seen

  // The earlier of the UTC end and (boot time at the start, or last extension, + granted length); in another boot the UTC end alone, and
  // nothing while the wall clock is not believed. Never negative: the kernel's clock is unsigned.
  std::optional<BootTime> deadline_of(const Grant& grant) const {
    const BootTime by_utc(std::max(std::chrono::nanoseconds(0), grant.end.time_since_epoch() + boot_minus_utc));
    if (grant.boot_id == boot_id) return std::min(by_utc, grant.boot_start + (grant.end - grant.counted_from()));
    return believed ? std::optional(by_utc) : std::nullopt;
  }
};

}  // namespace postern::core
