// SPDX-License-Identifier: Apache-2.0
// Looking up network interfaces and namespaces, see interface.hpp.
#include "loader/interface.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "loader/fd.hpp"

namespace postern::loader {
namespace {

std::string link_kind(unsigned type) {
  switch (type) {
    case ARPHRD_LOOPBACK:
      return "the loopback interface";
    case ARPHRD_PPP:
      return "a point-to-point (PPP) link";
    case ARPHRD_NONE:
      return "a link without a link layer (tun, WireGuard)";
    default:
      return "a link of ARPHRD type " + std::to_string(type);
  }
}

std::uint64_t inode_of(const std::filesystem::path& path) {
  struct stat found {};
  return ::stat(path.c_str(), &found) == 0 ? found.st_ino : 0;
}

}  // namespace

int interface_index(const std::string& name) {
  return static_cast<int>(::if_nametoindex(name.c_str()));
}

std::string interface_name(int index) {
  std::array<char, IFNAMSIZ> name{};
  return ::if_indextoname(static_cast<unsigned>(index), name.data()) ? name.data() : "";
}

LoaderResult<Interface> find_interface(const std::string& name) {
  const int index = name.empty() || name.size() >= IFNAMSIZ ? 0 : interface_index(name);
  if (index == 0)
    return LoaderError{
        "there is no interface \"" + name + "\" in this network namespace; `ip link` lists those there are", ENODEV};
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return system_error("open a socket to ask for the kind of " + name, errno);
  ifreq request{};
  std::memcpy(request.ifr_name, name.c_str(), name.size());
  if (::ioctl(socket.get(), SIOCGIFHWADDR, &request) != 0) return system_error("ask for the kind of " + name, errno);
  if (const unsigned type = request.ifr_hwaddr.sa_family; type != ARPHRD_ETHER)
    return LoaderError{
        "interface \"" + name + "\" is " + link_kind(type) +
            ", and the gate reads Ethernet frames only: attach to the Ethernet interface that carries it",
        EOPNOTSUPP};
  return Interface{name, index};
}

std::set<std::pair<int, std::array<std::uint8_t, 16>>> host_addresses() {
  std::set<std::pair<int, std::array<std::uint8_t, 16>>> addresses;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return addresses;
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> list(first, ::freeifaddrs);
  for (const ifaddrs* it = first; it; it = it->ifa_next) {
    if (!it->ifa_addr || (it->ifa_flags & IFF_LOOPBACK) != 0) continue;
    std::array<std::uint8_t, 16> bytes{};
    const int family = it->ifa_addr->sa_family;
    if (family == AF_INET) {
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in*>(it->ifa_addr)->sin_addr, 4);
    } else if (family == AF_INET6) {
      std::memcpy(bytes.data(), &reinterpret_cast<const sockaddr_in6*>(it->ifa_addr)->sin6_addr, 16);
    } else {
      continue;
    }
    addresses.insert({family, bytes});
  }
  return addresses;
}

std::uint64_t network_namespace() {
  return inode_of("/proc/self/ns/net");
}

bool network_namespace_lives(std::uint64_t inode) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/run/netns", ignored))
    if (inode_of(entry.path()) == inode) return true;
  for (const auto& entry : fs::directory_iterator("/proc", ignored))
    if (inode_of(entry.path() / "ns/net") == inode) return true;
  return false;
}

}  // namespace postern::loader
