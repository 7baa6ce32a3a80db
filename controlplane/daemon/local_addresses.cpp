// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/local_addresses.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace postern::daemon {

namespace {

bool is_loopback(const core::Address& address) {
  static const auto v4 = *core::parse_prefix("127.0.0.0/8"), v6 = *core::parse_prefix("::1");
  return v4.contains(address) || v6.contains(address);
}

}  // namespace

core::Result<std::vector<core::Address>> local_addresses() {
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0)
    return core::Error{core::ErrorCode::service_unavailable,
                       std::string("This host's addresses cannot be read: ") + std::strerror(errno) + ".",
                       "",
                       {}};
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> all(first, &freeifaddrs);
  std::vector<core::Address> addresses;
  for (const ifaddrs* each = first; each; each = each->ifa_next) {
    if (!each->ifa_addr) continue;
    core::Address address;
    if (each->ifa_addr->sa_family == AF_INET) {
      address.family = core::Family::ipv4;
      std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr, 4);
    } else if (each->ifa_addr->sa_family == AF_INET6) {
      address.family = core::Family::ipv6;
      std::memcpy(address.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(each->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    if (!is_loopback(address)) addresses.push_back(address);
  }
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  return addresses;
}

}  // namespace postern::daemon
