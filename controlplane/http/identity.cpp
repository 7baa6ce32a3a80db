// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/identity.hpp"

#include <pwd.h>

#include <algorithm>
#include <array>

#include "controlplane/core/principal_name.hpp"
#include "controlplane/core/text.hpp"
#include "controlplane/http/endpoint.hpp"

namespace postern::http {
namespace {

core::Error unknown_caller(std::string message) {
  return {core::ErrorCode::authentication_failed, std::move(message), "", {}};
}

std::optional<std::string> user_name(std::uint32_t uid) {
  std::array<char, 16384> buffer{};
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || !found) return std::nullopt;
  return found->pw_name;
}

bool is_by_name(const UserRule& rule) {
  return rule.user.find_first_not_of("0123456789") != std::string::npos && !rule.user.starts_with(core::uid_kind);
}

// A user's own rule goes before the group: to reach the socket one must be in the group, and may still be less.
core::Result<core::Principal> local_principal(const UnixPeer& peer, const IdentityRules& rules) {
  const auto found = user_name(peer.uid);
  const core::Assignment admin{"admin", "/"};
  if (peer.uid == 0) return core::Principal{found.value_or("root"), {admin}};
  const std::string name = found.value_or(std::string(core::uid_kind) + std::to_string(peer.uid));
  core::Principal mapped{name, {}};
  for (const UserRule& rule : rules.users)
    if (rule.user == name || rule.user == std::to_string(peer.uid)) mapped.assignments.push_back(rule.assignment);
  if (!mapped.assignments.empty()) return mapped;
  const bool in_group =
      rules.admin_group && (peer.gid == *rules.admin_group ||
                            std::find(peer.groups.begin(), peer.groups.end(), *rules.admin_group) != peer.groups.end());
  // No name may mean that it cannot be looked up now; by it a rule may make him less than his group does.
  if (in_group && !found && std::any_of(rules.users.begin(), rules.users.end(), is_by_name))
    return core::Error{core::ErrorCode::service_unavailable,
                       "Uid " + std::to_string(peer.uid) + " has no name now, and the configuration's users go by theirs; try again, or send a token.", "", {}};
  if (in_group) return core::Principal{name, {admin}};
  return unknown_caller("User '" + name + "' (uid " + std::to_string(peer.uid) +
                        ") is not root, not in the gate's group and not in the configuration's users; send a token.");
}

core::Result<core::Principal> certified_principal(const ClientCertificate& certificate, const IdentityRules& rules) {
  constexpr std::string_view or_token = "; send a token.";
  if (!certificate.fault.empty())
    return unknown_caller("The client certificate names nobody: " + certificate.fault + std::string(or_token));
  if (std::chrono::system_clock::now() >= certificate.end)
    return unknown_caller("The client certificate was good when the connection began, and is not any more.");
  std::optional<core::Principal> found;
  for (const CertificateRule& rule : rules.certificates) {
    if (std::find(certificate.names.begin(), certificate.names.end(), rule.name) == certificate.names.end()) continue;
    if (found) return unknown_caller("The client certificate has names of several users in certificate_users" + std::string(or_token));
    found = core::Principal{rule.principal, {rule.assignment}};
  }
  if (found) return *std::move(found);
  std::string names;
  for (const auto& name : certificate.names) names += (names.empty() ? "" : ", ") + core::in_quotes(name);
  return unknown_caller("The client certificate's names (" + names + ") are not in certificate_users" + std::string(or_token));
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// "a.b.c.d", "a.b.c.d:port", "v6", "[v6]", "[v6]:port", as proxies write them.
std::optional<core::Address> forwarded_address(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    text = end == std::string_view::npos ? std::string_view{} : text.substr(1, end - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  auto address = core::parse_address(text);
  if (!address) return std::nullopt;
  return *address;
}

bool is_trusted(const core::Address& address, const IdentityRules& rules) {
  return std::any_of(rules.trusted_proxies.begin(), rules.trusted_proxies.end(),
                     [&](const core::Prefix& prefix) { return prefix.contains(address); });
}

}  // namespace

core::Result<core::Principal> identify(const HttpRequest& request, const Peer& peer, const IdentityRules& rules,
                                       const Authenticate& authenticate) {
  const auto fields = request.all("authorization");
  if (fields.empty()) {
    if (peer.local) return local_principal(*peer.local, rules);
    if (peer.certificate && !rules.certificates.empty()) return certified_principal(*peer.certificate, rules);
    return unknown_caller("Authentication failed. The 'Authorization' header is missing.");
  }
  constexpr std::string_view scheme = "bearer ";
  const std::string_view field = fields.front();
  const bool bearer = fields.size() == 1 && core::folded(field.substr(0, scheme.size())) == scheme;
  const std::string_view secret = bearer ? trimmed(field.substr(scheme.size())) : std::string_view{};
  if (secret.empty())
    return core::Error{
        core::ErrorCode::invalid_token, "The 'Authorization' header must be 'Bearer' and one token.", "", {}};
  return authenticate(secret);
}

std::optional<core::Address> caller_address(const HttpRequest& request, const Peer& peer, const IdentityRules& rules) {
  if (!peer.address) return std::nullopt;
  if (!is_trusted(*peer.address, rules)) {
    if (is_loopback(*peer.address)) return std::nullopt;
    return peer.address;
  }
  std::string chain;
  for (const std::string_view field : request.all("x-forwarded-for"))
    chain += (chain.empty() ? "" : ",") + std::string(field);
  std::string_view rest = chain;
  while (!rest.empty()) {
    const std::size_t comma = rest.rfind(',');
    const auto address = forwarded_address(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
    if (!address) return std::nullopt;
    if (!is_trusted(*address, rules)) return is_loopback(*address) ? std::nullopt : address;
    if (comma == std::string_view::npos) break;
    rest = rest.substr(0, comma);
  }
  return std::nullopt;
}

}  // namespace postern::http
