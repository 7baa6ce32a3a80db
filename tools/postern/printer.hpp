// SPDX-License-Identifier: Apache-2.0
// What people see: tables, sentences, times and colours; or the daemon's JSON as it came. Text from the network never
// reaches the terminal with control characters in it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "tools/postern/failure.hpp"

namespace postern::cli {

using Row = std::vector<std::string>;

class Printer {
 public:
  Printer(bool json, bool colours) : json_(json), colours_(colours) {}

  bool json() const { return json_; }
  void document(const nlohmann::json& body) const;  // pretty JSON on stdout
  void line(std::string_view text) const;           // on stdout; nothing in JSON mode
  void note(std::string_view text) const;           // on stderr, in both modes
  // Columns as wide as needed, the last one ragged. `empty` is the sentence for no rows.
  void table(const Row& heads, const std::vector<Row>& rows, std::string_view empty) const;

 private:
  bool json_, colours_;
};

void print_failure(const Failure& failure, bool json);

// Control characters (ESC among them) shown as \xNN.
std::string printable(std::string_view text);

// Member of an object as text: strings as they are, numbers and booleans in digits and words, lists joined by ", ".
std::string text_of(const nlohmann::json& object, const char* name);

// "2026-11-23T04:24:45.0000000Z" → local "04:24:45", with the date if that is not today; unparsable text as it is.
std::string local_time(const std::string& rfc3339);
// How long until then: "59m", "1h 30m", "12s"; "over" in the past; empty if unparsable.
std::string time_left(const std::string& rfc3339);

}  // namespace postern::cli
