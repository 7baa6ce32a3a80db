// SPDX-License-Identifier: Apache-2.0
// The built-in roles, those that the configuration adds, and how actions and scopes match (docs/azure-api.md).
#include <algorithm>
#include <set>

#include "controlplane/core/access.hpp"
#include "controlplane/core/actions.hpp"
#include "controlplane/core/faults.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

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
  constexpr std::string_view below = "/*/read";
  if (!pattern.ends_with(below)) return false;
  return glob(pattern.erase(pattern.size() - below.size(), 2), action);
}

bool any_matches(const std::vector<std::string>& patterns, const std::string& action) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& p) { return action_matches(p, action); });
}

constexpr std::size_t roles_max = 100, patterns_max = 100, pattern_characters_max = 256, name_characters_max = 64;

bool is_role_name(const std::string& name) {
  return !name.empty() && characters(name) <= name_characters_max && !has_control_characters(name) &&
         name.front() != ' ' && name.back() != ' ' && name.find('/') == std::string::npos;
}

bool is_pattern(const std::string& text) {
  return !text.empty() && text.size() <= pattern_characters_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool matches_something(const std::string& pattern) {
  return std::any_of(actions::all.begin(), actions::all.end(),
                     [&](std::string_view action) { return action_matches(pattern, folded(action)); });
}

void check_patterns(const std::vector<std::string>& patterns, const std::string& place, bool subtracting, Faults& faults) {
  if (patterns.size() > patterns_max) faults.add(place, "There are more than " + std::to_string(patterns_max) + ".");
  for (std::size_t i = 0; i < patterns.size() && i < patterns_max; ++i) {
    if (!is_pattern(patterns[i])) {
      faults.add(indexed(place, i), in_quotes(patterns[i]) + " is no action: 1 to " + std::to_string(pattern_characters_max) +
                                        " letters and signs without blanks, * for any text.");
    } else if (subtracting && !matches_something(patterns[i])) {
      // Misspelt, it would leave a right that was to be taken away.
      faults.add(indexed(place, i), in_quotes(patterns[i]) + " takes nothing away: no action is called so.");
    }
  }
}

void check_role(const Role& role, Faults& faults) {
  check_patterns(role.actions, role.name + ".actions", false, faults);
  check_patterns(role.not_actions, role.name + ".notActions", true, faults);
  const bool gives = std::any_of(actions::all.begin(), actions::all.end(),
                                 [&](std::string_view action) { return role_allows(role, action); });
  if (!gives) faults.add(role.name + ".actions", "The role " + in_quotes(role.name) + " gives no right at all.");
}

}  // namespace

const Role* find_role(std::string_view name, const std::vector<Role>& besides) {
  for (const auto* roles : {&built_in_roles(), &besides}) {
    for (const auto& role : *roles) {
      if (same_folded(role.name, name)) return &role;
    }
  }
  return nullptr;
}

std::vector<Fault> faults_of(const std::vector<Role>& roles) {
  Faults faults;
  if (roles.size() > roles_max) faults.add("", "There are more than " + std::to_string(roles_max) + " roles.");
  std::set<std::string> names;
  for (const auto& role : roles) {
    if (!is_role_name(role.name)) {
      faults.add(role.name, in_quotes(role.name) + " is no name of 1 to " + std::to_string(name_characters_max) +
                                " characters without '/' and outer blanks.");
    } else if (find_role(role.name, {})) {
      faults.add(role.name, in_quotes(role.name) + " is a built-in role: give yours another name.");
    } else if (!names.insert(folded(role.name)).second) {
      faults.add(role.name, in_quotes(role.name) + " stands there twice (letter case does not count).");
    }
    check_role(role, faults);
  }
  return faults.list();
}

const std::vector<Role>& built_in_roles() {
  using namespace actions;
  const auto text = [](std::string_view view) { return std::string(view); };
  static const std::vector<Role> roles = {
      // Sees policies, machines, grants and the gate; neither the audit nor who holds tokens or is armed.
      {"reader", {"*/read"}, {text(audit_read), text(token_read), text(break_glass_read)}},
      // Least privilege to get in: ask, and see what may be asked for.
      {"requester", {text(policy_read), text(machine_read), text(policy_initiate)}, {}},
      {"approver", {text(policy_read), text(machine_read), text(policy_approve)}, {}},
      {"operator", {"*/read", text(policy_initiate), text(policy_revoke)}, {text(token_read)}},
      {"admin", {"*"}, {}},
      {"auditor", {"*/read", text(break_glass_review)}, {}},
  };
  return roles;
}

bool allowed(const Principal& principal, std::string_view action, std::string_view resource,
             const std::vector<Role>& besides) {
  return std::any_of(principal.assignments.begin(), principal.assignments.end(), [&](const Assignment& assignment) {
    const auto* role = find_role(assignment.role, besides);
    return role && scope_covers(assignment.scope, resource) && role_allows(*role, action);
  });
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
