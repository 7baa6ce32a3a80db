// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/host_guard.hpp"

#include <algorithm>
#include <charconv>

#include "controlplane/core/model.hpp"
#include "controlplane/http/endpoint.hpp"

namespace postern::http {
namespace {

bool names_loopback(std::string_view host) {
  if (core::folded(host) == "localhost") return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = core::parse_address(host);
  return address && is_loopback(*address);
}

// "*.example.com" stands for one label in front.
bool matches(std::string_view name, std::string_view host) {
  if (!name.starts_with("*.")) return name == host;
  const std::size_t dot = host.find('.');
  return dot != std::string_view::npos && dot > 0 && host.substr(dot) == name.substr(1);
}

bool names_certificate(std::string_view host, const std::vector<std::string>& names) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = core::parse_address(host);
  const std::string wanted = address ? core::to_string(*address) : std::string(host);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return matches(name, wanted); });
}

bool is_ours(std::string_view authority, const Peer& peer) {
  std::string_view host = authority;
  unsigned port = peer.tls ? 443 : 80;
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && !authority.ends_with(']')) {
    host = authority.substr(0, colon);
    const std::string_view digits = authority.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size()) return false;
  }
  const bool bare_ipv6 = !host.starts_with('[') && host.find(':') != std::string_view::npos;
  if (bare_ipv6) return false;
  // A port may be forwarded to ours; the certificate's names are proof enough.
  if (peer.tls && names_certificate(host, peer.server_names)) return true;
  return port == peer.server_port && names_loopback(host);
}

std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  return url.substr(0, url.find('/'));
}

core::Error refused(core::ErrorCode code, std::string message) {
  return {code, std::move(message), "", {}};
}

}  // namespace

core::Result<void> check_host(const HttpRequest& request, const Peer& peer, const std::string& public_url) {
  if (peer.local) return {};
  const auto hosts = request.all("host");
  if (hosts.size() != 1)
    return refused(core::ErrorCode::invalid_request_content, "A request must have exactly one Host header.");
  const std::string host = core::folded(hosts.front());
  const bool by_front = !public_url.empty() && host == core::folded(authority_of(public_url));
  if (!by_front && !is_ours(host, peer)) {
    return refused(core::ErrorCode::authorization_failed,
                   "The Host header '" + host.substr(0, 100) + "' is not this server's; use " +
                       (peer.tls ? "a name that its certificate has." : "localhost and its port."));
  }
  const auto origins = request.all("origin");
  if (origins.empty()) return {};
  const std::string origin = core::folded(origins.front());
  const std::string scheme = by_front ? core::folded(public_url.substr(0, public_url.find("://"))) : peer.tls ? "https" : "http";
  if (origins.size() == 1 && origin == scheme + "://" + host) return {};
  return refused(
      core::ErrorCode::authorization_failed,
      "The Origin '" + origin.substr(0, 100) + "' is foreign: pages of other sites may not call this server.");
}

}  // namespace postern::http
