// SPDX-License-Identifier: Apache-2.0
// core::Randomness: secrets from the kernel's generator, SHA-256 from OpenSSL.
#pragma once

#include <string>

#include "controlplane/core/ports.hpp"

namespace postern::daemon {

class SystemRandomness final : public core::Randomness {
 public:
  std::string token_secret() override;  // 43 characters of base64url; throws if the kernel gives no randomness
  std::string sha256_hex(std::string_view text) const override;
};

}  // namespace postern::daemon
