// SPDX-License-Identifier: Apache-2.0
// The lexical rules of resource ids and names (docs/azure-api.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controlplane/core/faults.hpp"
#include "controlplane/core/model.hpp"

namespace postern::core {

struct MachineId {
  std::string subscription, resource_group, name;
  std::string path() const;
};

// /subscriptions/{guid}/resourceGroups/{rg}/providers/Microsoft.Compute/virtualMachines/{vm}, in any letter case.
std::optional<MachineId> parse_machine_id(std::string_view text);
std::string no_machine_id(std::string_view text);  // the sentence for what is none
std::string_view last_segment(std::string_view id);

bool is_subscription(std::string_view text);    // a GUID
bool is_resource_group(std::string_view text);  // 1–90 of letters, digits and -_.()
bool is_machine_name(std::string_view text);    // 1–64 of the same

// What is wrong with the parts of a policy's path; places are the API's parameter names.
void check_policy_id(const PolicyId& id, Faults& faults);

// C0 and C1 controls and DEL: what could break a log line, a terminal or a CSV cell.
bool has_control_characters(std::string_view text);
std::size_t characters(std::string_view utf8);

}  // namespace postern::core
