// SPDX-License-Identifier: Apache-2.0
// Files that a command reads, "-" for standard input. All throw Failure(usage), which names the file and the place.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace postern::cli {

std::string read_text(const std::string& file);

// JSON with comments.
nlohmann::json read_json(const std::string& text, const std::string& file);

// RFC 4180, with or without a byte order mark; commas, or semicolons if the header has those and no comma (as spreadsheets
// write where the comma is decimal). The first row names the columns, in any letter case, which must be among the known
// ones. Cells are trimmed; empty ones are left out, rows without any too.
struct CsvRow {
  std::size_t number = 0;  // the header is row 1, blank lines are none
  std::map<std::string, std::string> cells;
};
std::vector<CsvRow> read_csv(std::string text, const std::vector<std::string>& columns, const std::string& file);

}  // namespace postern::cli
