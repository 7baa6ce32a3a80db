// SPDX-License-Identifier: Apache-2.0
// The Ed25519 key that signs heads of the audit, in a file of the daemon's own. It proves nothing to whoever distrusts this
// host: for that, signed heads are kept elsewhere.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "controlplane/core/result.hpp"

namespace postern::store {

class HeadKey {
 public:
  // Makes the file (PKCS 8 in PEM, mode 0600) if there is none. One that others may read is refused.
  static core::Result<HeadKey> load_or_make(const std::filesystem::path& file);

  const std::string& id() const { return id_; }                  // 16 hex digits of the public key's SHA-256
  const std::string& public_key() const { return public_key_; }  // 32 bytes
  std::string sign(std::string_view text) const;                 // 64 bytes; throws std::runtime_error if OpenSSL fails

 private:
  struct Free {
    void operator()(void* key) const;
  };
  using Key = std::unique_ptr<void, Free>;
  explicit HeadKey(Key key);
  static core::Result<HeadKey> make(const std::filesystem::path& file);

  Key key_;
  std::string id_, public_key_;
};

std::string key_id(std::string_view public_key);
bool is_signed(std::string_view public_key, std::string_view text, std::string_view signature);

std::string hex(std::string_view bytes);
std::string from_hex(std::string_view text);  // "" if it is none

}  // namespace postern::store
