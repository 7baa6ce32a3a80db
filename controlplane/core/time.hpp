// SPDX-License-Identifier: Apache-2.0
// Times as values: UTC for people, boot time for the kernel; ISO 8601 durations and RFC 3339 times as text.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "controlplane/core/result.hpp"

namespace postern::core {

using UtcTime = std::chrono::sys_time<std::chrono::nanoseconds>;

// Tag of CLOCK_BOOTTIME, the clock the packet path compares deadlines with (it runs on during suspend).
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using BootTime = BootClock::time_point;

struct Now {
  UtcTime utc;
  BootTime boot;
};

// P[nD][T[nH][nM][nS]] in any letter case, at least one part; no years, months, weeks; at most nine digits a part;
// a fraction only in seconds (dropped).
Result<std::chrono::seconds> parse_duration(std::string_view text);
std::string format_duration(std::chrono::seconds duration);  // "PT3H", "PT1H30M", "PT0S"

// RFC 3339 / ISO 8601: date T time, 0–9 decimals, Z or ±hh:mm, no zone = UTC. Years 1970–2200.
Result<UtcTime> parse_time(std::string_view text);
std::string format_time(UtcTime time);  // YYYY-MM-DDThh:mm:ss.fffffffZ, seven decimals as Azure writes

}  // namespace postern::core
