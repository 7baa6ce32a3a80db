// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until told otherwise, and the randomness of a test: the same in every run.
#pragma once

#include <cstdint>
#include <string>

#include "controlplane/core/ports.hpp"

namespace postern::tests {

class ManualClock : public core::Clock {
 public:
  core::Now now() const override { return now_; }
  std::string boot_id() const override { return boot_id_; }

  void advance(std::chrono::nanoseconds by) { now_.utc += by, now_.boot += by; }
  void step_wall(std::chrono::nanoseconds by) { now_.utc += by; }  // somebody set the clock
  void reboot(std::string boot_id) {
    boot_id_ = std::move(boot_id);
    now_.boot = core::BootTime(std::chrono::seconds(20));
  }

 private:
  core::Now now_{core::UtcTime(std::chrono::seconds(1893553445)), core::BootTime(std::chrono::hours(5))};
  std::string boot_id_ = "boot-1";
};

class FixedRandomness : public core::Randomness {
 public:
  std::string token_secret() override { return "secret-" + std::to_string(++secrets_); }
  // No SHA-256, but as long, and different for different texts.
  std::string sha256_hex(std::string_view text) const override {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string result;
    for (std::uint64_t round = 0; round < 4; ++round) {
      std::uint64_t value = 1469598103934665603ULL + round;
      for (const char character : text) value = (value ^ static_cast<unsigned char>(character)) * 1099511628211ULL;
      for (int shift = 60; shift >= 0; shift -= 4) result += digits[(value >> shift) & 0xf];
    }
    return result;
  }

 private:
  int secrets_ = 0;
};

}  // namespace postern::tests
