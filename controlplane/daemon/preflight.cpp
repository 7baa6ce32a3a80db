// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/preflight.hpp"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "controlplane/core/drafts.hpp"
#include "controlplane/http/endpoint.hpp"
#include "controlplane/http/tls.hpp"

namespace postern::daemon {
namespace {

namespace fs = std::filesystem;
using Endpoint = std::pair<core::Address, std::uint16_t>;

std::string errno_text() {
  return std::strerror(errno);
}

// Why no file can be made in it; empty: one can.
std::string unusable(const fs::path& folder) {
  struct stat info {};
  if (stat(folder.c_str(), &info) != 0) return "The folder '" + folder.string() + "' cannot be used: " + errno_text() + ".";
  if (!S_ISDIR(info.st_mode)) return "'" + folder.string() + "' is not a folder.";
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return "";
  return "User " + std::to_string(geteuid()) + " cannot make files in '" + folder.string() + "': " + errno_text() + ".";
}

std::string state_trouble(const fs::path& state) {
  struct stat info {};
  if (stat(state.c_str(), &info) != 0) return errno == ENOENT ? unusable(state.parent_path()) : "'" + state.string() + "' cannot be looked at: " + errno_text() + ".";
  if (!S_ISREG(info.st_mode)) return "'" + state.string() + "' is not a regular file.";
  if (faccessat(AT_FDCWD, state.c_str(), R_OK | W_OK, AT_EACCESS) != 0)
    return "User " + std::to_string(geteuid()) + " cannot read and write '" + state.string() + "': " + errno_text() + ".";
  constexpr std::string_view mark = "SQLite format 3";
  std::array<char, mark.size()> begin{};
  std::ifstream file(state, std::ios::binary);
  if (info.st_size > 0 && (!file.read(begin.data(), begin.size()) || std::string_view(begin.data(), begin.size()) != mark))
    return "'" + state.string() + "' is not a database of SQLite.";
  return unusable(state.parent_path());  // its write-ahead log lies beside it
}

// RUN_DIR/INSTANCE is the loader's to make; another folder must be there, or be possible to make.
std::string socket_trouble(const fs::path& socket, const fs::path& instance_dir) {
  if (socket.native().size() >= sizeof(sockaddr_un{}.sun_path))
    return "'" + socket.string() + "' is longer than " + std::to_string(sizeof(sockaddr_un{}.sun_path) - 1) + " bytes.";
  struct stat info {};
  if (lstat(socket.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) return "'" + socket.string() + "' is there and is not a socket.";
  const fs::path folder = socket.parent_path();
  std::error_code ignored;
  if (fs::exists(folder, ignored)) return unusable(folder);
  return folder == instance_dir ? "" : unusable(folder.parent_path());
}

std::string group_trouble(std::uint32_t group) {
  if (geteuid() == 0 || group == getegid()) return "";
  std::vector<gid_t> own(static_cast<std::size_t>(std::max(getgroups(0, nullptr), 0)));
  own.resize(static_cast<std::size_t>(std::max(getgroups(static_cast<int>(own.size()), own.data()), 0)));
  if (std::find(own.begin(), own.end(), group) != own.end()) return "";
  return "User " + std::to_string(geteuid()) + " is not in group " + std::to_string(group) + ", so it cannot give the socket to it.";
}

std::string endpoint_trouble(const Endpoint& endpoint, http::Reach reach) {
  const auto listener = http::listen_tcp(endpoint.first, endpoint.second, reach);
  if (listener || listener.error().message.find(std::strerror(EADDRINUSE)) != std::string::npos) return "";
  return listener.error().message;
}

std::string_view option_of_tls(const std::string& trouble) {
  if (trouble.starts_with("The private key")) return "tls_key";
  return trouble.starts_with("The client CA") ? "tls_client_ca" : "tls_certificate";
}

std::string unreadable(const std::string& file) {
  if (file.empty() || faccessat(AT_FDCWD, file.c_str(), R_OK, AT_EACCESS) == 0) return "";
  return "'" + file + "' cannot be read: " + errno_text() + ".";
}

std::string host_machine_trouble(const Config& config) {
  core::MachineDraft draft;
  draft.name = config.host_machine;
  const auto machine = core::read_machine(draft, config.settings);
  if (machine || machine.error().faults.empty()) return machine ? "" : machine.error().message;
  return machine.error().faults.front().message;
}

}  // namespace

std::vector<core::Fault> preflight(const Config& config, const Given& given) {
  std::vector<core::Fault> faults;
  const auto note = [&](std::string_view key, std::string trouble) {
    if (!trouble.empty()) faults.push_back({std::move(trouble), place_of(key, given)});
  };
  note("state", state_trouble(config.state));
  note("socket", socket_trouble(config.socket, config.instance_dir()));
  if (config.socket_group) note("socket_group", group_trouble(*config.socket_group));
  if (config.listen) note("listen", endpoint_trouble(*config.listen, http::Reach::loopback));
  if (config.listen_https) note("listen_https", endpoint_trouble(*config.listen_https, http::Reach::anywhere));
  if (config.listen && config.listen == config.listen_https) note("listen_https", "Is the same as listen.");
  if (config.listen_https) {
    if (const auto tls = http::TlsIdentity::load(config.tls); !tls) {
      const std::string_view first = option_of_tls(tls.error().message);
      note(first, tls.error().message);
      if (first != "tls_key") note("tls_key", unreadable(config.tls.key));
      if (first != "tls_client_ca") note("tls_client_ca", unreadable(config.tls.client_ca));
    }
  }
  if (!config.host_machine.empty()) note("host_machine", host_machine_trouble(config));
  return faults;
}

}  // namespace postern::daemon
