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

// May be one host: the same IPv4 address, or the same /64 of IPv6, in which a host takes what addresses it likes.
bool one_source(const core::Address& left, const core::Address& right);

// One text for each source in that sense, and for each local user; `address` is the caller's where a proxy stands between.
std::string source_name(const std::optional<core::Address>& address, const Peer& peer);

}  // namespace postern::http
