// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/role_options.hpp"

#include "controlplane/core/access.hpp"

namespace postern::daemon {
namespace {

core::Error fault(std::string message) {
  return {core::ErrorCode::invalid_input, std::move(message), "", {}};
}

core::Result<void> outcome(std::vector<core::Fault> faults) {
  if (faults.empty()) return {};
  const std::string first = faults.front().message;
  return core::Error{core::ErrorCode::invalid_input, first, "", std::move(faults)};
}

std::vector<std::string> read_patterns(const Json& value, const std::string& place, std::vector<core::Fault>& faults) {
  std::vector<std::string> patterns;
  if (!value.is_array()) faults.push_back({"Must be an array of strings.", place});
  if (!value.is_array()) return patterns;
  for (const Json& element : value) {
    if (element.is_string()) {
      patterns.push_back(element.get<std::string>());
    } else {
      faults.push_back({"Must hold strings only, not " + element.dump() + ".", place});
    }
  }
  return patterns;
}

}  // namespace

core::Result<core::Assignment> read_assignment(const Json& value, const std::string& whose, const Config& config,
                                               std::string_view more) {
  if (!value.is_object() || !value.contains("role") || !value["role"].is_string())
    return fault(whose + " must be an object with a role, such as {\"role\": \"requester\"}.");
  for (const auto& [key, member] : value.items())
    if ((key != "role" && key != "scope" && (more.empty() || key != more)) || !member.is_string())
      return fault(whose + " has a member '" + key + "'; only the texts role" +
                   (more.empty() ? " and scope" : ", scope and " + std::string(more)) + " are known.");
  core::Assignment assignment{value["role"].get<std::string>(), value.value("scope", std::string("/"))};
  const auto* role = core::find_role(assignment.role, config.settings.roles);
  if (!role) return fault(whose + " has the role '" + assignment.role + "', which does not exist.");
  assignment.role = role->name;
  if (!assignment.scope.starts_with('/'))
    return fault(whose + " has the scope '" + assignment.scope + "'; a scope begins with '/'.");
  return assignment;
}

core::Result<void> read_roles(const Json& value, Config& config) {
  std::vector<core::Fault> faults;
  for (const auto& [name, definition] : value.items()) {
    const std::string place = "." + name;
    core::Role role{name, {}, {}};
    if (!definition.is_object()) {
      faults.push_back({"Must be an object with actions.", place});
    } else {
      for (const auto& [key, member] : definition.items()) {
        if (key == "actions") {
          role.actions = read_patterns(member, place + ".actions", faults);
        } else if (key == "notActions") {
          role.not_actions = read_patterns(member, place + ".notActions", faults);
        } else {
          faults.push_back({"There is no such member; a role has actions and notActions.", place + "." + key});
        }
      }
    }
    config.settings.roles.push_back(std::move(role));
  }
  if (faults.empty()) {
    faults = core::faults_of(config.settings.roles);
    for (core::Fault& each : faults) each.target.insert(0, each.target.empty() ? "" : ".");
  }
  return outcome(std::move(faults));
}

core::Result<std::vector<core::Assignment>> read_assignments(const Json& value, const std::string& whose,
                                                             const Config& config) {
  std::vector<core::Assignment> assignments;
  if (value.is_array() && value.empty()) return fault(whose + " has an empty list of roles.");
  const Json list = value.is_array() ? value : Json::array({value});
  for (const Json& each : list) {
    const auto assignment = read_assignment(each, whose, config);
    if (!assignment) return assignment.error();
    assignments.push_back(*assignment);
  }
  return assignments;
}

core::Result<void> read_users(const Json& value, Config& config) {
  std::vector<core::Fault> faults;
  for (const auto& [user, given] : value.items()) {
    const auto assignments = read_assignments(given, "User '" + user + "'", config);
    if (!assignments) {
      faults.push_back({assignments.error().message, "." + user});
      continue;
    }
    for (const core::Assignment& assignment : *assignments) config.users.push_back({user, assignment});
  }
  return outcome(std::move(faults));
}

}  // namespace postern::daemon
