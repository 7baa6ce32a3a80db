// SPDX-License-Identifier: Apache-2.0
// Reads the bodies of break-glass: whom it arms, for what, how long and why; and what a review says.
#include "controlplane/core/drafts.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t text_characters_max = 1024;
constexpr std::chrono::hours armed_max{7 * 24}, grant_max{8};
constexpr std::chrono::minutes armed_min{1}, grant_min{1};
constexpr std::chrono::hours grant_default{1};

bool is_blank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

std::string read_text(const std::optional<std::string>& text, const std::string& target, Faults& faults) {
  if (text && characters(*text) > text_characters_max)
    faults.add(target, "There are more than " + std::to_string(text_characters_max) + " characters.");
  return text.value_or("");
}

std::optional<std::chrono::seconds> read_length(const std::optional<std::string>& text, const std::string& target,
                                                std::chrono::seconds least, std::chrono::seconds most, Faults& faults) {
  if (!text) return std::nullopt;
  const auto length = faults.take(parse_duration(*text), target);
  if (length && (*length < least || *length > most)) {
    faults.add(target, in_quotes(*text) + " is not between " + format_duration(least) + " and " + format_duration(most) + ".");
    return std::nullopt;
  }
  return length;
}

}  // namespace

Result<Arming> read_arming(const ArmingDraft& draft, UtcTime now) {
  Faults faults(draft.faults);
  Arming arming;
  arming.principal = draft.principal.value_or("");
  if (!draft.principal) {
    faults.missing("principal");
  } else if (is_blank(arming.principal) || characters(arming.principal) > 128 || has_control_characters(arming.principal)) {
    faults.add("principal", in_quotes(arming.principal) + " is not a name of 1 to 128 characters.");
  } else if (folded(arming.principal) == own_name) {
    faults.add("principal", in_quotes(arming.principal) + " is what the audit calls the daemon itself.");
  }
  arming.scope = draft.scope.value_or("/");
  if (arming.scope.empty() || arming.scope[0] != '/' || arming.scope.size() > 1024 || has_control_characters(arming.scope))
    faults.add("scope", in_quotes(arming.scope) + " is no scope: \"/\" or a resource id such as /subscriptions/….");
  arming.reason = read_text(draft.reason, "reason", faults);
  if (is_blank(arming.reason)) faults.missing("reason");
  if (!draft.duration) faults.missing("duration");
  arming.start = now;
  arming.end = now + read_length(draft.duration, "duration", armed_min, armed_max, faults).value_or(armed_min);
  arming.grant_max = read_length(draft.grant_max, "maxGrantDuration", grant_min, grant_max, faults).value_or(grant_default);
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "Break-glass cannot be armed so");
  return arming;
}

Result<std::string> read_review(const ReviewDraft& draft) {
  Faults faults(draft.faults);
  auto note = read_text(draft.note, "note", faults);
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "The review is not valid");
  return note;
}

}  // namespace postern::core
