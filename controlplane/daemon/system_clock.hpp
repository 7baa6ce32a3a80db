// SPDX-License-Identifier: Apache-2.0
// core::Clock on Linux: wall clock, CLOCK_BOOTTIME (what the packet path compares deadlines with) and the boot id.
#pragma once

#include <string>

#include "controlplane/core/ports.hpp"

namespace postern::daemon {

class SystemClock final : public core::Clock {
 public:
  SystemClock();  // reads the boot id once; empty if /proc has none
  core::Now now() const override;
  std::string boot_id() const override { return boot_id_; }

 private:
  std::string boot_id_;
};

}  // namespace postern::daemon
