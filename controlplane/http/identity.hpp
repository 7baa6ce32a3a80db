// SPDX-License-Identifier: Apache-2.0
// Who calls and from where: bearer token, client certificate, or the kernel's word about the peer of the Unix socket; the
// address that "my IP" means. Says who somebody is, never what they may do.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/core/model.hpp"
#include "controlplane/core/result.hpp"
#include "controlplane/http/message.hpp"

namespace postern::http {

// A local user who is neither root nor in the admin group, or who shall be less than admin though in it.
struct UserRule {
  std::string user;  // name, or uid in digits
  core::Assignment assignment;
};

// Whom a client certificate is that has this name among its own.
struct CertificateRule {
  std::string name;       // as ClientCertificate has it
  std::string principal;  // "cert:" and the name, unless the configuration says who it is
  core::Assignment assignment;
};

struct IdentityRules {
  std::vector<UserRule> users;
  std::vector<CertificateRule> certificates = {};
  std::optional<std::uint32_t> admin_group;
  std::vector<core::Prefix> trusted_proxies;
};

using Authenticate = std::function<core::Result<core::Principal>(std::string_view token)>;

// A token, where one is sent, goes before certificate and peer's credentials.
core::Result<core::Principal> identify(const HttpRequest& request, const Peer& peer, const IdentityRules& rules,
                                       const Authenticate& authenticate);

// The TCP peer; if that is a trusted proxy, the last address of X-Forwarded-For that is none. None over the Unix
// socket, from loopback, and when the proxy names nothing readable.
std::optional<core::Address> caller_address(const HttpRequest& request, const Peer& peer, const IdentityRules& rules);

}  // namespace postern::http
