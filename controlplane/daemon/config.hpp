// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration as values, ready to use. Where it comes from is options.hpp's.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/core/access.hpp"
#include "controlplane/http/endpoint.hpp"
#include "controlplane/http/identity.hpp"
#include "controlplane/http/rate_limit.hpp"
#include "controlplane/http/oidc.hpp"

namespace postern::daemon {

// Where audit records are sent. `host` without brackets; `ca`: a file with the CA that its certificate is checked by, instead
// of the system's.
struct WebhookTarget {
  std::string url, host, port, path, secret, ca;
  bool tls = true;

  std::string name() const { return url.substr(0, url.find('?')); }  // for logs: a query may hold a secret
  std::string host_header() const {
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port == (tls ? "443" : "80") ? shown : shown + ":" + port;
  }
};

struct OidcConfig {
  http::OidcRules rules;
  std::string keys;  // absolute path, or https://…
  std::string ca;    // PEM, for the URL; empty: whom the system trusts
};

struct Config {
  std::string instance;
  std::filesystem::path run_dir, state, socket, adoption_socket;
  std::optional<std::uint32_t> socket_group;
  std::optional<std::pair<core::Address, std::uint16_t>> listen;  // none: the Unix socket only
  std::optional<std::pair<core::Address, std::uint16_t>> listen_https;  // with the files of `tls`
  http::TlsFiles tls;
  std::string public_url;
  std::string host_machine;  // empty: this host is no machine
  core::Settings settings;
  std::vector<core::Prefix> trusted_proxies;
  std::vector<http::UserRule> users;
  std::optional<std::chrono::seconds> audit_retention;  // none: records are kept for ever
  bool audit_journal = false;
  std::vector<WebhookTarget> audit_webhooks;
  std::vector<http::CertificateRule> certificate_users;
  http::Rate caller_rate, stranger_rate;
  OidcConfig oidc;
  std::string log_level;

  std::filesystem::path audit_key() const { return state.string() + ".audit-key"; }
  std::filesystem::path instance_dir() const { return run_dir / instance; }
};

}  // namespace postern::daemon
