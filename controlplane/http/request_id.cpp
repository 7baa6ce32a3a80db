// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/request_id.hpp"

#include <sys/random.h>

#include <array>

namespace postern::http {

std::string new_request_id() {
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) bytes = {};
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0fU) | 0x40U);  // RFC 9562: version 4, variant 1
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3fU) | 0x80U);
  constexpr std::string_view digits = "0123456789abcdef";
  std::string id;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id.push_back('-');
    id += {digits[bytes[i] >> 4], digits[bytes[i] & 15]};
  }
  return id;
}

std::string one_line(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 512)) {
    const bool plain = static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '"' && c != '\\';
    out.push_back(plain ? c : '?');
  }
  return out + "\"";
}

}  // namespace postern::http
