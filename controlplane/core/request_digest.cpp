// SPDX-License-Identifier: Apache-2.0
// See request_digest.hpp.
#include "controlplane/core/request_digest.hpp"

namespace postern::core {
namespace {

void add(std::string& text, const std::optional<std::string>& part) {
  text += part ? std::to_string(part->size()) + ":" + *part : "-";
  text += ';';
}

}  // namespace

std::string digest_text(const AccessDraft& draft) {
  std::string text;
  if (draft.break_glass) text += 'b';
  add(text, draft.justification);
  if (draft.start) add(text, draft.start);
  for (const auto& machine : draft.machines) {
    text += 'm';
    add(text, machine.id);
    for (const auto& port : machine.ports) {
      text += 'p';
      for (const auto* part : {&port.number, &port.end_time, &port.duration, &port.source}) add(text, *part);
      for (const auto& source : port.sources.value_or(std::vector<std::string>{})) add(text, source);
    }
  }
  return text;
}

}  // namespace postern::core
