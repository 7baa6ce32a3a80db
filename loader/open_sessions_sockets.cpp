// SPDX-License-Identifier: Apache-2.0
// The host's own sockets, by NETLINK_SOCK_DIAG, see open_sessions.hpp.
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "bpf/abi/base.h"
#include "loader/fd.hpp"
#include "loader/open_sessions.hpp"

namespace postern::loader {
namespace {

constexpr std::uint32_t bit(int state) {
  return 1U << static_cast<unsigned>(state);
}
constexpr std::uint32_t tcp_states = bit(TCP_ESTABLISHED) | bit(TCP_FIN_WAIT1) | bit(TCP_FIN_WAIT2) |
                                     bit(TCP_CLOSE_WAIT) | bit(TCP_LAST_ACK) | bit(TCP_CLOSING);
// A UDP socket is connected, or not. Nothing says who sent first: one whose port this host also serves, by a socket that is
// not connected, is taken for a client's; one that stands alone for the host's own, opened outward from that port.
constexpr std::uint32_t udp_states = bit(TCP_ESTABLISHED) | bit(TCP_CLOSE);

// A socket of family AF_INET6 may speak IPv4: ::ffff:192.0.2.1.
bool is_mapped(const __be32 (&address)[4]) {
  return address[0] == 0 && address[1] == 0 && address[2] == htonl(0xffff);
}

OpenSession session_of(const inet_diag_msg& socket, std::uint8_t protocol) {
  OpenSession session;
  session.protocol = protocol;
  const bool mapped = socket.idiag_family == AF_INET6 && is_mapped(socket.id.idiag_src);
  const bool v4 = socket.idiag_family == AF_INET || mapped;
  session.family = v4 ? GATE_IPV4 : GATE_IPV6;
  std::memcpy(session.machine.data(), socket.id.idiag_src + (mapped ? 3 : 0), v4 ? 4 : 16);
  std::memcpy(session.client.data(), socket.id.idiag_dst + (mapped ? 3 : 0), v4 ? 4 : 16);
  session.machine_port_be = socket.id.idiag_sport;
  session.client_port_be = socket.id.idiag_dport;
  if (protocol != IPPROTO_TCP) return session;
  const int state = socket.idiag_state;
  const bool both = state == TCP_LAST_ACK || state == TCP_CLOSING;
  session.machine_finished = both || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2;
  session.client_finished = both || state == TCP_CLOSE_WAIT;
  return session;
}

LoaderResult<void> ask(const Fd& netlink, std::uint8_t family, std::uint8_t protocol) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message{};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message.request.sdiag_family = family;
  message.request.sdiag_protocol = protocol;
  message.request.idiag_states = protocol == IPPROTO_TCP ? tcp_states : udp_states;
  if (::send(netlink.get(), &message, sizeof(message), 0) < 0) return system_error("ask for the host's sockets", errno);
  return {};
}

// True once the last message was read.
LoaderResult<bool> take(const std::vector<char>& buffer, std::size_t size,
                        const std::function<void(const inet_diag_msg&)>& visit) {
  for (std::size_t at = 0; at + sizeof(nlmsghdr) <= size;) {
    const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data() + at);
    if (header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > size - at) break;
    at += NLMSG_ALIGN(header->nlmsg_len);
    const void* payload = header + 1;
    if (header->nlmsg_type == NLMSG_DONE) return true;
    if (header->nlmsg_type == NLMSG_ERROR) {
      const auto* error = static_cast<const nlmsgerr*>(payload);
      if (error->error == -ENOENT) return true;  // a kernel without this protocol
      return system_error("read the host's sockets", error->error);
    }
    if (header->nlmsg_len < sizeof(nlmsghdr) + sizeof(inet_diag_msg)) continue;
    visit(*static_cast<const inet_diag_msg*>(payload));
  }
  return false;
}

// Hands on what the sockets of UDP tell, once all of them are known.
class UdpSockets {
 public:
  void add(const inet_diag_msg& socket) {
    if (socket.idiag_state == TCP_ESTABLISHED)
      connected_.push_back(session_of(socket, IPPROTO_UDP));
    else
      served_.push_back(session_of(socket, IPPROTO_UDP));
  }
  void tell(const VisitSession& visit) const {
    for (const OpenSession& session : connected_)
      if (std::any_of(served_.begin(), served_.end(), [&](const OpenSession& by) { return serves(by, session); }))
        visit(session);
  }

 private:
  // Bound to the session's address or to none; an IPv6 socket bound to none speaks IPv4, too, unless told otherwise.
  static bool serves(const OpenSession& by, const OpenSession& session) {
    if (by.machine_port_be != session.machine_port_be) return false;
    if (by.machine == std::array<std::uint8_t, 16>{}) return by.family == session.family || by.family == GATE_IPV6;
    return by.family == session.family && by.machine == session.machine;
  }

  std::vector<OpenSession> connected_, served_;
};

}  // namespace

LoaderResult<void> socket_sessions(const VisitSession& visit) {
  const Fd netlink(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink.valid()) return system_error("open a socket to ask for the host's sockets", errno);
  std::vector<char> buffer(65536);
  UdpSockets udp;
  const auto seen = [&](std::uint8_t protocol, const inet_diag_msg& socket) {
    if (protocol == IPPROTO_UDP) return udp.add(socket);
    visit(session_of(socket, protocol));
  };
  for (const std::uint8_t protocol : {std::uint8_t{IPPROTO_TCP}, std::uint8_t{IPPROTO_UDP}}) {
    for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
      if (auto asked = ask(netlink, family, protocol); !asked) return asked;
      for (;;) {
        const ssize_t size = ::recv(netlink.get(), buffer.data(), buffer.size(), 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return system_error("read the host's sockets", errno);
        const auto done = take(buffer, static_cast<std::size_t>(size),
                               [&](const inet_diag_msg& socket) { seen(protocol, socket); });
        if (!done) return done.error();
        if (*done) break;
      }
    }
  }
  udp.tell(visit);
  return {};
}

}  // namespace postern::loader
