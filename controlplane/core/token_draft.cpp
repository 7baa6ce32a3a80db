// SPDX-License-Identifier: Apache-2.0
// Reads the body of a token: whom it names, the role it gives, where, and how long.
#include <algorithm>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/principal_name.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::chrono::hours token_life_max{24 * 3660};

std::vector<std::string> role_names() {
  std::vector<std::string> names;
  for (const auto& role : built_in_roles()) names.push_back(role.name);
  return names;
}

}  // namespace

Result<Token> read_token(const TokenDraft& draft, UtcTime now) {
  Faults faults(draft.faults);
  Token token;
  token.created = now;
  token.principal.name = draft.principal.value_or("");
  if (!draft.principal) {
    faults.missing("principal");
  } else if (auto fault = plain_name_fault(token.principal.name); !fault.empty()) {
    faults.add("principal", std::move(fault));
  }
  const auto names = role_names();
  Assignment assignment{folded(draft.role.value_or("")), draft.scope.value_or("/")};
  if (!draft.role) {
    faults.missing("role");
  } else if (std::find(names.begin(), names.end(), assignment.role) == names.end()) {
    faults.add("role", in_quotes(*draft.role) + " is no role; there are " + joined(names) + ".");
  }
  if (assignment.scope.empty() || assignment.scope[0] != '/' || assignment.scope.size() > 1024 ||
      has_control_characters(assignment.scope)) {
    faults.add("scope", in_quotes(assignment.scope) + " is no scope: \"/\" or a resource id such as /subscriptions/….");
  }
  if (draft.duration) {
    const auto life = faults.take(parse_duration(*draft.duration), "duration");
    if (life && (*life <= std::chrono::seconds(0) || *life > token_life_max)) {
      faults.add("duration", in_quotes(*draft.duration) + " is not between a second and ten years.");
    } else if (life) {
      token.expires = now + *life;
    }
  }
  token.principal.assignments.push_back(std::move(assignment));
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "The token is not valid");
  return token;
}

}  // namespace postern::core
