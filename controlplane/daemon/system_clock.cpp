// SPDX-License-Identifier: Apache-2.0
// The kernel's clocks.
#include "controlplane/daemon/system_clock.hpp"

#include <time.h>

#include <fstream>

namespace postern::daemon {

namespace {

std::chrono::nanoseconds read(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

SystemClock::SystemClock() {
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot_id_;
}

core::Now SystemClock::now() const {
  return {core::UtcTime(read(CLOCK_REALTIME)), core::BootTime(read(CLOCK_BOOTTIME))};
}

}  // namespace postern::daemon
