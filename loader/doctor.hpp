// SPDX-License-Identifier: Apache-2.0
// What `doctor` looks at before an attach: the kernel, the interfaces, ways around the gate. Changes nothing; the only
// packets that it sends are TCP connections to neighbours inside.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bpf/abi/maps.h"
#include "loader/instance.hpp"

namespace postern::loader {

enum class Level { ok, note, warning, failure };

struct Finding {
  Level level = Level::ok;
  std::string check;   // which one: "source_routing"
  std::string where;   // interface, port, address or feature; "" if it is the host
  std::string says;    // what is so
  std::string advice;  // what to do; "" if nothing
};
using Findings = std::vector<Finding>;

struct Address {
  int family = 0;  // AF_INET, AF_INET6
  std::array<unsigned char, 16> bytes{};
  unsigned length = 32;  // of the prefix
  auto operator<=>(const Address&) const = default;

  std::string text() const;
  bool contains(const Address& other) const;
};
Address address_of(int family, const void* bytes, unsigned length);
Address address_of(const gate_prefix_key& key);

struct GuardedService {
  Address address;
  std::uint16_t port = 0;
  bool tcp = true;
};
using GuardedServices = std::vector<GuardedService>;

// "192.0.2.10:22", "192.0.2.0/24:53/udp", "[2001:db8::10]:22".
LoaderResult<GuardedService> parse_guarded(const std::string& text);
// What the instance's maps guard, or its boot snapshot if there are none.
GuardedServices known_services(const Instance& instance, const std::filesystem::path& snapshot);

struct Link {
  std::string name, kind;  // "veth", "bridge"; "" for hardware
  int master = 0;
  bool up = false, loopback = false;
};
std::map<int, Link> read_links();        // by index
std::vector<Address> local_addresses();  // of this host, without loopback's

// True or false as the kernel tells of the driver; nothing if it does not (before Linux 6.3).
std::optional<bool> has_native_xdp(int interface_index);

void examine_kernel(Findings& findings);
void examine_interface(const Instance& instance, const std::string& name, Findings& findings);
// `outside`: interfaces that are going to be gated; those that are already come from the records.
void examine_host(const Instance& instance, const GuardedServices& services, const std::vector<std::string>& outside,
                  Findings& findings);
void examine_nat(const GuardedServices& services, Findings& findings);

}  // namespace postern::loader
