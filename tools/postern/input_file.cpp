// SPDX-License-Identifier: Apache-2.0
#include "tools/postern/input_file.hpp"

#include <csv.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <system_error>
#include <utility>

#include <CLI/CLI.hpp>

#include "tools/postern/failure.hpp"

namespace postern::cli {
namespace {

std::string called(const std::string& file) {
  return file == "-" ? "standard input" : file;
}

using Record = std::vector<std::string>;

struct Records {
  std::vector<Record> done;
  Record current;
};

void end_cell(void* text, std::size_t bytes, void* records) {
  static_cast<Records*>(records)->current.emplace_back(static_cast<const char*>(text), bytes);
}

void end_record(int, void* context) {
  auto& records = *static_cast<Records*>(context);
  records.done.push_back(std::exchange(records.current, {}));
}

std::vector<Record> records_of(const std::string& text, const std::string& file) {
  csv_parser parser;
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0) throw std::bad_alloc();
  const std::unique_ptr<csv_parser, decltype(&csv_free)> freed(&parser, csv_free);
  const std::string_view header = std::string_view(text).substr(0, text.find_first_of("\r\n"));
  if (header.find(',') == std::string_view::npos && header.find(';') != std::string_view::npos) csv_set_delim(&parser, ';');
  Records records;
  if (csv_parse(&parser, text.data(), text.size(), end_cell, end_record, &records) != text.size() ||
      csv_fini(&parser, end_cell, end_record, &records) != 0) {
    throw Failure(Exit::usage, called(file) + " row " + std::to_string(records.done.size() + 1) +
                                   ": a quotation mark is not closed, or stands inside a cell without being doubled");
  }
  return std::move(records.done);
}

}  // namespace

std::string read_text(const std::string& file) {
  if (file == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Failure(Exit::usage, "cannot read " + file + ": " + std::generic_category().message(errno));
  return {std::istreambuf_iterator<char>(stream), {}};
}

nlohmann::json read_json(const std::string& text, const std::string& file) {
  try {
    return nlohmann::json::parse(text, nullptr, true, true);
  } catch (const nlohmann::json::parse_error& error) {
    const std::string why = error.what();  // begins with the library's own name for it, in brackets
    throw Failure(Exit::usage, called(file) + " is no JSON: " + why.substr(why.find("] ") + 2));
  }
}

std::vector<CsvRow> read_csv(std::string text, const std::vector<std::string>& columns, const std::string& file) {
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  const auto records = records_of(text, file);
  if (records.empty()) throw Failure(Exit::usage, called(file) + " is empty: its first row must name the columns");
  Record header;
  for (const std::string& cell : records[0]) {
    header.push_back(CLI::detail::to_lower(cell));
    if (std::count(header.begin(), header.end(), header.back()) > 1)
      throw Failure(Exit::usage, called(file) + " row 1: the column '" + cell + "' stands there twice");
    if (std::find(columns.begin(), columns.end(), header.back()) == columns.end())
      throw Failure(Exit::usage, called(file) + " row 1: there is no column '" + cell + "', only " + CLI::detail::join(columns, ", "));
  }
  std::vector<CsvRow> rows;
  for (std::size_t i = 1; i < records.size(); ++i) {
    CsvRow row{i + 1, {}};
    if (records[i].size() > header.size())
      throw Failure(Exit::usage, called(file) + " row " + std::to_string(row.number) + " has more cells than there are columns");
    for (std::size_t k = 0; k < records[i].size(); ++k)
      if (!records[i][k].empty()) row.cells[header[k]] = records[i][k];
    if (!row.cells.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace postern::cli
