// SPDX-License-Identifier: Apache-2.0
// Connections that are open on this host or through it, as the kernel knows them and as the outside interface sees them:
// what was open before a port became guarded. Sources: the kernel's connection tracking, and the host's own sockets.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "loader/error.hpp"

namespace postern::loader {

struct OpenSession {
  std::uint8_t family = 0;    // GATE_IPV4, GATE_IPV6
  std::uint8_t protocol = 0;  // IPPROTO_TCP, IPPROTO_UDP
  std::array<std::uint8_t, 16> client{}, machine{};  // IPv4: the first four bytes
  std::uint16_t client_port_be = 0, machine_port_be = 0;
  bool machine_opened = false;
  bool client_finished = false, machine_finished = false;  // its FIN was sent
};

using VisitSession = std::function<void(const OpenSession&)>;
// Whether the machine's side of a session is one that the caller looks for; the other way round is tried too.
using IsWanted = std::function<bool(const OpenSession&)>;

// Assured entries only, each seen from the outside: before DNAT, after SNAT. How many connections of any kind and state are
// tracked: none are where no rule asks for it. ENOENT: this kernel cannot.
LoaderResult<std::size_t> tracked_sessions(const IsWanted& wanted, const VisitSession& visit);
// Connected TCP and UDP sockets of this network namespace.
LoaderResult<void> socket_sessions(const VisitSession& visit);

}  // namespace postern::loader
