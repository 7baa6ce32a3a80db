// SPDX-License-Identifier: Apache-2.0
// Reads the body of a token: whom it names, the role it gives, where, and how long.
#include "controlplane/core/drafts.hpp"
#include "controlplane/core/principal_name.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::chrono::hours token_life_max{24 * 3660};

constexpr std::size_t assignments_max = 100;

std::string role_names(const std::vector<Role>& besides) {
  std::vector<std::string> names;
  for (const auto* roles : {&built_in_roles(), &besides})
    for (const auto& role : *roles) names.push_back(role.name);
  return joined(names);
}

Assignment read_assignment(const TokenDraft::Given& given, const std::string& below, const std::vector<Role>& besides,
                           Faults& faults) {
  Assignment assignment{given.role.value_or(""), given.scope.value_or("/")};
  if (!given.role) {
    faults.missing(below + "role");
  } else if (const auto* role = find_role(assignment.role, besides)) {
    assignment.role = role->name;
  } else {
    faults.add(below + "role", in_quotes(*given.role) + " is no role; there are " + role_names(besides) + ".");
  }
  if (assignment.scope.empty() || assignment.scope[0] != '/' || assignment.scope.size() > 1024 ||
      has_control_characters(assignment.scope)) {
    faults.add(below + "scope",
               in_quotes(assignment.scope) + " is no scope: \"/\" or a resource id such as /subscriptions/….");
  }
  return assignment;
}

std::vector<Assignment> read_assignments(const TokenDraft& draft, const std::vector<Role>& besides, Faults& faults) {
  if (!draft.assignments) return {read_assignment({draft.role, draft.scope}, "", besides, faults)};
  if (draft.role || draft.scope) faults.add("assignments", "Either assignments, or role and scope, not both.");
  if (draft.assignments->empty()) faults.add("assignments", "A token without any role could do nothing.");
  if (draft.assignments->size() > assignments_max) {
    faults.add("assignments", "There are more than " + std::to_string(assignments_max) + ".");
    return {};
  }
  std::vector<Assignment> assignments;
  for (std::size_t i = 0; i < draft.assignments->size(); ++i)
    assignments.push_back(read_assignment((*draft.assignments)[i], indexed("assignments", i) + ".", besides, faults));
  return assignments;
}

}  // namespace

Result<Token> read_token(const TokenDraft& draft, UtcTime now, const std::vector<Role>& roles) {
  Faults faults(draft.faults);
  Token token;
  token.created = now;
  token.principal.name = draft.principal.value_or("");
  if (!draft.principal) {
    faults.missing("principal");
  } else if (auto fault = plain_name_fault(token.principal.name); !fault.empty()) {
    faults.add("principal", std::move(fault));
  }
  token.principal.assignments = read_assignments(draft, roles, faults);
  if (draft.duration) {
    const auto life = faults.take(parse_duration(*draft.duration), "duration");
    if (life && (*life <= std::chrono::seconds(0) || *life > token_life_max)) {
      faults.add("duration", in_quotes(*draft.duration) + " is not between a second and ten years.");
    } else if (life) {
      token.expires = now + *life;
    }
  }
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "The token is not valid");
  return token;
}

}  // namespace postern::core
