// SPDX-License-Identifier: Apache-2.0
// Lexical rules of ids and names, see resource_id.hpp.
#include "controlplane/core/resource_id.hpp"

#include <algorithm>

#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

bool is_letter(char character) {
  return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
}

bool is_name(std::string_view text, std::size_t longest) {
  return !text.empty() && text.size() <= longest && std::all_of(text.begin(), text.end(), [](char c) {
    return is_letter(c) || is_digit(c) || std::string_view("-_.()").find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string MachineId::path() const {
  return "/subscriptions/" + subscription + "/resourceGroups/" + resource_group +
         "/providers/Microsoft.Compute/virtualMachines/" + name;
}

std::optional<MachineId> parse_machine_id(std::string_view text) {
  const auto parts = split(text, '/');
  if (parts.size() != 9 || !parts[0].empty()) return std::nullopt;
  if (folded(parts[1]) != "subscriptions" || folded(parts[3]) != "resourcegroups" || folded(parts[5]) != "providers" ||
      folded(parts[6]) != "microsoft.compute" || folded(parts[7]) != "virtualmachines") {
    return std::nullopt;
  }
  if (!is_subscription(parts[2]) || !is_resource_group(parts[4]) || !is_machine_name(parts[8])) return std::nullopt;
  return MachineId{std::string(parts[2]), std::string(parts[4]), std::string(parts[8])};
}

std::string no_machine_id(std::string_view text) {
  return in_quotes(text) +
         " is not a machine's id: /subscriptions/{guid}/resourceGroups/{group}/providers/Microsoft.Compute/"
         "virtualMachines/{name}.";
}

std::string_view last_segment(std::string_view id) {
  return id.substr(id.rfind('/') + 1);
}

bool is_subscription(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char lower = folded(text.substr(i, 1))[0];
    if (dash ? lower != '-' : !(is_digit(lower) || (lower >= 'a' && lower <= 'f'))) return false;
  }
  return true;
}

bool is_resource_group(std::string_view text) {
  return is_name(text, 90);
}

bool is_machine_name(std::string_view text) {
  return is_name(text, 64);
}

void check_policy_id(const PolicyId& id, Faults& faults) {
  if (!is_subscription(id.subscription)) {
    faults.add("subscriptionId", in_quotes(id.subscription) + " is not a subscription id (a GUID).");
  }
  if (!is_resource_group(id.resource_group)) {
    faults.add("resourceGroupName",
               in_quotes(id.resource_group) + " is not a resource group name: 1 to 90 letters, digits or any of -_.().");
  }
  if (id.location.empty() || id.location.size() > 90 || has_control_characters(id.location) ||
      id.location.find('/') != std::string::npos) {
    faults.add("ascLocation", in_quotes(id.location) + " is not a location name.");
  }
  if (id.name.empty() || characters(id.name) > 256 || has_control_characters(id.name) ||
      id.name.find_first_of("/\\?#%<>&\"':") != std::string::npos) {
    faults.add("jitNetworkAccessPolicyName",
               in_quotes(id.name) + R"( is not a policy name: 1 to 256 characters, none of / \ ? # % < > & " ' :.)");
  }
}

bool has_control_characters(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return true;
    const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1) return true;
  }
  return false;
}

std::size_t characters(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace postern::core
