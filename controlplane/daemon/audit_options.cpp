// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/audit_options.hpp"

#include <algorithm>

#include "controlplane/core/text.hpp"
#include "controlplane/http/endpoint.hpp"

namespace postern::daemon {
namespace {

constexpr std::chrono::hours retention_min{24 * 30};
constexpr std::size_t secret_min = 16;

core::Error fault(std::string message) {
  return {core::ErrorCode::invalid_input, std::move(message), "", {}};
}

// As WebhookTarget::name(): a fault is logged, recorded and shown in the status.
std::string shown(const std::string& url) {
  const std::size_t end = url.find('?'), at = url.rfind('@', end);
  return at == std::string::npos ? url.substr(0, end) : "…" + url.substr(at, end == std::string::npos ? end : end - at);
}

bool is_loopback_name(const std::string& host) {
  const auto address = core::parse_address(host);
  return core::folded(host) == "localhost" || (address && http::is_loopback(*address));
}

// "https://host[:port][/path]"; http only where nobody else hears it.
core::Result<WebhookTarget> read_url(const std::string& url) {
  const auto bad = [&](const std::string& why) { return fault("'" + shown(url) + "' cannot be a webhook: " + why + "."); };
  const auto plain = [](char c) { return c > 0x20 && c < 0x7f && c != '"' && c != '#'; };
  if (!std::all_of(url.begin(), url.end(), plain)) return bad("it has characters that no URL has, or a fragment");
  WebhookTarget target{.url = url, .host = "", .port = "", .path = "", .secret = "", .ca = ""};
  target.tls = url.starts_with("https://");
  if (!target.tls && !url.starts_with("http://")) return bad("it must begin with https://");
  const std::size_t begin = target.tls ? 8 : 7, end = std::min(url.find_first_of("/?", begin), url.size());
  const std::string place = url.substr(begin, end - begin);
  target.path = url.substr(end);
  if (!target.path.starts_with('/')) target.path.insert(0, "/");
  if (place.find('@') != std::string::npos) return bad("it must not hold a password");
  const std::size_t bracket = place.starts_with('[') ? place.find(']') : 0;
  if (bracket == std::string::npos) return bad("its '[' is not closed");
  const std::size_t colon = place.find(':', bracket);
  target.host = bracket > 0 ? place.substr(1, bracket - 1) : place.substr(0, colon);
  target.port = colon == std::string::npos ? (target.tls ? "443" : "80") : place.substr(colon + 1);
  if (target.host.empty()) return bad("it names no host");
  const auto number = core::parse_digits(target.port, 5);
  if (!number || *number == 0 || *number > 65535) return bad("its port is none");
  if (!target.tls && !is_loopback_name(target.host)) return bad("http is for this host only; use https");
  return target;
}

}  // namespace

core::Result<void> read_audit_retention(const Json& value, Config& config) {
  const auto text = value.get<std::string>();
  if (text.empty()) return {};
  const auto duration = core::parse_duration(text);
  if (!duration) return duration.error();
  if (*duration < retention_min) return fault("'" + text + "' is less than 30 days (P30D).");
  config.audit_retention = *duration;
  return {};
}

core::Result<void> read_audit_journal(const Json& value, Config& config) {
  const auto text = value.get<std::string>();
  config.audit_journal = text == "on";
  if (text == "on" || text == "off") return {};
  return fault("Must be on or off, not '" + text + "'.");
}

// {"https://siem.example/postern": {"secret": "…", "ca": "/etc/…"}}; ca may be left out.
core::Result<void> read_audit_webhooks(const Json& value, Config& config) {
  for (const auto& [url, rule] : value.items()) {
    auto target = read_url(url);
    if (!target) return target.error();
    if (!rule.is_object()) return fault("Webhook '" + shown(url) + "' must be an object with a secret.");
    for (const auto& [key, member] : rule.items())
      if ((key != "secret" && key != "ca") || !member.is_string())
        return fault("Webhook '" + shown(url) + "' has a member '" + key + "'; only the texts secret and ca are known.");
    target->secret = rule.value("secret", std::string());
    target->ca = rule.value("ca", std::string());
    if (target->secret.size() < secret_min)
      return fault("Webhook '" + shown(url) + "' needs a secret of " + std::to_string(secret_min) + " characters or more.");
    if (!target->ca.empty() && !target->ca.starts_with('/'))
      return fault("Webhook '" + shown(url) + "' has the ca '" + target->ca + "', which is not an absolute path.");
    config.audit_webhooks.push_back(*std::move(target));
  }
  return {};
}

}  // namespace postern::daemon
