// SPDX-License-Identifier: Apache-2.0
// The kernel's connection tracking, by libnetfilter-conntrack, see open_sessions.hpp.
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>
#include <libnetfilter_conntrack/libnetfilter_conntrack_tcp.h>

#include "bpf/abi/base.h"
#include "loader/open_sessions.hpp"

namespace postern::loader {
namespace {

struct Side {
  nf_conntrack_attr address_v4, address_v6, port;
};

constexpr Side original_source{ATTR_ORIG_IPV4_SRC, ATTR_ORIG_IPV6_SRC, ATTR_ORIG_PORT_SRC};
constexpr Side original_destination{ATTR_ORIG_IPV4_DST, ATTR_ORIG_IPV6_DST, ATTR_ORIG_PORT_DST};
constexpr Side reply_source{ATTR_REPL_IPV4_SRC, ATTR_REPL_IPV6_SRC, ATTR_REPL_PORT_SRC};
constexpr Side reply_destination{ATTR_REPL_IPV4_DST, ATTR_REPL_IPV6_DST, ATTR_REPL_PORT_DST};

void read_side(const nf_conntrack* entry, const Side& side, std::uint8_t family, std::array<std::uint8_t, 16>& address,
               std::uint16_t& port_be) {
  const bool v4 = family == GATE_IPV4;
  if (const void* bytes = nfct_get_attr(entry, v4 ? side.address_v4 : side.address_v6))
    std::memcpy(address.data(), bytes, v4 ? 4 : 16);
  port_be = nfct_get_attr_u16(entry, side.port);
}

struct Walk {
  const IsWanted& wanted;
  const VisitSession& visit;
  std::size_t seen = 0;

  void take(const nf_conntrack* entry) const {
    if ((nfct_get_attr_u32(entry, ATTR_STATUS) & IPS_ASSURED) == 0) return;
    OpenSession session;
    session.family = nfct_get_attr_u8(entry, ATTR_L3PROTO) == AF_INET ? GATE_IPV4 : GATE_IPV6;
    session.protocol = nfct_get_attr_u8(entry, ATTR_L4PROTO);
    if (session.protocol == IPPROTO_TCP) {
      const std::uint8_t state = nfct_get_attr_u8(entry, ATTR_TCP_STATE);
      if (state < TCP_CONNTRACK_ESTABLISHED || state > TCP_CONNTRACK_LAST_ACK) return;
      session.client_finished = session.machine_finished = state == TCP_CONNTRACK_LAST_ACK;
    } else if (session.protocol != IPPROTO_UDP) {
      return;
    }
    // Opened from outside: what came in, before any DNAT.
    read_side(entry, original_source, session.family, session.client, session.client_port_be);
    read_side(entry, original_destination, session.family, session.machine, session.machine_port_be);
    if (wanted(session)) return visit(session);
    // Opened by the machine: what comes back, to the address that an SNAT gave it. Never UDP: a server that goes on sending
    // would open what was shut.
    if (session.protocol != IPPROTO_TCP) return;
    read_side(entry, reply_source, session.family, session.client, session.client_port_be);
    read_side(entry, reply_destination, session.family, session.machine, session.machine_port_be);
    session.machine_opened = true;
    if (wanted(session)) visit(session);
  }
};

int on_entry(nf_conntrack_msg_type, nf_conntrack* entry, void* data) {
  auto& walk = *static_cast<Walk*>(data);
  ++walk.seen;
  walk.take(entry);
  return NFCT_CB_CONTINUE;
}

LoaderError no_tracking(int errno_value) {
  return {"this kernel tracks no connections (" + system_error("nf_conntrack", errno_value).sentence + ")", ENOENT};
}

}  // namespace

LoaderResult<std::size_t> tracked_sessions(const IsWanted& wanted, const VisitSession& visit) {
  const std::unique_ptr<nfct_handle, int (*)(nfct_handle*)> handle(nfct_open(CONNTRACK, 0), nfct_close);
  if (!handle) return no_tracking(errno);
  Walk walk{wanted, visit};
  nfct_callback_register(handle.get(), NFCT_T_ALL, on_entry, &walk);
  for (const std::uint32_t family : {std::uint32_t{AF_INET}, std::uint32_t{AF_INET6}}) {
    if (nfct_query(handle.get(), NFCT_Q_DUMP, &family) >= 0) continue;
    if (errno == ENOENT || errno == EINVAL || errno == EOPNOTSUPP || errno == EPROTONOSUPPORT) return no_tracking(errno);
    return system_error("read the kernel's tracked connections", errno);
  }
  return walk.seen;
}

}  // namespace postern::loader
