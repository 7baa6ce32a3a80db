// SPDX-License-Identifier: Apache-2.0
// What the kernel says about the other end of an accepted connection.
#pragma once

#include "controlplane/http/message.hpp"

namespace postern::http {

// Of a Unix socket: uid, gid and supplementary groups at the time of connect(2). SO_PEERGROUPS instead of the group
// database: it is what the process really has, and asks no name service.
Peer unix_peer(int fd);

// IPv4-mapped addresses come out as IPv4.
Peer tcp_peer(int fd, std::uint16_t server_port);

}  // namespace postern::http
