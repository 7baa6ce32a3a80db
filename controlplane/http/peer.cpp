// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/peer.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace postern::http {
namespace {

constexpr std::uint32_t nobody = UINT32_MAX;  // no uid and no gid: (uid_t)-1 names nobody

std::vector<std::uint32_t> peer_groups(int fd) {
  std::vector<gid_t> groups(64);
  socklen_t length = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
  if (result != 0 && errno == ERANGE) {  // length now says how much room it takes
    groups.resize(length / sizeof(gid_t));
    result = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &length);
  }
  if (result != 0) return {};
  groups.resize(length / sizeof(gid_t));
  return {groups.begin(), groups.end()};
}

}  // namespace

Peer unix_peer(int fd) {
  ucred credentials{};
  socklen_t length = sizeof credentials;
  Peer peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
    peer.local = UnixPeer{nobody, nobody, {}};
  } else {
    peer.local = UnixPeer{credentials.uid, credentials.gid, peer_groups(fd)};
  }
  return peer;
}

Peer tcp_peer(int fd, std::uint16_t server_port) {
  Peer peer;
  peer.server_port = server_port;
  core::Address address;
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length) == 0 && name.ss_family == AF_INET6) {
    sockaddr_in6 in6{};
    std::memcpy(&in6, &name, sizeof in6);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
    address.family = mapped ? core::Family::ipv4 : core::Family::ipv6;
    std::memcpy(address.bytes.data(), in6.sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 16);
  } else {
    sockaddr_in in4{};
    std::memcpy(&in4, &name, sizeof in4);
    std::memcpy(address.bytes.data(), &in4.sin_addr, 4);
  }
  peer.address = address;
  return peer;
}

bool one_source(const core::Address& left, const core::Address& right) {
  if (left.family != right.family) return false;
  return std::equal(left.bytes.begin(), left.bytes.begin() + (left.family == core::Family::ipv4 ? 4 : 8), right.bytes.begin());
}

std::string source_name(const std::optional<core::Address>& address, const Peer& peer) {
  if (peer.local) return "uid " + std::to_string(peer.local->uid);
  core::Address source = address ? *address : peer.address.value_or(core::Address{});
  if (source.family == core::Family::ipv6) std::fill(source.bytes.begin() + 8, source.bytes.end(), std::uint8_t{0});
  return core::to_string(source);
}

}  // namespace postern::http
