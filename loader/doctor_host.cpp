// SPDX-License-Identifier: Apache-2.0
// Ways around the gate on this host, and what would be judged that should not be, see doctor.hpp.
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include "loader/attach_record.hpp"
#include "loader/doctor.hpp"
#include "loader/fd.hpp"
#include "loader/interface.hpp"
#include "loader/rtnetlink.hpp"

namespace postern::loader {
namespace {

constexpr std::size_t most_knocks = 256;  // at once
constexpr std::chrono::milliseconds patience{500};

struct Host {
  const GuardedServices& services;
  std::map<int, Link> links = read_links();
  std::vector<Address> own = local_addresses();
  std::set<int> gated = {}, inside = {};  // interface indices

  bool is_own(const Address& address) const {
    return std::any_of(own.begin(), own.end(), [&](const Address& it) { return address.contains(it); });
  }
  bool guards(const Address& address) const {
    return std::any_of(services.begin(), services.end(),
                       [&](const GuardedService& it) { return it.address.contains(address); });
  }
};

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

bool forwards(const Link& link, const char* family) {
  return first_line(std::string("/proc/sys/net/") + family + "/conf/" + link.name + "/forwarding") == "1";
}

// "22,8000-8010"
bool lists(const std::string& ranges, unsigned port) {
  const char* at = ranges.c_str();
  while (*at != '\0') {
    char* end = nullptr;
    const unsigned long low = std::strtoul(at, &end, 10);
    if (end == at) return false;
    const unsigned long high = *end == '-' ? std::strtoul(end + 1, &end, 10) : low;
    if (port >= low && port <= high) return true;
    at = *end == ',' ? end + 1 : end;
  }
  return false;
}

void look_at_port_range(const Host& host, Findings& findings) {
  unsigned low = 0, high = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low >> high;
  const std::string reserved = first_line("/proc/sys/net/ipv4/ip_local_reserved_ports");
  std::set<std::uint16_t> ports;
  for (const GuardedService& service : host.services) ports.insert(service.port);
  for (const std::uint16_t port : ports) {
    if (port < low || port > high || lists(reserved, port)) continue;
    findings.push_back({Level::warning, "port_range", std::to_string(port),
                        "the guarded port " + std::to_string(port) + " lies between " + std::to_string(low) + " and " +
                            std::to_string(high) +
                            ", where this host takes ports for connections that it opens or masquerades: " +
                            "answers to such a connection may be dropped",
                        "`sysctl net.ipv4.ip_local_reserved_ports=" + (reserved.empty() ? "" : reserved + ",") +
                            std::to_string(port) + "`, and give NAT rules a port range without it"});
  }
}

void look_at_source_routing(const Host& host, Findings& findings) {
  const std::string folder = "/proc/sys/net/ipv4/conf/", file = "/accept_source_route";
  if (first_line(folder + "all" + file) != "1") return;
  for (const auto& [index, link] : host.links) {
    if (link.loopback || first_line(folder + link.name + file) != "1") continue;
    findings.push_back({Level::warning, "source_routing", link.name,
                        link.name + " accepts source-routed packets, whose destination is not where they end",
                        "`sysctl net.ipv4.conf.all.accept_source_route=0`"});
  }
}

// Interfaces by which this host reaches the services that are not its own: where the machines are.
std::set<int> inside_of(const Host& host) {
  struct Route {
    Address to;
    int interface = 0;
  };
  std::vector<Route> routes;
  const rtmsg request{};
  static_cast<void>(dump_rtnetlink(RTM_GETROUTE, bytes_of(request), [&routes](std::uint16_t, Bytes payload) {
    const auto body = body_of<rtmsg>(payload);
    if (body.rtm_table != RT_TABLE_MAIN || body.rtm_type != RTN_UNICAST) return;
    Route route{{body.rtm_family, {}, body.rtm_dst_len}, 0};
    for_each_attribute(attributes_of<rtmsg>(payload), [&route](std::uint16_t type, Bytes value) {
      if (type == RTA_DST) std::memcpy(route.to.bytes.data(), value.data(), std::min<std::size_t>(value.size(), 16));
      if (type == RTA_OIF) route.interface = body_of<int>(value);
    });
    routes.push_back(route);
  }));
  std::set<int> inside;
  for (const GuardedService& service : host.services) {
    if (host.is_own(service.address)) continue;
    const Route* best = nullptr;
    for (const Route& route : routes)
      if (route.to.contains(service.address) && (!best || best->to.length < route.to.length)) best = &route;
    if (best) inside.insert(best->interface);
  }
  return inside;
}

void look_at_ungated(const Host& host, Findings& findings) {
  if (host.gated.empty()) return;
  const bool own = std::any_of(host.services.begin(), host.services.end(),
                               [&](const GuardedService& service) { return host.is_own(service.address); });
  for (const auto& [index, link] : host.links) {
    if (!link.up || link.loopback || host.gated.contains(index) || host.gated.contains(link.master)) continue;
    const bool leads_in =
        !host.inside.empty() && !host.inside.contains(index) && (forwards(link, "ipv4") || forwards(link, "ipv6"));
    if (!own && !leads_in) continue;
    findings.push_back({Level::warning, "ungated_interface", link.name,
                        "packets that arrive at " + link.name + " are " +
                            (leads_in ? "forwarded to the machines" : "taken by this host, which is guarded") +
                            ", and no gate stands there",
                        "`postern-loader attach --interface " + link.name + "` if strangers can reach it"});
  }
}

// Who guards a machine by IPv4 alone has not shut it where it speaks IPv6.
void look_at_ipv6(const Host& host, Findings& findings) {
  const bool guarded = std::any_of(host.services.begin(), host.services.end(),
                                   [](const GuardedService& service) { return service.address.family == AF_INET6; });
  if (guarded) return;
  for (const int index : host.inside) {
    const auto link = host.links.find(index);
    if (link == host.links.end() || !forwards(link->second, "ipv6")) continue;
    findings.push_back({Level::warning, "ipv6", link->second.name,
                        "this host forwards IPv6 to " + link->second.name +
                            ", and no IPv6 address is guarded: machines there can " + "be reached by IPv6",
                        "`postern machine add NAME --address IPV4 --address IPV6`, or do not forward IPv6"});
  }
}

struct Knock {
  Address address;
  std::uint16_t port;
  Fd socket;
};

Knock knock(const Address& address, int interface, std::uint16_t port) {
  Knock made{address, port, Fd(::socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0))};
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  std::memcpy(&v4.sin_addr, address.bytes.data(), sizeof v4.sin_addr);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_scope_id = static_cast<std::uint32_t>(interface);
  std::memcpy(&v6.sin6_addr, address.bytes.data(), sizeof v6.sin6_addr);
  const bool is_v4 = address.family == AF_INET;
  const auto* name = is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  static_cast<void>(
      ::connect(made.socket.get(), name, is_v4 ? sizeof v4 : sizeof v6));  // what came of it is asked later
  return made;
}

// Within the patience for all of them.
void wait_for_answers(const std::vector<Knock>& knocks) {
  const auto until = std::chrono::steady_clock::now() + patience;
  std::vector<pollfd> waiting;
  for (const Knock& it : knocks) waiting.push_back({it.socket.get(), POLLOUT, 0});
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    const int ready = left <= 0 ? 0 : ::poll(waiting.data(), waiting.size(), static_cast<int>(left));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return;
    for (pollfd& it : waiting)
      if (it.revents != 0) it.fd = -1;  // poll leaves it out
    if (std::all_of(waiting.begin(), waiting.end(), [](const pollfd& it) { return it.fd < 0; })) return;
  }
}

