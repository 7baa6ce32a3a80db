// SPDX-License-Identifier: Apache-2.0
// The table itself, and the readers of the values that are more than text.
#include <grp.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "controlplane/core/faults.hpp"
#include "controlplane/daemon/audit_options.hpp"
#include "controlplane/daemon/identity_options.hpp"
#include "controlplane/daemon/options.hpp"
#include "controlplane/daemon/role_options.hpp"
#include "controlplane/http/endpoint.hpp"

namespace postern::daemon {
namespace {

using core::Result;

constexpr std::size_t recommended_ports_max = 16;

core::Error fault(std::string message) {
  return {core::ErrorCode::invalid_input, std::move(message), "", {}};
}

Result<void> outcome(const core::Faults& faults) {
  if (!faults.any()) return {};
  return core::Error{core::ErrorCode::invalid_input, "", "", faults.list()};
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

Result<void> read_instance(const Json& value, Config& config) {
  config.instance = value.get<std::string>();
  const bool plain = config.instance.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == std::string::npos;
  if (plain && !config.instance.empty() && config.instance.size() <= 32) return {};
  return fault("'" + config.instance + "' is no instance name: 1 to 32 letters, digits, - and _.");
}

Result<void> read_path(const Json& value, std::filesystem::path& path) {
  path = value.get<std::string>();
  if (path.is_absolute()) return {};
  return fault("'" + path.string() + "' is not an absolute path.");
}

Result<void> read_run_dir(const Json& value, Config& config) {
  return read_path(value, config.run_dir);
}
Result<void> read_state(const Json& value, Config& config) {
  return read_path(value, config.state);
}

Result<void> read_socket(const Json& value, Config& config) {
  if (value.get<std::string>().empty()) {
    config.socket = config.instance_dir() / "api.sock";
    return {};
  }
  return read_path(value, config.socket);
}

Result<void> read_adoption_socket(const Json& value, Config& config) {
  if (value.get<std::string>().empty()) {
    config.adoption_socket = config.instance_dir() / "adopt.sock";
    return {};
  }
  return read_path(value, config.adoption_socket);
}

Result<void> read_socket_group(const Json& value, Config& config) {
  const auto text = value.get<std::string>();
  if (text.empty()) return {};
  if (const auto gid = number_of<std::uint32_t>(text)) {
    config.socket_group = *gid;
    return {};
  }
  std::array<char, 16384> buffer{};
  group entry{};
  group* found = nullptr;
  if (getgrnam_r(text.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found)
    return fault("There is no group '" + text + "'.");
  config.socket_group = entry.gr_gid;
  return {};
}

Result<void> read_listen(const Json& value, Config& config) {
  const auto text = value.get<std::string>();
  if (text.empty()) return {};
  const auto endpoint = http::parse_endpoint(text);
  if (!endpoint) return endpoint.error();
  if (!http::is_loopback(endpoint->first))
    return fault("'" + text + "' is not a loopback address; listen_https is for all others.");
  if (endpoint->second != 0) config.listen = *endpoint;
  return {};
}

Result<void> read_listen_https(const Json& value, Config& config) {
  const auto text = value.get<std::string>();
  if (text.empty()) return {};
  const auto endpoint = http::parse_endpoint(text);
  if (!endpoint) return endpoint.error();
  if (endpoint->second != 0) config.listen_https = *endpoint;
  return {};
}

Result<void> read_tls_file(const Json& value, const Config& config, std::string& file) {
  file = value.get<std::string>();
  if (file.empty() && config.listen_https) return fault("Is needed for listen_https: a file in PEM form.");
  if (file.empty() || file.starts_with('/')) return {};
  return fault("'" + file + "' is not an absolute path.");
}

Result<void> read_tls_certificate(const Json& value, Config& config) {
  return read_tls_file(value, config, config.tls.certificate);
}
Result<void> read_tls_key(const Json& value, Config& config) {
  return read_tls_file(value, config, config.tls.key);
}
Result<void> read_tls_client_ca(const Json& value, Config& config) {
  if (!value.get<std::string>().empty()) return read_tls_file(value, config, config.tls.client_ca);
  return {};
}

Result<void> read_public_url(const Json& value, Config& config) {
  config.public_url = value.get<std::string>();
  while (config.public_url.ends_with('/')) config.public_url.pop_back();
  const bool url = config.public_url.starts_with("https://") || config.public_url.starts_with("http://");
  if (config.public_url.empty() || url) return {};
  return fault("'" + config.public_url + "' is no URL that begins with https:// or http://.");
}

Result<void> read_host_machine(const Json& value, Config& config) {
  config.host_machine = value.get<std::string>();
  return {};
}

Result<void> read_subscription(const Json& value, Config& config) {
  config.settings.subscription = value.get<std::string>();
  constexpr std::string_view form = "00000000-0000-0000-0000-000000000000";
  const std::string& text = config.settings.subscription;
  bool guid = text.size() == form.size();
  for (std::size_t i = 0; guid && i < form.size(); ++i)
    guid = form[i] == '-' ? text[i] == '-'
                          : std::string_view("0123456789abcdefABCDEF").find(text[i]) != std::string_view::npos;
  if (guid) return {};
  return fault("'" + text + "' is no GUID such as " + std::string(form) + ".");
}

Result<void> read_segment(const Json& value, std::string& text, std::size_t size_max) {
  text = value.get<std::string>();
  const auto allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-_.()").find(c) != std::string_view::npos;
  };
  if (!text.empty() && text.size() <= size_max && std::all_of(text.begin(), text.end(), allowed)) return {};
  return fault("'" + text + "' must have 1 to " + std::to_string(size_max) + " letters, digits or any of -_.().");
}

Result<void> read_resource_group(const Json& value, Config& config) {
  return read_segment(value, config.settings.resource_group, 90);
}
Result<void> read_location(const Json& value, Config& config) {
  return read_segment(value, config.settings.location, 64);
}

// Each element by `parse` into the list; or all faults with their places.
template <class T, class Parse>
Result<void> read_list(const Json& value, std::vector<T>& list, Parse parse) {
  core::Faults faults;
  for (std::size_t i = 0; i < value.size(); ++i)
    if (auto element = faults.take(parse(value[i].template get<std::string>()), core::indexed("", i))) list.push_back(*std::move(element));
  return outcome(faults);
}

Result<void> read_prefixes(const Json& value, std::vector<core::Prefix>& prefixes) {
  return read_list(value, prefixes, [](const std::string& text) { return core::parse_prefix(text); });
}

Result<void> read_trusted_proxies(const Json& value, Config& config) {
  return read_prefixes(value, config.trusted_proxies);
}
Result<void> read_failsafe_sources(const Json& value, Config& config) {
  return read_prefixes(value, config.settings.failsafe_sources);
}

Result<void> read_recommended_ports(const Json& value, Config& config) {
  auto& ports = config.settings.recommended_ports;
  ports.clear();
  for (const Json& element : value) {
    const auto port = number_of<std::uint16_t>(element.get<std::string>());
    if (!port || *port == 0) return fault("'" + element.get<std::string>() + "' is no port from 1 to 65535.");
    if (std::find(ports.begin(), ports.end(), *port) == ports.end()) ports.push_back(*port);
  }
  if (ports.size() <= recommended_ports_max) return {};
  return fault("There are more than " + std::to_string(recommended_ports_max) + " ports.");
}

// "192.0.2.1:22/tcp", "[2001:db8::/64]:3389/udp"
Result<core::ServiceKey> parse_service(const std::string& text) {
  const std::size_t slash = text.rfind('/');
  const std::size_t colon = text.rfind(':', slash);
  if (slash == std::string::npos || colon == std::string::npos || colon > slash)
    return fault("'" + text + "' is no service such as 192.0.2.1:22/tcp or [2001:db8::1]:22/tcp.");
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto prefix = core::parse_prefix(host);
  if (!prefix) return prefix.error();
  const auto port = number_of<std::uint16_t>(text.substr(colon + 1, slash - colon - 1));
  const std::string protocol = core::folded(text.substr(slash + 1));
  if (!port || *port == 0) return fault("'" + text + "' has no port from 1 to 65535.");
  if (protocol != "tcp" && protocol != "udp") return fault("'" + text + "' must end in /tcp or /udp.");
  return core::ServiceKey{*prefix, *port, protocol == "tcp" ? core::Protocol::tcp : core::Protocol::udp};
}

Result<void> read_failsafe_services(const Json& value, Config& config) {
  return read_list(value, config.settings.failsafe_services, parse_service);
}

Result<void> read_approval_ttl(const Json& value, Config& config) {
  const auto ttl = core::parse_duration(value.get<std::string>());
  if (!ttl) return ttl.error();
  if (*ttl < std::chrono::minutes(5) || *ttl > std::chrono::hours(7 * 24))
    return fault("'" + value.get<std::string>() + "' is not between 5 minutes and 7 days.");
  config.settings.approval_ttl = *ttl;
  return {};
}

Result<void> read_log_level(const Json& value, Config& config) {
  constexpr std::array<std::string_view, 5> levels{"debug", "info", "warn", "error", "off"};
  config.log_level = value.get<std::string>();
  if (std::find(levels.begin(), levels.end(), config.log_level) != levels.end()) return {};
  return fault("'" + config.log_level + "' is no log level.");
}

}  // namespace

// In the order they are read: `socket` needs instance and run_dir, the files of TLS listen_https, users need roles.
const std::vector<Option>& option_table() {
  static const std::vector<Option> table{
      {"instance", Kind::text, "gate", "1 to 32 letters, digits, - and _",
       "Name that keeps several gates on one host apart", read_instance},
      {"run_dir", Kind::text, "/run/postern", "absolute path", "Folder with each instance's pinned maps and socket",
       read_run_dir},
      {"state", Kind::text, "/var/lib/postern/postern.db", "absolute path", "The database", read_state},
      {"socket", Kind::text, "", "absolute path", "Unix socket of the API; RUN_DIR/INSTANCE/api.sock if empty",
       read_socket},
      {"socket_group", Kind::text, "", "group name or gid",
       "Group that may use the socket and whose members are admins; the daemon's own if empty", read_socket_group},
      {"adoption_socket", Kind::text, "", "absolute path",
       "Socket of `postern-loader adopt --stdin`, which takes over open sessions; RUN_DIR/INSTANCE/adopt.sock if empty",
       read_adoption_socket},
      {"listen", Kind::text, "127.0.0.1:7822", "loopback address:port",
       "HTTP on loopback, with tokens; port 0 or empty: off", read_listen},
      {"listen_https", Kind::text, "", "address:port", "HTTPS, with tokens, on any address; port 0 or empty: off",
       read_listen_https},
      {"tls_certificate", Kind::text, "", "absolute path, PEM",
       "Certificate of listen_https and its chain; read again when it changes and on SIGHUP", read_tls_certificate, Reload::taken},
      {"tls_key", Kind::text, "", "absolute path, PEM", "Its private key, which others must not be able to read",
       read_tls_key, Reload::taken},
      {"tls_client_ca", Kind::text, "", "absolute path, PEM",
       "If set, only clients that show a certificate of this CA are talked to; who is not in certificate_users needs a token all the same",
       read_tls_client_ca, Reload::taken},
      {"public_url", Kind::text, "", "https://…",
       "Where clients reach a TLS front of ours: its Host is accepted, links in answers begin with it",
       read_public_url, Reload::taken_and_told},
      {"subscription", Kind::text, "00000000-0000-0000-0000-000000000000", "GUID",
       "Subscription of machines that are registered without an id", read_subscription, Reload::taken_and_told},
      {"resource_group", Kind::text, "default", "1 to 90 letters, digits, -_.()", "Their resource group",
       read_resource_group, Reload::taken_and_told},
      {"location", Kind::text, "local", "1 to 64 letters, digits, -_.()", "Location of policies made without one",
       read_location, Reload::taken_and_told},
      {"host_machine", Kind::text, "", "machine name",
       "Machine that is this host: kept registered with all addresses of its interfaces, as they change",
       read_host_machine},
      {"trusted_proxies", Kind::list, "[]", "addresses and blocks", "Peers whose X-Forwarded-For is believed",
       read_trusted_proxies, Reload::taken_and_told},
      {"roles", Kind::object, "{}", R"({"NAME": {"actions": […], "notActions": […]}})",
       "Roles besides the built-in ones; * stands for any text, notActions take away", read_roles, Reload::taken_and_told},
      {"users", Kind::object, "{}", R"({"NAME or UID": {"role": …, "scope": "/"} or a list of such})",
       "Roles of local users at the Unix socket, also of members of its group that shall be less than admin",
       read_users, Reload::taken_and_told},
      {"certificate_users", Kind::object, "{}",
       R"({"CN=…,O=…", "email:…", "uri:…" or "dns:…": {"role": …, "scope": "/", "principal": …}})",
       "Who logs in with a client certificate of tls_client_ca and needs no token, by its whole subject or an alternative name",
       read_certificate_users, Reload::taken_and_told},
      {"oidc_issuer", Kind::text, "", "https://…", "Whose access tokens (JWT) log in, exactly as their 'iss' says; empty: nobody's",
       read_oidc_issuer},
      {"oidc_audience", Kind::list, "[]", "texts", "One of which the tokens must be for ('aud')", read_oidc_audience},
      {"oidc_keys", Kind::text, "", "absolute path or https://…",
       "The issuer's keys, a JWKS: a file, read again when it changes, or a URL, fetched every ten minutes and for unknown keys", read_oidc_keys},
      {"oidc_ca", Kind::text, "", "absolute path, PEM", "Whose certificates to trust at that URL; whom the system trusts if empty", read_oidc_ca},
      {"oidc_name_claim", Kind::text, "sub", "name of a claim", "Which claim is the caller's name, with 'oidc:' in front", read_oidc_name_claim},
      {"oidc_roles_claim", Kind::text, "roles", "name of a claim, with dots between for one inside another", "Which claim has the roles: a text or a list",
       read_oidc_roles_claim},
      {"oidc_roles", Kind::object, "{}", R"({"VALUE": {"role": …, "scope": "/"}})", "What a value of that claim may do here", read_oidc_roles},
      {"oidc_principals", Kind::object, "{}", R"({"NAME": "alice"})", "Whose name, of Unix users and tokens, a value of oidc_name_claim stands for",
       read_oidc_principals},
      {"rate_limit", Kind::number, "2000", "0 to 1000000",
       "Calls a second that each caller may make, four times as many at once; 0: no limit, which root at the Unix socket never has",
       read_rate_limit, Reload::taken_and_told},
      {"failed_login_limit", Kind::number, "300", "0 to 1000000",
       "Calls a minute without a good log-in that each source may make; 0: no limit", read_failed_login_limit, Reload::taken_and_told},
      {"failsafe_sources", Kind::list, "[]", "addresses and blocks",
       "Sources that are never gated: whoever must always get in", read_failsafe_sources, Reload::taken_and_told},
      {"failsafe_services", Kind::list, "[]", "ADDRESS:PORT/tcp or /udp", "Services that are never gated",
       read_failsafe_services, Reload::taken_and_told},
      {"recommended_ports", Kind::list, R"(["22", "3389", "5985", "5986"])", "TCP ports, 16 at most",
       "What machines are usually managed by: `policy enable --recommended`, and exposure where no policy guards it",
       read_recommended_ports, Reload::needs_restart},
      {"approval_ttl", Kind::text, "PT4H", "PT5M to P7D", "How long a request waits for somebody to approve it",
       read_approval_ttl, Reload::taken_and_told},
      {"audit_retention", Kind::text, "", "ISO 8601 duration, 30 days (P30D) or more",
       "How long audit records are kept; for ever if empty", read_audit_retention},
      {"audit_journal", Kind::text, "off", "on, off", "Whether each audit record goes to the journal, or syslog, as well",
       read_audit_journal},
      {"audit_webhooks", Kind::object, "{}", R"({"https://…": {"secret": "16 characters or more", "ca": "/…"}})",
       "Who is told of each audit record by HTTP, signed with the secret; http on loopback only", read_audit_webhooks},
      {"log_level", Kind::text, "info", "debug, info, warn, error, off", "What is logged, to stderr", read_log_level, Reload::taken_and_told},
  };
  return table;
}

}  // namespace postern::daemon
