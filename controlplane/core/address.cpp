// SPDX-License-Identifier: Apache-2.0
// Addresses and blocks: strict reading, canonical writing (RFC 5952), containment.
#include "controlplane/core/address.hpp"

#include <algorithm>

#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr unsigned bits_of(Family family) {
  return family == Family::ipv4 ? 32 : 128;
}

Error not_an_address(std::string_view text) {
  return {ErrorCode::invalid_input, in_quotes(text) + " is not an IPv4 or IPv6 address.", "", {}};
}

std::optional<std::array<std::uint8_t, 4>> read_quad(std::string_view text) {
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  std::array<std::uint8_t, 4> bytes{};
  for (std::size_t i = 0; i < 4; ++i) {
    const auto value = parse_digits(parts[i], 3);
    // A leading zero is octal to some readers and decimal to others: refused.
    if (!value || *value > 255 || (parts[i].size() > 1 && parts[i][0] == '0')) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(*value);
  }
  return bytes;
}

std::optional<std::uint16_t> read_group(std::string_view text) {
  if (text.empty() || text.size() > 4) return std::nullopt;
  unsigned value = 0;
  for (const char character : text) {
    unsigned digit = 0;
    if (is_digit(character)) {
      digit = static_cast<unsigned>(character - '0');
    } else if (character >= 'a' && character <= 'f') {
      digit = static_cast<unsigned>(character - 'a') + 10;
    } else if (character >= 'A' && character <= 'F') {
      digit = static_cast<unsigned>(character - 'A') + 10;
    } else {
      return std::nullopt;
    }
    value = value * 16 + digit;
  }
  return static_cast<std::uint16_t>(value);
}

// Groups between colons; the last may be a dotted quad if the text ends there. Empty text: no groups.
std::optional<std::vector<std::uint16_t>> read_groups(std::string_view text, bool ends_address) {
  std::vector<std::uint16_t> groups;
  if (text.empty()) return groups;
  const auto parts = split(text, ':');
  if (parts.size() > 8) return std::nullopt;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (ends_address && i + 1 == parts.size() && parts[i].find('.') != std::string_view::npos) {
      const auto quad = read_quad(parts[i]);
      if (!quad) return std::nullopt;
      groups.push_back(static_cast<std::uint16_t>((*quad)[0] << 8 | (*quad)[1]));
      groups.push_back(static_cast<std::uint16_t>((*quad)[2] << 8 | (*quad)[3]));
      continue;
    }
    const auto group = read_group(parts[i]);
    if (!group) return std::nullopt;
    groups.push_back(*group);
  }
  return groups;
}

std::optional<Address> read_ipv6(std::string_view text) {
  const auto gap = text.find("::");
  const bool gapped = gap != std::string_view::npos;
  auto head = read_groups(text.substr(0, gap), !gapped);
  auto tail = gapped ? read_groups(text.substr(gap + 2), true) : std::vector<std::uint16_t>{};
  if (!head || !tail) return std::nullopt;
  const auto count = head->size() + tail->size();
  if (gapped ? count > 7 : count != 8) return std::nullopt;
  head->resize(8 - tail->size(), 0);
  head->insert(head->end(), tail->begin(), tail->end());
  Address address{Family::ipv6, {}};
  for (std::size_t i = 0; i < 8; ++i) {
    address.bytes[2 * i] = static_cast<std::uint8_t>((*head)[i] >> 8);
    address.bytes[2 * i + 1] = static_cast<std::uint8_t>((*head)[i] & 0xff);
  }
  return address;
}

std::optional<Address> read_as_written(std::string_view text) {
  if (text.find(':') != std::string_view::npos) return read_ipv6(text);
  const auto quad = read_quad(text);
  if (!quad) return std::nullopt;
  Address address{Family::ipv4, {}};
  std::copy(quad->begin(), quad->end(), address.bytes.begin());
  return address;
}

bool is_mapped(const Address& address) {
  if (address.family != Family::ipv6) return false;
  for (std::size_t i = 0; i < 10; ++i) {
    if (address.bytes[i] != 0) return false;
  }
  return address.bytes[10] == 0xff && address.bytes[11] == 0xff;
}

Address unmapped(const Address& address) {
  Address result{Family::ipv4, {}};
  std::copy(address.bytes.begin() + 12, address.bytes.end(), result.bytes.begin());
  return result;
}

Address masked(Address address, unsigned length) {
  for (unsigned i = 0; i < address.bytes.size(); ++i) {
    const unsigned first = i * 8;
    if (first >= length) {
      address.bytes[i] = 0;
    } else if (first + 8 > length) {
      address.bytes[i] = static_cast<std::uint8_t>(address.bytes[i] & (0xff00U >> (length - first)));
    }
  }
  return address;
}

