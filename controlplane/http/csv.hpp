// SPDX-License-Identifier: Apache-2.0
// Rows of RFC 4180 that may be opened in a spreadsheet: no cell is taken for a formula.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postern::http {

inline constexpr std::string_view csv_content_type = "text/csv; charset=utf-8; header=present";

// A cell that begins, after blanks, with = + - @, in full width too, or a tab or line break gets an apostrophe in front, as
// spreadsheets hide it; so does such a sign after a semicolon, tab or line break within. Other control characters, which would reach a terminal, and what is no UTF-8 become U+FFFD.
std::string csv_cell(std::string_view text);
std::string csv_row(const std::vector<std::string>& cells);  // ends in CR LF

}  // namespace postern::http
