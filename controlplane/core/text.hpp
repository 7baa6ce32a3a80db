// SPDX-License-Identifier: Apache-2.0
// Small pieces of strict text reading that the parsers share. Nothing here knows a domain word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::core {

inline constexpr std::size_t quoted_characters_max = 80;

// The text in single quotes for a message: control characters as '?', cut after 80 characters.
std::string in_quotes(std::string_view text);

bool is_digit(char character);

// As folded(left) == folded(right), without making either. Resource ids differ at their ends, so it begins there.
bool same_folded(std::string_view left, std::string_view right);

// Decimal digits and nothing else: no sign, no blank, at most `digits_max` of them.
std::optional<std::uint64_t> parse_digits(std::string_view text, std::size_t digits_max);

std::vector<std::string_view> split(std::string_view text, char separator);

// "a", "a and b", "a, b and c".
std::string joined(const std::vector<std::string>& parts);
std::string joined(const std::vector<std::uint64_t>& numbers);

}  // namespace postern::core
