// SPDX-License-Identifier: Apache-2.0
#include "tools/postern/policy_place.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <vector>

#include "tools/postern/failure.hpp"
#include "tools/postern/printer.hpp"

namespace postern::cli {
namespace {

std::string folded(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

std::string PolicyPlace::target() const {
  return "/subscriptions/" + encoded(subscription) + "/resourceGroups/" + encoded(resource_group) +
         "/providers/Microsoft.Security/locations/" + encoded(location) + "/jitNetworkAccessPolicies/" + encoded(name) +
         "?api-version=2020-01-01";
}

PolicyPlace place_from_id(const std::string& id) {
  std::vector<std::string> parts;
  std::istringstream stream(id);
  for (std::string part; std::getline(stream, part, '/');) parts.push_back(part);
  const bool right = parts.size() == 11 && parts[0].empty() && folded(parts[1]) == "subscriptions" &&
                     folded(parts[3]) == "resourcegroups" && folded(parts[5]) == "providers" &&
                     folded(parts[7]) == "locations" && folded(parts[9]) == "jitnetworkaccesspolicies";
  if (!right) throw Failure(Exit::usage, "\"" + id + "\" is no resource id of a policy");
  return {parts[2], parts[4], parts[8], parts[10]};
}

PolicyPlace home_of(const GateClient& gate) {
  const nlohmann::json status = gate.get("/v1/status");
  return {status.value("subscription", "00000000-0000-0000-0000-000000000000"),
          status.value("resourceGroup", "default"), status.value("location", "local"), ""};
}

PolicyPlace find_policy(const GateClient& gate, const std::string& name_or_id) {
  if (name_or_id.starts_with('/')) return place_from_id(name_or_id);
  std::vector<PolicyPlace> found;
  const PolicyPlace home = home_of(gate);
  for (const nlohmann::json& policy : gate.get("/v1/policies").value("policies", nlohmann::json::array())) {
    if (folded(text_of(policy, "name")) != folded(name_or_id)) continue;
    const PolicyPlace place = place_from_id(text_of(policy, "id"));
    const bool at_home = folded(place.subscription) == folded(home.subscription) &&
                         folded(place.resource_group) == folded(home.resource_group) &&
                         folded(place.location) == folded(home.location);
    if (at_home) return place;
    found.push_back(place);
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) throw Failure(Exit::refused, "there is no policy \"" + name_or_id + "\"");
  Failure failure(Exit::usage, "several policies are named \"" + name_or_id + "\": give the id");
  for (const PolicyPlace& place : found) failure.faults.push_back({place.resource_group + " in " + place.location, ""});
  throw failure;
}

}  // namespace postern::cli
