// SPDX-License-Identifier: Apache-2.0
// Asking the driver by ethtool's ioctl, see offload.hpp.
#include "loader/offload.hpp"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>

#include "loader/fd.hpp"

namespace postern::loader {
namespace {

ifreq named(const Interface& interface) {
  ifreq request{};
  std::memcpy(request.ifr_name, interface.name.c_str(), std::min(interface.name.size(), sizeof request.ifr_name - 1));
  return request;
}

bool ask(const Fd& socket, const Interface& interface, void* question) {
  ifreq request = named(interface);
  request.ifr_data = static_cast<char*>(question);
  return ::ioctl(socket.get(), SIOCETHTOOL, &request) == 0;
}

}  // namespace

LinkFacts read_link_facts(const Interface& interface) {
  LinkFacts facts;
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return facts;
  if (ifreq request = named(interface); ::ioctl(socket.get(), SIOCGIFMTU, &request) == 0) facts.mtu = request.ifr_mtu;
  ethtool_drvinfo driver{};
  driver.cmd = ETHTOOL_GDRVINFO;
  if (ask(socket, interface, &driver)) facts.driver = driver.driver;
  ethtool_value flags{};
  flags.cmd = ETHTOOL_GFLAGS;
  if (!ask(socket, interface, &flags)) return facts;
  facts.large_receive_offload = (flags.data & ETH_FLAG_LRO) != 0;
  facts.vlan_stripped = (flags.data & ETH_FLAG_RXVLAN) != 0;
  return facts;
}

}  // namespace postern::loader