bool was_answered(const Knock& knock) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  return ::getpeername(knock.socket.get(), reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

void look_at_neighbours(const Host& host, Findings& findings) {
  std::set<std::uint16_t> ports;
  for (const GuardedService& service : host.services)
    if (service.tcp) ports.insert(service.port);
  std::vector<Knock> knocks;
  const ndmsg request{};
  static_cast<void>(dump_rtnetlink(RTM_GETNEIGH, bytes_of(request), [&](std::uint16_t, Bytes payload) {
    const auto body = body_of<ndmsg>(payload);
    if (!host.inside.contains(body.ndm_ifindex) || (body.ndm_family != AF_INET && body.ndm_family != AF_INET6)) return;
    if ((body.ndm_state & (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)) == 0) return;
    for_each_attribute(attributes_of<ndmsg>(payload), [&](std::uint16_t type, Bytes value) {
      if (type != NDA_DST || value.size() < (body.ndm_family == AF_INET ? 4u : 16u)) return;
      const Address address = address_of(body.ndm_family, value.data(), body.ndm_family == AF_INET ? 32 : 128);
      const bool link_local =
          address.family == AF_INET6 && address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
      if (link_local || host.guards(address)) return;  // nobody comes to a link-local address through a gateway
      for (const std::uint16_t port : ports)
        if (knocks.size() < most_knocks) knocks.push_back(knock(address, body.ndm_ifindex, port));
    });
  }));
  wait_for_answers(knocks);
  for (const Knock& it : knocks) {
    if (!was_answered(it)) continue;
    findings.push_back({Level::warning, "unknown_machine", it.address.text(),
                        it.address.text() + " answers on port " + std::to_string(it.port) +
                            ", which is guarded elsewhere, and belongs to no machine",
                        "`postern machine add NAME --address " + it.address.text() + "` and a policy for it"});
  }
}

}  // namespace

void examine_host(const Instance& instance, const GuardedServices& services, const std::vector<std::string>& outside,
                  Findings& findings) {
  Host host{services};
  for (const std::string& name : outside)
    if (const int index = interface_index(name)) host.gated.insert(index);
  for (const AttachRecord& record : read_attach_records(instance))
    if (record.network_namespace == network_namespace()) host.gated.insert(record.index);
  host.inside = inside_of(host);
  look_at_source_routing(host, findings);
  if (services.empty())
    return findings.push_back(
        {Level::note, "services", "",
         "it is not known what is to be guarded, so ports, NAT rules and ways around the gate were not looked at",
         "name it with --guard ADDRESS:PORT"});
  look_at_port_range(host, findings);
  look_at_ungated(host, findings);
  look_at_ipv6(host, findings);
  look_at_neighbours(host, findings);
}

}  // namespace postern::loader
