// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/identity_options.hpp"

#include <algorithm>

#include "controlplane/core/access.hpp"
#include "controlplane/core/faults.hpp"
#include "controlplane/core/principal_name.hpp"
#include "controlplane/daemon/https_get.hpp"
#include "controlplane/daemon/role_options.hpp"

namespace postern::daemon {
namespace {

using core::Result;

core::Error fault(std::string message) {
  return {core::ErrorCode::invalid_input, std::move(message), "", {}};
}

Result<void> outcome(const core::Faults& faults) {
  if (!faults.any()) return {};
  return core::Error{core::ErrorCode::invalid_input, "", "", faults.list()};
}

bool is_certificate_name(const std::string& name) {
  for (const std::string_view kind : {"email:", "uri:", "dns:"})
    if (name.starts_with(kind)) return name.size() > kind.size();
  const auto equals = name.find('=');
  return equals != std::string::npos && equals > 0 && name.find("CN=") != std::string::npos;
}

Result<http::CertificateRule> read_certificate_user(const std::string& name, const Json& rule, const Config& config) {
  const std::string whose = "Certificate '" + name + "'";
  if (!is_certificate_name(name) || name.find('*') != std::string::npos || !core::text_fault(name).empty() ||
      name.size() > core::outside_name_bytes_max)
    return fault(whose + " must be a whole subject such as CN=alice,O=Example, or email:…, uri:… or dns:…, without '*'.");
  auto assignment = read_assignment(rule, whose, config, "principal");
  if (!assignment) return assignment.error();
  const auto principal = rule.value("principal", std::string(core::certificate_kind) + name);
  if (rule.contains("principal"))
    if (const auto wrong = core::plain_name_fault(principal); !wrong.empty()) return fault(whose + ": " + wrong);
  return http::CertificateRule{name, principal, *std::move(assignment)};
}

// Bursts are what a client does that lists, looks at each, and then asks.
constexpr double burst_seconds = 4;

Result<double> rate_of(const Json& value) {
  constexpr std::uint64_t most = 1'000'000;
  const auto number = value.get<std::uint64_t>();
  if (number <= most) return static_cast<double>(number);
  return fault(value.dump() + " is more than " + std::to_string(most) + ".");
}

}  // namespace

// {"email:alice@example.org": {"role": "requester", "scope": "/", "principal": "alice"}, "CN=robot,O=Example": {…}}
Result<void> read_certificate_users(const Json& value, Config& config) {
  core::Faults faults;
  for (const auto& [name, rule] : value.items())
    if (auto read = faults.take(read_certificate_user(name, rule, config), "." + name)) config.certificate_users.push_back(*std::move(read));
  if (!value.empty() && config.tls.client_ca.empty()) faults.add("", "Needs tls_client_ca, whose certificates these are.");
  return outcome(faults);
}

Result<void> read_oidc_issuer(const Json& value, Config& config) {
  config.oidc.rules.issuer = value.get<std::string>();
  if (config.oidc.rules.issuer.empty() || config.oidc.rules.issuer.starts_with("https://")) return {};
  return fault("'" + config.oidc.rules.issuer + "' is no issuer: a URL that begins with https://.");
}

Result<void> read_oidc_audience(const Json& value, Config& config) {
  for (const Json& each : value) config.oidc.rules.audiences.push_back(each.get<std::string>());
  const bool hollow = std::any_of(value.begin(), value.end(), [](const Json& each) { return each.get_ref<const std::string&>().empty(); });
  if (hollow) return fault("An audience is empty.");
  if (config.oidc.rules.issuer.empty() == value.empty()) return {};
  return fault(value.empty() ? "Is needed for oidc_issuer: whom its tokens must be for." : "Needs oidc_issuer.");
}

Result<void> read_oidc_keys(const Json& value, Config& config) {
  config.oidc.keys = value.get<std::string>();
  if (config.oidc.rules.issuer.empty() != config.oidc.keys.empty())
    return fault(config.oidc.keys.empty() ? "Is needed for oidc_issuer: its JWKS." : "Needs oidc_issuer.");
  if (config.oidc.keys.empty() || config.oidc.keys.starts_with('/')) return {};
  if (const auto url = parse_https_url(config.oidc.keys); !url) return fault("'" + config.oidc.keys + "' is neither an absolute path nor a URL that begins with https://.");
  return {};
}

Result<void> read_oidc_ca(const Json& value, Config& config) {
  config.oidc.ca = value.get<std::string>();
  if (config.oidc.ca.empty() || config.oidc.ca.starts_with('/')) return {};
  return fault("'" + config.oidc.ca + "' is not an absolute path.");
}

Result<void> read_oidc_name_claim(const Json& value, Config& config) {
  config.oidc.rules.name_claim = value.get<std::string>();
  if (!config.oidc.rules.name_claim.empty()) return {};
  return fault("Must name a claim, such as sub.");
}

Result<void> read_oidc_roles_claim(const Json& value, Config& config) {
  config.oidc.rules.roles_claim = value.get<std::string>();
  return {};
}

// {"gate-admins": {"role": "admin", "scope": "/"}}
Result<void> read_oidc_roles(const Json& value, Config& config) {
  core::Faults faults;
  for (const auto& [name, rule] : value.items())
    if (auto assignment = faults.take(read_assignment(rule, "Role '" + name + "'", config), "." + name)) config.oidc.rules.roles.emplace(name, *std::move(assignment));
  return outcome(faults);
}

// {"alice@example.org": "alice"}
Result<void> read_oidc_principals(const Json& value, Config& config) {
  core::Faults faults;
  for (const auto& [name, principal] : value.items()) {
    const std::string who = principal.is_string() ? principal.get<std::string>() : "";
    if (const auto wrong = core::plain_name_fault(who); !wrong.empty()) faults.add("." + name, wrong);
    config.oidc.rules.principals.emplace(name, who);
  }
  return outcome(faults);
}

Result<void> read_rate_limit(const Json& value, Config& config) {
  const auto rate = rate_of(value);
  if (!rate) return rate.error();
  config.caller_rate = {*rate, *rate * burst_seconds};
  return {};
}

Result<void> read_failed_login_limit(const Json& value, Config& config) {
  const auto rate = rate_of(value);
  if (!rate) return rate.error();
  config.stranger_rate = {*rate / 60, *rate};
  return {};
}

std::vector<core::ConfiguredUser> configured_users(const Config& config) {
  std::vector<core::ConfiguredUser> users;
  for (const auto& rule : config.users) users.push_back({{rule.user, {rule.assignment}}, "user " + rule.user});
  for (const auto& rule : config.certificate_users) users.push_back({{rule.principal, {rule.assignment}}, "certificate " + rule.name});
  for (const auto& [value, assignment] : config.oidc.rules.roles)
    users.push_back({{std::string(core::oidc_kind) + "*", {assignment}}, "OIDC role " + value});
  return users;
}

}  // namespace postern::daemon
