// SPDX-License-Identifier: Apache-2.0
// Lists and nested objects as the text of one column, readable with the sqlite3 shell: sources and addresses comma by
// comma, the rest as JSON. Reading throws CorruptRow for what writing never makes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "controlplane/core/model.hpp"

namespace postern::store {

std::string to_text(const std::vector<core::Source>& sources);
std::vector<core::Source> sources_from(std::string_view text);

std::string to_text(const std::vector<core::Prefix>& prefixes);
std::vector<core::Prefix> prefixes_from(std::string_view text);

std::string to_text(const std::vector<std::uint64_t>& numbers);
std::vector<std::uint64_t> numbers_from(std::string_view text);

std::string to_text(const std::vector<std::string>& texts);
std::vector<std::string> texts_from(const std::string& text);

std::string to_text(const std::vector<core::Forward>& forwards);
std::vector<core::Forward> forwards_from(const std::string& text);

std::string to_text(const std::vector<core::PolicyMachine>& machines);
std::vector<core::PolicyMachine> policy_machines_from(const std::string& text);

std::string to_text(const std::vector<core::Assignment>& assignments);
std::vector<core::Assignment> assignments_from(const std::string& text);

}  // namespace postern::store
