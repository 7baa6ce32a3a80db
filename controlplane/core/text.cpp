// SPDX-License-Identifier: Apache-2.0
// Strict text reading, see text.hpp.
#include "controlplane/core/text.hpp"

#include <algorithm>

namespace postern::core {

std::string in_quotes(std::string_view text) {
  // Of a resource id the end says most.
  const auto last = text.starts_with('/') ? text.rfind('/') : std::string_view::npos;
  if (text.size() > quoted_characters_max && last != std::string_view::npos && last > quoted_characters_max / 2 &&
      text.size() - last <= quoted_characters_max) {
    const auto head = in_quotes(text.substr(0, quoted_characters_max / 2)), tail = in_quotes(text.substr(last));
    return head.substr(0, head.size() - 1) + "…" + tail.substr(1);
  }
  std::string result = "'";
  for (const char character : text.substr(0, quoted_characters_max)) {
    const auto byte = static_cast<unsigned char>(character);
    result += byte < 0x20 || byte == 0x7f ? '?' : character;
  }
  // A cut inside a UTF-8 sequence would make the message unreadable as JSON: drop the torn character.
  if (text.size() > quoted_characters_max) {
    while ((static_cast<unsigned char>(result.back()) & 0xc0) == 0x80) result.pop_back();
    if (static_cast<unsigned char>(result.back()) >= 0xc0) result.pop_back();
    result += "…";
  }
  return result + "'";
}

bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

bool same_folded(std::string_view left, std::string_view right) {
  const auto lower = [](char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
  };
  return left.size() == right.size() &&
         std::equal(left.rbegin(), left.rend(), right.rbegin(), [&](char a, char b) { return lower(a) == lower(b); });
}

std::optional<std::uint64_t> parse_digits(std::string_view text, std::size_t digits_max) {
  if (text.empty() || text.size() > digits_max || digits_max > 19) return std::nullopt;
  std::uint64_t value = 0;
  for (const char character : text) {
    if (!is_digit(character)) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(character - '0');
  }
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string joined(const std::vector<std::string>& parts) {
  std::string result;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) result += i + 1 == parts.size() ? " and " : ", ";
    result += parts[i];
  }
  return result;
}

std::string joined(const std::vector<std::uint64_t>& numbers) {
  std::vector<std::string> texts;
  for (const auto number : numbers) texts.push_back(std::to_string(number));
  return joined(texts);
}

}  // namespace postern::core
