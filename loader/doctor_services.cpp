// SPDX-License-Identifier: Apache-2.0
// What is guarded, and what this host is made of, for doctor, see doctor.hpp.
#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "loader/boot_snapshot.hpp"
#include "loader/doctor.hpp"
#include "loader/interface.hpp"
#include "loader/map_set.hpp"
#include "loader/rtnetlink.hpp"
#include "loader/settings.hpp"

namespace postern::loader {
namespace {

bool take_suffix(std::string& text, std::string_view suffix) {
  if (text.size() <= suffix.size() || text.compare(text.size() - suffix.size(), suffix.size(), suffix) != 0)
    return false;
  text.resize(text.size() - suffix.size());
  return true;
}

GuardedServices services_in(const MapSet& maps) {
  GuardedServices services;
  const auto add = [&services](const Address& address, __be16 port_be, unsigned protocol) {
    services.push_back({address, ntohs(port_be), protocol == IPPROTO_TCP});
  };
  static_cast<void>(maps.services_v4.for_each([&](const gate_service_key_v4& key, const gate_service&) {
    add(address_of(AF_INET, &key.address, 32), key.port_be, key.protocol);
  }));
  static_cast<void>(maps.services_v6.for_each([&](const gate_service_key_v6& key, const gate_service&) {
    add(address_of(AF_INET6, key.address, 128), key.port_be, key.protocol);
  }));
  static_cast<void>(maps.service_prefixes.for_each(
      [&](const gate_prefix_key& key, const gate_service&) { add(address_of(key), key.port_be, key.protocol); }));
  return services;
}

std::string link_kind_of(Bytes info) {
  std::string kind;
  for_each_attribute(info, [&kind](std::uint16_t type, Bytes value) {
    if (type == IFLA_INFO_KIND) kind = text_of(value);
  });
  return kind;
}

}  // namespace

std::string Address::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  return ::inet_ntop(family, bytes.data(), out.data(), out.size()) ? out.data() : "";
}

bool Address::contains(const Address& other) const {
  if (family != other.family || other.length < length) return false;
  for (unsigned bit = 0; bit < length; ++bit)
    if (((bytes[bit / 8] ^ other.bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0) return false;
  return true;
}

Address address_of(int family, const void* bytes, unsigned length) {
  Address address{family, {}, length};
  std::memcpy(address.bytes.data(), bytes, family == AF_INET ? 4 : 16);
  return address;
}

Address address_of(const gate_prefix_key& key) {
  return address_of(key.family == GATE_IPV4 ? AF_INET : AF_INET6, key.address,
                    key.length_bits - GATE_PREFIX_KEY_FIXED_BITS);
}

LoaderResult<GuardedService> parse_guarded(const std::string& text) {
  const LoaderError wrong{
      "\"" + text + "\" is no address and port (192.0.2.10:22, [2001:db8::10]:22, 192.0.2.10:53/udp)", EINVAL};
  GuardedService service;
  std::string rest = text;
  service.tcp = !take_suffix(rest, "/udp");
  if (service.tcp) take_suffix(rest, "/tcp");
  const auto colon = rest.rfind(':');
  if (colon == std::string::npos) return wrong;
  const char* const end = rest.data() + rest.size();
  const auto [next, fault] = std::from_chars(rest.data() + colon + 1, end, service.port);
  if (fault != std::errc{} || next != end || service.port == 0) return wrong;
  std::string address = rest.substr(0, colon);
  const bool brackets = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (brackets) address = address.substr(1, address.size() - 2);
  if (!brackets && address.find(':') != std::string::npos) return wrong;
  const auto key = parse_failsafe(address);
  if (!key) return wrong;
  service.address = address_of(*key);
  return service;
}

GuardedServices known_services(const Instance& instance, const std::filesystem::path& snapshot) {
  if (const auto maps = MapSet::open(instance.bpffs())) return services_in(*maps);
  GuardedServices services;
  const auto found = read_snapshot(snapshot);
  if (!found || !*found) return services;
  for (const SnapshotRecord& record : (*found)->snapshot)
    if (record.kind == SnapshotKind::service)
      services.push_back({address_of(record.key), ntohs(record.key.port_be), record.key.protocol == IPPROTO_TCP});
  return services;
}

std::map<int, Link> read_links() {
  std::map<int, Link> links;
  const ifinfomsg request{};
  static_cast<void>(dump_rtnetlink(RTM_GETLINK, bytes_of(request), [&links](std::uint16_t, Bytes payload) {
    const auto body = body_of<ifinfomsg>(payload);
    Link link;
    link.name = interface_name(body.ifi_index);
    link.up = (body.ifi_flags & IFF_UP) != 0;
    link.loopback = (body.ifi_flags & IFF_LOOPBACK) != 0;
    for_each_attribute(attributes_of<ifinfomsg>(payload), [&link](std::uint16_t type, Bytes value) {
      if (type == IFLA_MASTER) link.master = body_of<int>(value);
      if (type == IFLA_LINKINFO) link.kind = link_kind_of(value);
    });
    links[body.ifi_index] = link;
  }));
  return links;
}

std::vector<Address> local_addresses() {
  std::vector<Address> addresses;
  for (const auto& [family, bytes] : host_addresses())
    addresses.push_back(address_of(family, bytes.data(), family == AF_INET ? 32 : 128));
  return addresses;
}

}  // namespace postern::loader
