// SPDX-License-Identifier: Apache-2.0
#include "controlplane/core/principal_name.hpp"

#include <cstdint>
#include <optional>

#include "controlplane/core/model.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t characters_max = 128;

// Takes the next character; nothing if it is no UTF-8 (RFC 3629: shortest form, no surrogates).
std::optional<std::uint32_t> take(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t size = byte(0) < 0x80 ? 1 : byte(0) >= 0xc2 && byte(0) < 0xe0 ? 2 : (byte(0) & 0xf0) == 0xe0 ? 3 : byte(0) >= 0xf0 && byte(0) < 0xf5 ? 4 : 0;
  if (size == 0 || text.size() < size) return std::nullopt;
  std::uint32_t character = size == 1 ? byte(0) : byte(0) & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    character = character << 6 | (byte(i) & 0x3fU);
  }
  const bool too_long = (size == 3 && character < 0x800) || (size == 4 && character < 0x10000);
  if (too_long || character > 0x10ffff || (character >= 0xd800 && character < 0xe000)) return std::nullopt;
  text.remove_prefix(size);
  return character;
}

// What cannot be seen, or changes the order of what can.
bool is_hidden(std::uint32_t character) {
  const auto within = [character](std::uint32_t first, std::uint32_t last) { return character >= first && character <= last; };
  return character < 0x20 || within(0x7f, 0xa0) || character == 0xad || character == 0x34f || character == 0x61c || within(0x115f, 0x1160) ||
         within(0x17b4, 0x17b5) || within(0x180b, 0x180f) || within(0x2000, 0x200f) || within(0x2028, 0x202f) || within(0x205f, 0x206f) ||
         character == 0x2800 || character == 0x3000 || character == 0x3164 || within(0xfe00, 0xfe0f) || character == 0xfeff || character == 0xffa0 ||
         within(0xfff0, 0xfffb) || within(0x1bca0, 0x1bca3) || within(0x1d173, 0x1d17a) || within(0xe0000, 0xe0fff);
}

std::string without_kind(std::string_view name) {
  auto rest = folded(name);
  for (const auto kind : {certificate_kind, oidc_kind, std::string_view("email:")})
    if (rest.starts_with(kind)) rest.erase(0, kind.size());
  return rest;
}

}  // namespace

bool may_be_one(std::string_view name, std::string_view other) {
  return without_kind(name) == without_kind(other);
}

std::string text_fault(std::string_view text) {
  if (text.empty()) return "is empty";
  if (text.front() == ' ' || text.back() == ' ') return "begins or ends with a blank";
  while (!text.empty()) {
    const auto character = take(text);
    if (!character) return "is not UTF-8";
    if (is_hidden(*character)) return "has control or invisible characters";
  }
  return "";
}

std::string plain_name_fault(std::string_view name) {
  if (characters(name) > characters_max) return in_quotes(name) + " is not a name of 1 to 128 characters.";
  if (const auto fault = text_fault(name); !fault.empty()) return in_quotes(name) + " is not a name of 1 to 128 characters: it " + fault + ".";
  const auto folded_name = folded(name);
  if (folded_name == own_name) return in_quotes(name) + " is what the audit calls the daemon itself: take another name.";
  if (folded_name == "root") return in_quotes(name) + " is the root of the gate's own host, and nobody else: take another name.";
  for (const auto kind : {certificate_kind, oidc_kind, uid_kind})
    if (folded_name.starts_with(kind))
      return in_quotes(name) + " begins with '" + std::string(kind) + "', as only the names of another kind of log-in do: take another name.";
  return "";
}

}  // namespace postern::core