std::string hex(unsigned value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string result;
  for (int shift = 12; shift >= 0; shift -= 4) {
    const unsigned digit = (value >> shift) & 0xf;
    if (digit != 0 || !result.empty() || shift == 0) result += digits[digit];
  }
  return result;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  const auto address = read_as_written(text);
  if (!address) return not_an_address(text);
  return is_mapped(*address) ? unmapped(*address) : *address;
}

std::string to_string(const Address& address) {
  if (address.family == Family::ipv4) {
    std::string result;
    for (std::size_t i = 0; i < 4; ++i) result += (i > 0 ? "." : "") + std::to_string(unsigned{address.bytes[i]});
    return result;
  }
  std::array<unsigned, 8> groups{};
  for (std::size_t i = 0; i < 8; ++i) groups[i] = unsigned{address.bytes[2 * i]} << 8 | address.bytes[2 * i + 1];
  std::size_t gap = 8, gap_length = 1;  // the first longest run of at least two zero groups is written "::"
  for (std::size_t i = 0; i < 8; ++i) {
    std::size_t run = 0;
    while (i + run < 8 && groups[i + run] == 0) ++run;
    if (run > gap_length) gap = i, gap_length = run;
  }
  std::string result;
  for (std::size_t i = 0; i < 8; ++i) {
    if (i == gap) {
      result += "::";
      i += gap_length - 1;
      continue;
    }
    if (!result.empty() && result.back() != ':') result += ':';
    result += hex(groups[i]);
  }
  return result;
}

bool Prefix::contains(const Address& other) const {
  return other.family == address.family && masked(other, length) == address;
}

bool Prefix::contains(const Prefix& other) const {
  return other.length >= length && contains(other.address);
}

Result<Prefix> parse_prefix(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = read_as_written(text.substr(0, slash));
  if (!address) return Error{ErrorCode::invalid_input, in_quotes(text) + " is not an IP address or block.", "", {}};
  auto length = std::uint64_t{bits_of(address->family)};
  if (slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto given = parse_digits(digits, 3);
    if (!given || *given > length || (digits.size() > 1 && digits[0] == '0')) {
      return Error{ErrorCode::invalid_input,
                   in_quotes(text) + " has a prefix length that is not 0 to " + std::to_string(length) + ".",
                   "",
                   {}};
    }
    length = *given;
  }
  const bool as_ipv4 = is_mapped(*address) && length >= 96;
  const Address base = as_ipv4 ? unmapped(*address) : *address;
  if (as_ipv4) length -= 96;
  return Prefix{masked(base, static_cast<unsigned>(length)), static_cast<std::uint8_t>(length)};
}

std::string to_string(const Prefix& prefix) {
  const auto text = to_string(prefix.address);
  return prefix.length == bits_of(prefix.address.family) ? text : text + "/" + std::to_string(unsigned{prefix.length});
}

bool Source::contains(const Source& other) const {
  if (!prefix) return true;
  return other.prefix && prefix->contains(*other.prefix);
}

Result<Source> parse_source(std::string_view text) {
  if (text == "*") return Source{};
  const auto prefix = parse_prefix(text);
  if (prefix) return Source{*prefix};
  auto error = prefix.error();
  if (text.find('/') == std::string_view::npos || !read_as_written(text.substr(0, text.find('/')))) {
    error.message = in_quotes(text) + " is neither an IP address, a block such as 203.0.113.0/24, nor '*'.";
  }
  return error;
}

std::string to_string(const Source& source) {
  return source.prefix ? to_string(*source.prefix) : "*";
}

std::vector<Source> canonical(std::vector<Source> sources) {
  std::sort(sources.begin(), sources.end());
  sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
  return sources;
}

bool overlap(const std::vector<Source>& left, const std::vector<Source>& right) {
  const auto meet = [](const Source& a, const Source& b) {
    return !a.prefix || !b.prefix || a.prefix->contains(*b.prefix) || b.prefix->contains(*a.prefix);
  };
  return std::any_of(left.begin(), left.end(), [&](const Source& a) {
    return std::any_of(right.begin(), right.end(), [&](const Source& b) { return meet(a, b); });
  });
}

bool covers(const std::vector<Source>& allowed, const Source& asked) {
  return std::any_of(allowed.begin(), allowed.end(), [&](const Source& source) { return source.contains(asked); });
}

}  // namespace postern::core
