// SPDX-License-Identifier: Apache-2.0
// Listening sockets as owned file descriptors: the Unix socket with its mode and group, TCP on loopback only unless
// the caller brings TLS. Every failure is a sentence that names the endpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "controlplane/core/address.hpp"
#include "controlplane/core/result.hpp"

namespace postern::http {

struct TlsFiles {
  std::string certificate, key;  // PEM; the certificate first, then its chain
  std::string client_ca;         // PEM; empty: clients are not asked for a certificate
};

// An open socket; removes its file and closes it, unless the descriptor was released to somebody else.
class Listener {
 public:
  Listener(int fd, std::string path, std::uint16_t port, core::Family family);
  ~Listener();
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;

  int fd() const { return fd_; }
  int release_fd() { return std::exchange(fd_, -1); }
  // To be called while the socket still listens: until then no other daemon takes the path, so the file is our own.
  void remove_file();
  const std::string& path() const { return path_; }  // empty: TCP
  std::uint16_t port() const { return port_; }       // the one the kernel chose, if 0 was asked
  core::Family family() const { return family_; }

 private:
  int fd_;
  std::string path_;
  std::uint16_t port_;
  core::Family family_;
  std::uint64_t device_ = 0, inode_ = 0;
};

// Mode 0660. A socket file that nobody listens on is replaced; one with a listener, or another kind of file, is
// refused.
core::Result<Listener> listen_unix(const std::string& path, std::optional<std::uint32_t> group);

enum class Reach { loopback, anywhere };  // anywhere: only for a listener that speaks TLS

core::Result<Listener> listen_tcp(const core::Address& address, std::uint16_t port, Reach reach = Reach::loopback);

bool is_loopback(const core::Address& address);  // 127.0.0.0/8, ::1

// "127.0.0.1:7822", "[::1]:7822", and back.
core::Result<std::pair<core::Address, std::uint16_t>> parse_endpoint(std::string_view text);
std::string endpoint_text(const core::Address& address, std::uint16_t port);

}  // namespace postern::http
