// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration as values, ready to use. Where it comes from is options.hpp's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controlplane/core/access.hpp"
#include "controlplane/http/endpoint.hpp"
#include "controlplane/http/identity.hpp"

namespace postern::daemon {

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
  std::string log_level;

  std::filesystem::path instance_dir() const { return run_dir / instance; }
};

}  // namespace postern::daemon
