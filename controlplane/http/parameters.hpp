// SPDX-License-Identifier: Apache-2.0
// Query parameters, read strictly.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "controlplane/core/result.hpp"
#include "controlplane/core/time.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {

core::Result<std::uint64_t> read_number(std::string_view text, std::string_view target, std::uint64_t max);  // from 1
core::Result<void> refuse_unknown_parameters(const Target& target, std::initializer_list<std::string_view> known);

// Leaves the value as it is where the parameter is absent.
core::Result<void> read_parameter(const Target& target, const char* name, std::uint64_t max, std::uint64_t& value);
core::Result<void> read_parameter(const Target& target, const char* name, std::optional<core::UtcTime>& value);

}  // namespace postern::http
