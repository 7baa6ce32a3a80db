// SPDX-License-Identifier: Apache-2.0
// Reads the members of one JSON object as text and notes each wrong type with its place. Judges no value: that is
// the core's. Two manners: the Azure-compatible API's (names in any case, unknown ones ignored) and our own's.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/core/result.hpp"
#include "controlplane/http/json_body.hpp"

namespace postern::http {

enum class Manner { any_case, strict };

class ObjectReader {
 public:
  // `json` may be anything; what is no object is noted as a fault and reads as if empty. References must outlive this.
  ObjectReader(const Json& json, std::string place, Manner manner, std::vector<core::Fault>& faults);

  const Json* find(std::string_view name);  // null and absent: nullptr
  std::optional<std::string> text(std::string_view name);
  std::optional<std::string> number(std::string_view name);              // a JSON number (22.0 is 22), or text as it is
  std::optional<std::vector<std::string>> texts(std::string_view name);  // an array of strings
  std::vector<const Json*> elements(std::string_view name);              // of an array; absent: none

  std::string place_of(std::string_view name) const;
  std::string place_of(std::string_view name, std::size_t index) const;
  void fault(std::string_view name, std::string message);
  void refuse_unknown();  // notes each member that was never asked for (strict manner)

 private:
  const Json* object_ = nullptr;
  std::string place_;
  Manner manner_;
  std::vector<core::Fault>& faults_;
  std::set<std::string> asked_;
};

// The strings of an array; what is none is noted as a fault at place[index].
std::vector<std::string> strings_of(const Json& array, const std::string& place, std::vector<core::Fault>& faults);

}  // namespace postern::http
