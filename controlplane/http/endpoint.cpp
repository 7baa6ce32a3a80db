// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/endpoint.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

namespace postern::http {
namespace {

constexpr int backlog = 128;

core::Error fault(const std::string& what, const std::string& endpoint, int error) {
  return {core::ErrorCode::service_unavailable, what + " '" + endpoint + "': " + std::strerror(error) + ".", "", {}};
}

core::Error refused(std::string message) {
  return {core::ErrorCode::invalid_input, std::move(message), "", {}};
}

// bind(2) wants a sockaddr of any family; this cast is the interface's.
template <class Sockaddr>
const sockaddr* as_sockaddr(const Sockaddr& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// A file descriptor until it is handed on.
struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

// Removes a socket file whose listener is gone.
core::Result<void> clear_stale(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return fault("Cannot look at the socket", path, errno);
  }
  if (!S_ISSOCK(info.st_mode)) return refused("'" + path + "' exists and is no socket; it is left alone.");
  const Descriptor probe{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (connect(probe.fd, as_sockaddr(address), sizeof address) == 0 || errno == EAGAIN)
    return refused("Another daemon listens on '" + path + "'.");
  if (errno != ECONNREFUSED) return fault("Cannot tell whether somebody listens on", path, errno);
  if (unlink(path.c_str()) != 0) return fault("Cannot remove the stale socket", path, errno);
  return {};
}

}  // namespace

Listener::Listener(int fd, std::string path, std::uint16_t port, core::Family family)
    : fd_(fd), path_(std::move(path)), port_(port), family_(family) {
  struct stat info {};
  if (!path_.empty() && lstat(path_.c_str(), &info) == 0) {
    device_ = info.st_dev;
    inode_ = info.st_ino;
  }
}

Listener::Listener(Listener&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::exchange(other.path_, {})),
      port_(other.port_),
      family_(other.family_),
      device_(other.device_),
      inode_(other.inode_) {}

Listener::~Listener() {
  if (fd_ < 0) return;
  remove_file();
  close(fd_);
}

void Listener::remove_file() {
  struct stat info {};
  // Somebody may have removed it by hand, and something else may stand there now.
  const bool own_file =
      !path_.empty() && lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ && info.st_ino == inode_;
  if (own_file) unlink(path_.c_str());
}

core::Result<Listener> listen_unix(const std::string& path, std::optional<std::uint32_t> group) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return refused("The socket path '" + path + "' must have 1 to " + std::to_string(sizeof address.sun_path - 1) +
                   " bytes.");
  path.copy(address.sun_path, path.size());
  if (const auto cleared = clear_stale(path, address); !cleared) return cleared.error();
  Descriptor socket_fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (socket_fd.fd < 0) return fault("Cannot open the socket", path, errno);
  const mode_t before = umask(0177);  // nobody gets in before group and mode are set
  const int bound = bind(socket_fd.fd, as_sockaddr(address), sizeof address);
  const int bind_error = errno;
  umask(before);
  if (bound != 0) return fault("Cannot listen on the socket", path, bind_error);
  Listener listener(std::exchange(socket_fd.fd, -1), path, 0, core::Family::ipv4);
  if (group && chown(path.c_str(), static_cast<uid_t>(-1), *group) != 0)
    return fault("Cannot give the socket to group " + std::to_string(*group) + ":", path, errno);
  if (chmod(path.c_str(), 0660) != 0) return fault("Cannot set the mode of the socket", path, errno);
  if (listen(listener.fd(), backlog) != 0) return fault("Cannot listen on the socket", path, errno);
  return listener;
}

core::Result<Listener> listen_tcp(const core::Address& address, std::uint16_t port, Reach reach) {
  const bool v4 = address.family == core::Family::ipv4;
  const std::string shown = endpoint_text(address, port);
  if (reach == Reach::loopback && !is_loopback(address))
    return refused("'" + shown + "' is not a loopback address; without TLS the daemon listens on loopback only.");
  Descriptor socket_fd{socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (socket_fd.fd < 0) return fault("Cannot open a socket for", shown, errno);
  const int on = 1;
  setsockopt(socket_fd.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in in4{};
  sockaddr_in6 in6{};
  in4.sin_family = AF_INET;
  in4.sin_port = htons(port);
  std::memcpy(&in4.sin_addr, address.bytes.data(), sizeof in4.sin_addr);
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  std::memcpy(&in6.sin6_addr, address.bytes.data(), sizeof in6.sin6_addr);
  const int bound =
      v4 ? bind(socket_fd.fd, as_sockaddr(in4), sizeof in4) : bind(socket_fd.fd, as_sockaddr(in6), sizeof in6);
  if (bound != 0 || listen(socket_fd.fd, backlog) != 0) return fault("Cannot listen on", shown, errno);
  sockaddr_in6 name{};  // the port lies at the same place in both families
  socklen_t length = sizeof name;
  if (getsockname(socket_fd.fd, reinterpret_cast<sockaddr*>(&name), &length) != 0)
    return fault("Cannot listen on", shown, errno);
  return Listener(std::exchange(socket_fd.fd, -1), "", ntohs(name.sin6_port), address.family);
}

bool is_loopback(const core::Address& address) {
  constexpr core::Address ipv6{core::Family::ipv6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  return address == ipv6 || (address.family == core::Family::ipv4 && address.bytes[0] == 127);
}

std::string endpoint_text(const core::Address& address, std::uint16_t port) {
  const std::string host = core::to_string(address);
  return (address.family == core::Family::ipv4 ? host : "[" + host + "]") + ":" + std::to_string(port);
}

core::Result<std::pair<core::Address, std::uint16_t>> parse_endpoint(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, std::min(colon, text.size()));
  const std::string_view digits = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const auto address = core::parse_address(host);
  if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size() || !address)
    return refused("'" + std::string(text) + "' is no address and port such as 127.0.0.1:7822 or [::1]:7822.");
  return std::pair{*address, port};
}

}  // namespace postern::http
