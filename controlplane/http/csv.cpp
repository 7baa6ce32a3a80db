// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/csv.hpp"

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

}  // namespace

std::string csv_cell(std::string_view text) {
  std::string cell;
  for (const char c : as_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    const bool control = (byte < 0x20 && c != '\t' && c != '\r' && c != '\n') || byte == 0x7f;
    if (control) {
      cell += replacement;
    } else {
      cell += c;
    }
  }
  const auto first = cell.find_first_not_of(' ');
  if (first != std::string::npos && std::string_view("=+-@\t\r\n").find(cell[first]) != std::string_view::npos)
    cell.insert(cell.begin(), '\'');
  // Semicolons and tabs divide cells in some countries' spreadsheets.
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
