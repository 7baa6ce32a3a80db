// SPDX-License-Identifier: Apache-2.0
// The loader's errors as the core's: a full map is capacity_exhausted, all else gate_failed.
#pragma once

#include <cerrno>

#include "controlplane/core/result.hpp"
#include "loader/error.hpp"

namespace postern::dataplane {

inline core::Error gate_error(std::string sentence) {
  return {core::ErrorCode::gate_failed, std::move(sentence), "", {}};
}

inline core::Error gate_error(const loader::LoaderError& error) {
  const bool full = error.errno_value == E2BIG || error.errno_value == ENOSPC;
  return {full ? core::ErrorCode::capacity_exhausted : core::ErrorCode::gate_failed, error.sentence, "", {}};
}

inline core::Result<void> outcome(const loader::LoaderResult<void>& result) {
  if (!result) return gate_error(result.error());
  return {};
}

}  // namespace postern::dataplane
