// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/routes.hpp"

#include <algorithm>

#include "controlplane/core/text.hpp"
#include "controlplane/http/handlers.hpp"

namespace postern::http {
namespace {

#define IN_SUBSCRIPTION "/subscriptions/{sub}"
#define IN_GROUP IN_SUBSCRIPTION "/resourceGroups/{rg}"
#define PROVIDER "/providers/Microsoft.Security"
#define IN_LOCATION PROVIDER "/locations/{loc}"
#define POLICIES "/jitNetworkAccessPolicies"
#define ONE_POLICY IN_GROUP IN_LOCATION POLICIES "/{name}"

constexpr AccessForm azure_access{azure::asked, azure::told}, own_access{own::asked, own::told};

constexpr Route routes[] = {
    // clang-format off
    {"GET",    IN_SUBSCRIPTION PROVIDER POLICIES,     azure::list_policies,  Dialect::azure},
    {"GET",    IN_SUBSCRIPTION IN_LOCATION POLICIES,  azure::list_policies,  Dialect::azure},
    {"GET",    IN_GROUP PROVIDER POLICIES,            azure::list_policies,  Dialect::azure},
    {"GET",    IN_GROUP IN_LOCATION POLICIES,         azure::list_policies,  Dialect::azure},
    {"GET",    ONE_POLICY,                            azure::get_policy,     Dialect::azure},
    {"PUT",    ONE_POLICY,                            azure::put_policy,     Dialect::azure},
    {"DELETE", ONE_POLICY,                            azure::delete_policy,  Dialect::azure},
    {"POST",   ONE_POLICY "/initiate",                azure::initiate,       Dialect::azure, &azure_access},
    {"POST",   ONE_POLICY "/revoke",                  azure::revoke,         Dialect::azure},

    {"GET",    "/v1/machines",                        own::list_machines,    Dialect::own},
    {"POST",   "/v1/machines",                        own::post_machines,    Dialect::own},
    {"POST",   "/v1/machines/enable",                 own::enable_machines,  Dialect::own},
    {"POST",   "/v1/machines/disable",                own::disable_machines, Dialect::own},
    {"GET",    "/v1/machines/{name}",                 own::get_machine,      Dialect::own},
    {"GET",    "/v1/machines/{name}/connection",      own::get_connection,   Dialect::own},
    {"PUT",    "/v1/machines/{name}",                 own::put_machine,      Dialect::own},
    {"DELETE", "/v1/machines/{name}",                 own::delete_machine,   Dialect::own},
    {"GET",    "/v1/exposure",                        own::list_exposure,    Dialect::own},
    {"GET",    "/v1/switches",                        own::list_switches,    Dialect::own},
    {"PUT",    "/v1/switches/{name}",                 own::put_switch,       Dialect::own},
    {"GET",    "/v1/policies",                        own::list_policies,    Dialect::own},
    {"POST",   "/v1/requests",                        own::post_request,     Dialect::own, &own_access},
    {"GET",    "/v1/requests",                        own::list_requests,    Dialect::own},
    {"GET",    "/v1/requests/{id}",                   own::get_request,      Dialect::own},
    {"POST",   "/v1/requests/{id}/approve",           own::approve_request,  Dialect::own},
    {"POST",   "/v1/requests/{id}/deny",              own::deny_request,     Dialect::own},
    {"GET",    "/v1/grants",                          own::list_grants,      Dialect::own},
    {"POST",   "/v1/grants/{serial}/revoke",          own::revoke_grant,     Dialect::own},
    {"POST",   "/v1/grants/{serial}/extend",          own::extend_grant,     Dialect::own},
    {"GET",    "/v1/status",                          own::get_status,       Dialect::own},
    {"GET",    "/metrics",                            own::get_metrics,      Dialect::own},
    {"GET",    "/v1/gate/explain",                    own::explain,          Dialect::own},
    {"GET",    "/v1/gate/services",                   own::list_service_counts, Dialect::own},
    {"GET",    "/v1/gate/events",                     own::list_events,      Dialect::own},
    {"GET",    "/v1/events/stream",                   own::stream_events,    Dialect::own},
    {"GET",    "/v1/tokens",                          own::list_tokens,      Dialect::own},
    {"POST",   "/v1/tokens",                          own::post_token,       Dialect::own},
    {"DELETE", "/v1/tokens/{id}",                     own::delete_token,     Dialect::own},
    {"GET",    "/v1/roles",                           own::list_roles,       Dialect::own},
    {"GET",    "/v1/breakglass",                      own::list_break_glass, Dialect::own},
    {"POST",   "/v1/breakglass",                      own::arm_break_glass,  Dialect::own},
    {"DELETE", "/v1/breakglass/{id}",                 own::disarm_break_glass, Dialect::own},
    {"POST",   "/v1/breakglass/uses/{request}/review", own::review_break_glass, Dialect::own},
    {"GET",    "/v1/audit",                           own::list_audit,       Dialect::own},
    {"GET",    "/v1/audit/flows",                     own::list_flows,       Dialect::own},
    {"GET",    "/v1/audit/review",                    own::review,           Dialect::own},
    {"GET",    "/v1/audit/verify",                    own::verify_audit,     Dialect::own},
    {"POST",   "/v1/audit/verify",                    own::verify_heads,     Dialect::own},
    // clang-format on
};

bool is_subscription_id(std::string_view text) {
  constexpr std::string_view form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (text.size() != form.size()) return false;
  for (std::size_t i = 0; i < form.size(); ++i) {
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (form[i] == '-' ? c != '-' : !hex) return false;
  }
  return true;
}

bool is_group_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_.()").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= 90 && std::all_of(text.begin(), text.end(), allowed);
}

std::vector<std::string_view> split(std::string_view pattern) {
  std::vector<std::string_view> segments;
  while (!pattern.empty()) {
    pattern.remove_prefix(1);
    const std::size_t slash = std::min(pattern.find('/'), pattern.size());
    segments.push_back(pattern.substr(0, slash));
    pattern.remove_prefix(slash);
  }
  return segments;
}

// The parameters if the path has the pattern's shape.
std::optional<std::vector<std::pair<std::string_view, std::string>>> bind(std::string_view pattern,
                                                                          const std::vector<std::string>& path) {
  const std::vector<std::string_view> segments = split(pattern);
  if (segments.size() != path.size()) return std::nullopt;
  std::vector<std::pair<std::string_view, std::string>> parameters;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segments[i].starts_with('{')) {
      if (path[i].empty()) return std::nullopt;
      parameters.emplace_back(segments[i].substr(1, segments[i].size() - 2), path[i]);
    } else if (!core::same_folded(segments[i], path[i])) {
      return std::nullopt;
    }
  }
  return parameters;
}

