// SPDX-License-Identifier: Apache-2.0
// The built-in roles, and how actions and scopes match (docs/azure-api.md).
#include <algorithm>

#include "controlplane/core/access.hpp"
#include "controlplane/core/actions.hpp"

namespace postern::core {
namespace {

// `*` matches any text, also across '/'. Both in folded form.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool action_matches(const std::string& pattern_as_written, const std::string& action) {
  auto pattern = folded(pattern_as_written);
  if (glob(pattern, action)) return true;
  // X/*/read also grants X/read: the documented least-privilege role relies on it.
  const auto middle = pattern.find("/*/");
  if (middle == std::string::npos) return false;
  return glob(pattern.erase(middle, 2), action);
}

bool any_matches(const std::vector<std::string>& patterns, const std::string& action) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return action_matches(p, action); });
}

}  // namespace

const std::vector<Role>& built_in_roles() {
  using namespace actions;
  const auto text = [](std::string_view view) { return std::string(view); };
  static const std::vector<Role> roles = {
      // Sees policies, machines, grants and the gate; neither the audit nor who holds tokens.
      {"reader", {"*/read"}, {text(audit_read), text(token_read)}},
      // Least privilege to get in: ask, and see what may be asked for.
      {"requester", {text(policy_read), text(machine_read), text(policy_initiate)}, {}},
      {"approver", {text(policy_read), text(machine_read), text(policy_approve)}, {}},
      {"operator", {"*/read", text(policy_initiate), text(policy_revoke)}, {text(token_read)}},
      {"admin", {"*"}, {}},
      {"auditor", {"*/read"}, {}},
  };
  return roles;
}

bool role_allows(const Role& role, std::string_view action) {
  const auto wanted = folded(action);
  return any_matches(role.actions, wanted) && !any_matches(role.not_actions, wanted);
}

bool scope_covers(std::string_view scope, std::string_view resource) {
  if (scope.empty()) return false;
  auto outer = folded(scope);
  while (!outer.empty() && outer.back() == '/') outer.pop_back();
  const auto inner = folded(resource);
  return outer.empty() || inner == outer || inner.starts_with(outer + "/");
}

}  // namespace postern::core
