// SPDX-License-Identifier: Apache-2.0
// getrandom(2), base64url without padding, and hex digests.
#include "controlplane/daemon/randomness.hpp"

#include <openssl/sha.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <system_error>

namespace postern::daemon {

namespace {

void fill(std::span<std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t got = ::getrandom(bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw std::system_error(errno, std::generic_category(), "getrandom");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

std::string base64url(std::span<const std::uint8_t> bytes) {
  constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  std::uint32_t held = 0;
  int bits = 0;
  for (const std::uint8_t byte : bytes) {
    held = (held << 8 | byte) & 0xffff;
    for (bits += 8; bits >= 6; bits -= 6) text += alphabet[held >> (bits - 6) & 63];
  }
  if (bits > 0) text += alphabet[held << (6 - bits) & 63];
  return text;
}

}  // namespace

std::string SystemRandomness::token_secret() {
  std::array<std::uint8_t, 32> bytes{};
  fill(bytes);
  return base64url(bytes);
}

std::string SystemRandomness::sha256_hex(std::string_view text) const {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  if (!SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data()))
    throw std::runtime_error("OpenSSL could not compute a SHA-256");
  constexpr char hex[] = "0123456789abcdef";
  std::string result;
  for (const unsigned char byte : digest) {
    result += hex[byte >> 4];
    result += hex[byte & 15];
  }
  return result;
}

}  // namespace postern::daemon
