// SPDX-License-Identifier: Apache-2.0
// The request target: split at '/' first, percent-decoded after (so "%2F" stays inside its segment), query apart.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/core/result.hpp"

namespace postern::http {

struct Target {
  std::string_view raw_path;          // as sent, into the request's target
  std::vector<std::string> segments;  // decoded; a trailing '/' adds none
  std::vector<std::pair<std::string, std::string>> query;

  // First parameter of that name, compared without case.
  std::optional<std::string> parameter(std::string_view name) const;
};

// Which API's error body an answer to this target has; also for targets that cannot be parsed.
bool is_azure_path(std::string_view target);

// Fails (InvalidRequestContent) on a target that is not origin form, bad percent-encoding, control characters or
// bytes that are no UTF-8. '+' stands for itself.
core::Result<Target> parse_target(std::string_view target);

std::string percent_encode(std::string_view text);  // all but unreserved characters
bool is_utf8(std::string_view text);

}  // namespace postern::http