// What the API description demands of the two first parameters.
std::string fault_of(const std::vector<std::pair<std::string_view, std::string>>& parameters) {
  for (const auto& [name, value] : parameters) {
    if (name == "sub" && !is_subscription_id(value)) return "'" + value + "' is no subscription id (a GUID).";
    if (name == "rg" && !is_group_name(value))
      return "'" + value + "' is no resource group name (1 to 90 letters, digits and -_.()).";
  }
  return {};
}

}  // namespace

const std::string& Call::parameter(std::string_view name) const {
  static const std::string none;
  for (const auto& [key, value] : parameters)
    if (key == name) return value;
  return none;
}

core::PolicyId Call::policy_id() const {
  return {parameter("sub"), parameter("rg"), parameter("loc"), parameter("name")};
}

Match match_route(std::string_view method, const Target& target) {
  Match match;
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (const Route& route : routes) {
    auto parameters = bind(route.pattern, target.segments);
    if (!parameters) continue;
    if (std::string fault = fault_of(*parameters); !fault.empty()) {
      match.error = {core::ErrorCode::invalid_resource_type, std::move(fault), "", {}};
      return match;
    }
    if (route.method == wanted) {
      match.route = &route;
      match.parameters = std::move(*parameters);
      return match;
    }
    match.allow += (match.allow.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") match.allow += ", HEAD";
  }
  if (match.allow.empty()) {
    match.error = {core::ErrorCode::invalid_resource_type, "There is nothing at this path.", "", {}};
  } else {
    match.error = {core::ErrorCode::method_not_allowed,
                   "The resource does not know this method; it knows " + match.allow + ".",
                   "",
                   {}};
  }
  return match;
}

const std::vector<Route>& route_table() {
  static const std::vector<Route> table(std::begin(routes), std::end(routes));
  return table;
}

}  // namespace postern::http
