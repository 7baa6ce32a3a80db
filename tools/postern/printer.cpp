// SPDX-License-Identifier: Apache-2.0
#include "tools/postern/printer.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <optional>

namespace postern::cli {
namespace {

constexpr const char* bold = "\033[1m";
constexpr const char* plain = "\033[0m";

std::optional<std::time_t> seconds_of(const std::string& rfc3339) {
  std::tm time{};
  if (std::sscanf(rfc3339.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d", &time.tm_year, &time.tm_mon, &time.tm_mday, &time.tm_hour,
                  &time.tm_min, &time.tm_sec) != 6 ||
      !rfc3339.ends_with('Z'))
    return std::nullopt;
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return ::timegm(&time);
}

std::string scalar(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return {};
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  return value.dump();
}

// Code points, not bytes: names of people are not ASCII.
std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7F) {
      result += c;
      continue;
    }
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\x%02X", static_cast<unsigned>(byte));
    result += escape;
  }
  return result;
}

void Printer::document(const nlohmann::json& body) const {
  std::cout << body.dump(2) << '\n';
}

void Printer::line(std::string_view text) const {
  if (!json_) std::cout << printable(text) << '\n';
}

void Printer::note(std::string_view text) const {
  std::cerr << printable(text) << '\n';
}

void Printer::table(const Row& heads, const std::vector<Row>& rows, std::string_view empty) const {
  if (rows.empty()) return line(empty);
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < heads.size(); ++column) {
    std::size_t widest = width(heads[column]);
    for (const Row& row : rows) widest = std::max(widest, width(printable(row[column])));
    widths.push_back(widest);
  }
  const auto put = [&](const Row& row) {
    for (std::size_t column = 0; column < row.size(); ++column) {
      const std::string cell = printable(row[column]);
      std::cout << cell;
      if (column + 1 < row.size()) std::cout << std::string(widths[column] - width(cell) + 2, ' ');
    }
  };
  if (colours_) std::cout << bold;
  put(heads);
  std::cout << (colours_ ? plain : "") << '\n';
  for (const Row& row : rows) {
    put(row);
    std::cout << '\n';
  }
}

void print_failure(const Failure& failure, bool json) {
  if (json) {
    nlohmann::json errors = nlohmann::json::array();
    for (const PlacedFault& fault : failure.faults)
      errors.push_back({{"detail", fault.message}, {"target", fault.target}});
    const nlohmann::json body = {{"code", failure.code},
                                 {"detail", failure.message},
                                 {"errors", errors},
                                 {"hint", failure.hint},
                                 {"exit", static_cast<int>(failure.exit)}};
    std::cerr << body.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return;
  }
  std::cerr << "postern: " << printable(failure.message);
  if (!failure.code.empty()) std::cerr << " (" << printable(failure.code) << ')';
  std::cerr << '\n';
  // The only fault is often the sentence itself: then its place is all that is new.
  const bool said = failure.faults.size() == 1 && failure.message.find(failure.faults[0].message) != std::string::npos;
  for (const PlacedFault& fault : failure.faults) {
    if (said && fault.target.empty()) continue;
    std::cerr << (said ? "  at " : "  ") << printable(fault.target);
    if (!said) std::cerr << (fault.target.empty() ? "" : ": ") << printable(fault.message);
    std::cerr << '\n';
  }
  if (!failure.hint.empty()) std::cerr << "  → " << printable(failure.hint) << '\n';
}

std::string text_of(const nlohmann::json& object, const char* name) {
  if (!object.is_object() || !object.contains(name)) return {};
  const nlohmann::json& value = object[name];
  if (!value.is_array()) return scalar(value);
  std::string joined;
  for (const nlohmann::json& each : value) joined += (joined.empty() ? "" : ", ") + scalar(each);
  return joined;
}

std::string local_time(const std::string& rfc3339) {
  const auto seconds = seconds_of(rfc3339);
  if (!seconds) return rfc3339;
  const std::time_t now = std::time(nullptr);
  std::tm then_local{}, now_local{};
  ::localtime_r(&*seconds, &then_local);
  ::localtime_r(&now, &now_local);
  const bool today = then_local.tm_year == now_local.tm_year && then_local.tm_yday == now_local.tm_yday;
  char text[64];
  std::strftime(text, sizeof text, today ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &then_local);
  return text;
}

std::string time_left(const std::string& rfc3339) {
  const auto seconds = seconds_of(rfc3339);
  if (!seconds) return {};
  const long long left = static_cast<long long>(*seconds) - static_cast<long long>(std::time(nullptr));
  if (left <= 0) return "over";
  if (left < 120) return std::to_string(left) + "s";
  if (left < 3600) return std::to_string(left / 60) + "m";
  if (left < 86400) return std::to_string(left / 3600) + "h " + std::to_string(left / 60 % 60) + "m";
  return std::to_string(left / 86400) + "d " + std::to_string(left / 3600 % 24) + "h";
}

}  // namespace postern::cli
