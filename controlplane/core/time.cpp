// SPDX-License-Identifier: Apache-2.0
// ISO 8601 durations and RFC 3339 times: strict reading, one way of writing.
#include "controlplane/core/time.hpp"

#include <array>

#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

using std::chrono::seconds;

Error bad_duration(std::string_view text) {
  return {ErrorCode::invalid_input,
          in_quotes(text) + " is not a duration such as PT3H, PT90M or P1D (days, hours, minutes and seconds only).",
          "",
          {}};
}

Error bad_time(std::string_view text) {
  return {ErrorCode::invalid_input, in_quotes(text) + " is not a time such as 2030-01-02T03:04:05Z.", "", {}};
}

// Reads from the front; every member takes what it names or leaves `failed` set.
struct Cursor {
  std::string_view rest;
  bool failed = false;

  bool take(char wanted) {
    if (rest.empty() || rest[0] != wanted) return false;
    rest.remove_prefix(1);
    return true;
  }
  void expect(char wanted) { failed = !take(wanted) || failed; }
  std::string_view digits() {
    std::size_t count = 0;
    while (count < rest.size() && is_digit(rest[count])) ++count;
    const auto found = rest.substr(0, count);
    rest.remove_prefix(count);
    return found;
  }
  int number(std::size_t width) {
    const auto value = parse_digits(rest.substr(0, width), width);
    if (rest.size() < width || !value) {
      failed = true;
      return 0;
    }
    rest.remove_prefix(width);
    return static_cast<int>(*value);
  }
};

std::string padded(std::int64_t value, std::size_t width) {
  auto text = std::to_string(value);
  return text.size() < width ? std::string(width - text.size(), '0') + text : text;
}

std::chrono::nanoseconds read_fraction(Cursor& cursor) {
  if (!cursor.take('.')) return {};
  const auto digits = cursor.digits();
  if (digits.empty() || digits.size() > 9) {
    cursor.failed = true;
    return {};
  }
  auto text = std::string(digits);
  text.resize(9, '0');
  return std::chrono::nanoseconds(static_cast<std::int64_t>(*parse_digits(text, 9)));
}

std::chrono::minutes read_zone(Cursor& cursor) {
  if (cursor.rest.empty() || cursor.take('Z') || cursor.take('z')) return {};
  const int sign = cursor.take('-') ? -1 : 1;
  if (sign > 0) cursor.expect('+');
  const int hours = cursor.number(2);
  cursor.expect(':');
  const int minutes = cursor.number(2);
  if (hours > 23 || minutes > 59) cursor.failed = true;
  return sign * (std::chrono::hours(hours) + std::chrono::minutes(minutes));
}

}  // namespace

Result<seconds> parse_duration(std::string_view text) {
  struct Part {
    char letter;
    std::int64_t seconds;
    bool of_time;
  };
  constexpr std::array<Part, 4> parts{{{'D', 86400, false}, {'H', 3600, true}, {'M', 60, true}, {'S', 1, true}}};
  Cursor cursor{text};
  if (!cursor.take('P') && !cursor.take('p')) return bad_duration(text);
  bool in_time = false, any_since_mark = false;
  std::size_t next = 0;
  std::int64_t total = 0;
  while (!cursor.rest.empty()) {
    if (!in_time && (cursor.take('T') || cursor.take('t'))) {
      in_time = true;
      any_since_mark = false;
      continue;
    }
    const auto value = parse_digits(cursor.digits(), 9);
    if (!value) return bad_duration(text);
    bool fraction = false;
    if (cursor.take('.')) {
      fraction = true;
      if (cursor.digits().empty()) return bad_duration(text);
    }
    while (next < parts.size() &&
           !(parts[next].of_time == in_time &&
             (cursor.take(parts[next].letter) || cursor.take(static_cast<char>(parts[next].letter - 'A' + 'a'))))) {
      ++next;
    }
    if (next == parts.size() || (fraction && parts[next].letter != 'S')) return bad_duration(text);
    total += static_cast<std::int64_t>(*value) * parts[next].seconds;
    ++next;
    any_since_mark = true;
  }
  if (!any_since_mark) return bad_duration(text);  // "P", "PT", "P1DT"
  return seconds(total);
}

std::string format_duration(seconds duration) {
  auto rest = duration.count();
  std::string result = "P";
  if (rest >= 86400) result += std::to_string(rest / 86400) + "D";
  rest %= 86400;
  if (rest == 0 && result.size() > 1) return result;
  result += "T";
  if (rest >= 3600) result += std::to_string(rest / 3600) + "H";
  if (rest % 3600 >= 60) result += std::to_string(rest % 3600 / 60) + "M";
  if (rest % 60 > 0 || rest == 0) result += std::to_string(rest % 60) + "S";
  return result;
}

Result<UtcTime> parse_time(std::string_view text) {
  Cursor cursor{text};
  const int year = cursor.number(4);
  cursor.expect('-');
  const int month = cursor.number(2);
  cursor.expect('-');
  const int day = cursor.number(2);
  if (!cursor.take('t')) cursor.expect('T');
  const int hour = cursor.number(2);
  cursor.expect(':');
  const int minute = cursor.number(2);
  cursor.expect(':');
  const int second = cursor.number(2);
  const auto fraction = read_fraction(cursor);
  const auto zone = read_zone(cursor);
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (cursor.failed || !cursor.rest.empty() || !date.ok() || hour > 23 || minute > 59 || second > 59) {
    return bad_time(text);
  }
  if (year < 1970 || year > 2200) {
    return Error{ErrorCode::invalid_input, in_quotes(text) + " lies outside the years 1970 to 2200.", "", {}};
  }
  return UtcTime(std::chrono::sys_days(date)) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         seconds(second) + fraction - zone;
}

std::string format_time(UtcTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return padded(int{date.year()}, 4) + "-" + padded(unsigned{date.month()}, 2) + "-" + padded(unsigned{date.day()}, 2) +
         "T" + padded(clock.hours().count(), 2) + ":" + padded(clock.minutes().count(), 2) + ":" +
         padded(clock.seconds().count(), 2) + "." + padded(clock.subseconds().count() / 100, 7) + "Z";
}

}  // namespace postern::core
