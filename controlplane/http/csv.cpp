// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/csv.hpp"

#include <algorithm>
#include <initializer_list>

#include "controlplane/http/json_body.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// The JSON library mends text; so the export says what the JSON answer says.
std::string as_utf8(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  return Json::parse(to_text(Json(std::string(text)))).get<std::string>();
}

// They divide cells and rows in some countries' spreadsheets, and there a quotation mark within a row protects nothing.
constexpr std::string_view dividers = ";\t\r\n";

bool begins_with_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return text.starts_with(word); });
}

// Blanks of any width, and what cannot be seen at all.
std::string_view without_blanks(std::string_view text) {
  while (begins_with_any(text, {" ", "\u00a0", "\u200b", "\u2060", "\u3000", "\ufeff"})) {
    const auto byte = static_cast<unsigned char>(text.front());
    text.remove_prefix(byte < 0x80 ? 1 : byte < 0xe0 ? 2 : 3);
  }
  return text;
}

// Full-width signs are signs to a spreadsheet of China, Japan or Korea.
bool is_formula(std::string_view text) {
  return begins_with_any(without_blanks(text), {"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"});
}

}  // namespace

std::string csv_cell(std::string_view text) {
  const std::string readable = as_utf8(text);
  std::string cell;
  const auto first = without_blanks(readable).substr(0, 1);
  if (first == "\t" || first == "\r" || first == "\n") cell += '\'';
  bool begins = cell.empty();  // here, for some spreadsheet
  for (std::size_t i = 0; i < readable.size(); ++i) {
    const char c = readable[i];
    const auto byte = static_cast<unsigned char>(c);
    const bool divides = dividers.find(c) != std::string_view::npos, control = (byte < 0x20 && !divides) || byte == 0x7f;
    if (begins && is_formula(std::string_view(readable).substr(i))) cell += '\'';
    begins = divides;
    if (control) {
      cell += replacement;
    } else {
      cell += c;
    }
  }
  const bool quoted = cell.find_first_of("\",;\t\r\n") != std::string::npos || cell.starts_with(' ') || cell.ends_with(' ');
  if (!quoted) return cell;
  std::string result = "\"";
  for (const char c : cell) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

std::string csv_row(const std::vector<std::string>& cells) {
  std::string row;
  for (const std::string& cell : cells) {
    if (&cell != &cells.front()) row += ',';
    row += csv_cell(cell);
  }
  return row + "\r\n";
}

}  // namespace postern::http
