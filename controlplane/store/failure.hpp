// SPDX-License-Identifier: Apache-2.0
// How the store words what went wrong: every SQLite failure becomes one core::Error{store_failed} with a sentence.
// Inside store/ failures travel as exceptions; SqliteStore's members turn them into results.
#pragma once

#include <SQLiteCpp/Exception.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

#include "controlplane/core/result.hpp"

namespace postern::store {

// A row says what no version of Postern writes: the file was changed by other hands, or damaged.
class CorruptRow : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

core::Error store_error(std::string sentence);
// "the store FILE could not be STEP: the disk is full"; step is a participle such as "written".
core::Error describe(const std::exception& failure, const std::filesystem::path& file, std::string_view step);

// What was written may be whole all the same.
bool sync_failed(const std::exception& failure);

}  // namespace postern::store
