// SPDX-License-Identifier: Apache-2.0
// What the driver of an interface does that matters to XDP.
#pragma once

#include <string>

#include "loader/interface.hpp"

namespace postern::loader {

struct LinkFacts {
  std::string driver;  // "" if the driver does not tell
  int mtu = 0;
  bool large_receive_offload = false;
  bool vlan_stripped = false;  // tags are taken off what comes in
};

LinkFacts read_link_facts(const Interface& interface);

}  // namespace postern::loader
