// SPDX-License-Identifier: Apache-2.0
// IP addresses, prefixes and sources as values: parsed strictly once, compared by containment, never by text.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/core/result.hpp"

namespace postern::core {

enum class Family : std::uint8_t { ipv4 = 4, ipv6 = 6 };

// Bytes in network order; IPv4 uses the first four, the others are zero.
struct Address {
  Family family = Family::ipv4;
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Address&) const = default;
};

// Dotted quad (no octal, no short forms) or RFC 4291 text, nothing before or after, no zone id. ::ffff:a.b.c.d is
// taken as IPv4.
Result<Address> parse_address(std::string_view text);
std::string to_string(const Address& address);  // RFC 5952

// A block of addresses; host bits are zero (masked when parsed).
struct Prefix {
  Address address;
  std::uint8_t length = 0;  // 0–32 or 0–128
  auto operator<=>(const Prefix&) const = default;

  bool contains(const Address& other) const;
  bool contains(const Prefix& other) const;
};

// "address" or "address/length". Host bits set are accepted and masked. ::ffff:a.b.c.d/96+n becomes a.b.c.d/n.
Result<Prefix> parse_prefix(std::string_view text);
std::string to_string(const Prefix& prefix);  // without "/32" and "/128"

// Where a client may come from: a prefix, or any source ("*", of both families).
struct Source {
  std::optional<Prefix> prefix;  // none: any
  auto operator<=>(const Source&) const = default;

  bool contains(const Source& other) const;  // "*" lies inside "*" only
};

Result<Source> parse_source(std::string_view text);
std::string to_string(const Source& source);
// Sorted, without duplicates: two lists name the same set of sources if these are equal.
std::vector<Source> canonical(std::vector<Source> sources);
bool covers(const std::vector<Source>& allowed, const Source& asked);
bool overlap(const std::vector<Source>& left, const std::vector<Source>& right);  // some address is in both

}  // namespace postern::core
