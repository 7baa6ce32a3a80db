// SPDX-License-Identifier: Apache-2.0
// Bodies as JSON: parsed with a bound on depth, and refused if two keys of an object differ in case only (both APIs
// would otherwise have to choose which one counts).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "controlplane/core/result.hpp"

namespace postern::http {

using Json = nlohmann::ordered_json;  // members come out in the order they were put in

inline constexpr int json_depth_max = 32;

// The error's message is a sentence for `unreadable`.
core::Result<Json> parse_json(std::string_view body);

std::string to_text(const Json& json);  // one line; what is no UTF-8 becomes U+FFFD

}  // namespace postern::http
