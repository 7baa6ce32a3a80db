// SPDX-License-Identifier: Apache-2.0
// A network interface of this network namespace that the gate can stand on: it exists and carries Ethernet frames.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "loader/error.hpp"

namespace postern::loader {

struct Interface {
  std::string name;
  int index = 0;
};

// Refuses an unknown name and every link that is not Ethernet (tun, wg, ppp, lo): the programs begin at an Ethernet
// header, and on such a link they would read IP as one.
LoaderResult<Interface> find_interface(const std::string& name);
// 0 if there is no such interface (any more).
int interface_index(const std::string& name);
// What it is called now; empty if there is none of that index (any more). Interfaces can be renamed, indices stay.
std::string interface_name(int index);

// Addresses of this host but loopback's: AF_INET or AF_INET6, and the bytes, IPv4's first four. Empty if the kernel does not tell.
std::set<std::pair<int, std::array<std::uint8_t, 16>>> host_addresses();

// The network namespace of this process, as the inode of its file; 0 if /proc does not tell.
std::uint64_t network_namespace();
// Whether some process or some name below /run/netns still holds that namespace.
bool network_namespace_lives(std::uint64_t inode);

}  // namespace postern::loader
