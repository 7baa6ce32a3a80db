// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/parameters.hpp"

#include <charconv>

#include "controlplane/core/model.hpp"

namespace postern::http {

core::Result<std::uint64_t> read_number(std::string_view text, std::string_view target, std::uint64_t max) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc{} && end == text.data() + text.size() && number >= 1 && number <= max) return number;
  std::string message = "'" + std::string(text) + "' is no whole number from 1 to " + std::to_string(max) + ".";
  return core::Error{core::ErrorCode::invalid_input, message, std::string(target), {{message, std::string(target)}}};
}

core::Result<void> refuse_unknown_parameters(const Target& target, std::initializer_list<std::string_view> known) {
  core::Error error{core::ErrorCode::invalid_input, "The query has parameters that are not known here.", "", {}};
  for (const auto& [name, value] : target.query) {
    bool found = false;
    for (const std::string_view candidate : known) found = found || core::folded(name) == candidate;
    if (!found) error.faults.push_back({"'" + name + "' is not known here.", name});
  }
  if (error.faults.empty()) return {};
  return error;
}

core::Result<void> read_parameter(const Target& target, const char* name, std::uint64_t max, std::uint64_t& value) {
  const auto text = target.parameter(name);
  if (!text) return {};
  const auto number = read_number(*text, name, max);
  if (!number) return number.error();
  value = *number;
  return {};
}

core::Result<void> read_parameter(const Target& target, const char* name, std::optional<core::UtcTime>& value) {
  const auto text = target.parameter(name);
  if (!text) return {};
  const auto time = core::parse_time(*text);
  if (!time) return core::Error{core::ErrorCode::invalid_input, time.error().message, name, {{time.error().message, name}}};
  value = *time;
  return {};
}

}  // namespace postern::http
