// SPDX-License-Identifier: Apache-2.0
// From open sessions to entries of the established flows, see adopt.hpp.
#include "loader/adopt.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>

#include "loader/interface.hpp"
#include "loader/map_set.hpp"
#include "loader/open_sessions.hpp"
#include "loader/probe.hpp"
#include "loader/settings.hpp"

namespace postern::loader {
namespace {

std::uint64_t coarse_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

// Which service an address and port belong to, as the programs find it: exact first, then the longest prefix.
class ServiceIndex {
 public:
  explicit ServiceIndex(const MapSet& maps) : maps_(maps) {}

  LoaderResult<void> read() {
    auto walked = maps_.services_v4.for_each([&](const gate_service_key_v4& key, const gate_service& service) {
      add(std::uint8_t{GATE_IPV4}, &key.address, 4, key.port_be, key.protocol, service.id);
    });
    if (!walked) return walked;
    walked = maps_.services_v6.for_each([&](const gate_service_key_v6& key, const gate_service& service) {
      add(GATE_IPV6, key.address, 16, key.port_be, key.protocol, service.id);
    });
    if (!walked) return walked;
    return maps_.service_prefixes.for_each([&](const gate_prefix_key& key, const gate_service& service) {
      by_prefix_ = true;
      ports_.insert({key.protocol, key.port_be});
      ids_.insert(service.id);
    });
  }

  const std::set<std::uint32_t>& ids() const { return ids_; }

  // Is one of these services another host's, so that its sessions only pass through here?
  bool any_beyond(const std::set<std::uint32_t>& services) const {
    const auto own = host_addresses();
    return std::any_of(exact_.begin(), exact_.end(), [&](const auto& each) {
      const auto& [family, address, port, protocol] = each.first;
      return services.contains(each.second) && !own.contains({family == GATE_IPV4 ? AF_INET : AF_INET6, address});
    });
  }

  std::optional<std::uint32_t> find(const OpenSession& session) const {
    if (!ports_.contains({session.protocol, session.machine_port_be})) return std::nullopt;
    const auto exact = exact_.find({session.family, session.machine, session.machine_port_be, session.protocol});
    if (exact != exact_.end()) return exact->second;
    if (!by_prefix_) return std::nullopt;
    gate_prefix_key key{};
    key.length_bits = GATE_PREFIX_KEY_FIXED_BITS + (session.family == GATE_IPV4 ? 32U : 128U);
    key.family = session.family;
    key.protocol = session.protocol;
    key.port_be = session.machine_port_be;
    std::memcpy(key.address, session.machine.data(), sizeof(key.address));
    const auto found = maps_.service_prefixes.lookup(key);
    if (!found || !*found) return std::nullopt;
    return (*found)->id;
  }

 private:
  void add(std::uint8_t family, const void* address, std::size_t size, __be16 port_be, std::uint8_t protocol,
           std::uint32_t id) {
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), address, size);
    exact_[{family, bytes, port_be, protocol}] = id;
    ports_.insert({protocol, port_be});
    ids_.insert(id);
  }

  const MapSet& maps_;
  std::map<std::tuple<std::uint8_t, std::array<std::uint8_t, 16>, std::uint16_t, std::uint8_t>, std::uint32_t> exact_;
  std::set<std::pair<std::uint8_t, std::uint16_t>> ports_;
  std::set<std::uint32_t> ids_;
  bool by_prefix_ = false;
};

// No sequence number is known: each side's range begins with its next packet, as that of a flow picked up.
gate_flow flow_of(const OpenSession& session, std::uint32_t service, const gate_config& config) {
  gate_flow flow{};
  flow.opened_coarse_ns = coarse_now_ns();
  flow.opened_boot_ns = boot_time_ns();
  flow.service = service;
  flow.flags = GATE_FLOW_ADOPTED | (session.machine_opened ? __u32{GATE_FLOW_MACHINE_OPENED} : 0);
  if (session.client_finished) flow.client.flags |= GATE_SIDE_FIN;
  if (session.machine_finished) flow.machine.flags |= GATE_SIDE_FIN;
  if (session.protocol == IPPROTO_UDP && config.udp_without_grant_session_ns != 0)
    flow.session_end_boot_ns = flow.opened_boot_ns + config.udp_without_grant_session_ns;
  return flow;
}

LoaderResult<void> store(const MapSet& maps, const OpenSession& session, gate_flow flow, const gate_config& config) {
  if (session.family == GATE_IPV4) {
    gate_flow_key_v4 key{};
    std::memcpy(&key.client, session.client.data(), sizeof(key.client));
    std::memcpy(&key.machine, session.machine.data(), sizeof(key.machine));
    key.client_port_be = session.client_port_be;
    key.machine_port_be = session.machine_port_be;
    key.protocol = session.protocol;
    flow.tuple = gate_flow_tuple_v4(&key, config.flow_seeds);
    return maps.established_v4.update(key, flow, BPF_NOEXIST);
  }
  gate_flow_key_v6 key{};
  std::memcpy(key.client, session.client.data(), sizeof(key.client));
  std::memcpy(key.machine, session.machine.data(), sizeof(key.machine));
  key.client_port_be = session.client_port_be;
  key.machine_port_be = session.machine_port_be;
  key.protocol = session.protocol;
  flow.tuple = gate_flow_tuple_v6(&key, config.flow_seeds);
  return maps.established_v6.update(key, flow, BPF_NOEXIST);
}

LoaderResult<bool> has_judged(const MapSet& maps) {
  for (std::uint32_t reason = 0; reason < maps.counters.info().max_entries; ++reason) {
    const auto values = maps.counters.lookup_per_cpu(reason);
    if (!values) return values.error();
    for (const gate_counter& value : *values)
      if (value.packets != 0) return true;
  }
  return false;
}

LoaderError unknown(const std::vector<std::uint32_t>& ids) {
  std::string list;
  for (const std::uint32_t id : ids) {
    if (list.size() > 60) {
      list += ", …";
      break;
    }
    list += (list.empty() ? "" : ", ") + std::to_string(id);
  }
  return {"no service of this gate has the id " + list + "; nothing was adopted", ENOENT};
}

}  // namespace

LoaderResult<AdoptReport> adopt(const MapSet& maps, const std::set<std::uint32_t>& services) {
  const auto config = read_config(maps);
  if (!config) return config.error();
  ServiceIndex index(maps);
  if (auto read = index.read(); !read) return read.error();
  std::vector<std::uint32_t> missing;
  std::set_difference(services.begin(), services.end(), index.ids().begin(), index.ids().end(),
                      std::back_inserter(missing));
  if (!missing.empty()) return unknown(missing);

  AdoptReport report;
  std::optional<LoaderError> failed;
  const auto service_of = [&](const OpenSession& session) -> std::optional<std::uint32_t> {
    const auto id = index.find(session);
    return id && services.contains(*id) ? id : std::nullopt;
  };
  std::set<std::tuple<std::uint8_t, std::uint8_t, std::array<std::uint8_t, 16>, std::array<std::uint8_t, 16>,
                      std::uint16_t, std::uint16_t>>
      seen;  // a socket's session may be tracked too
  const auto take = [&](const OpenSession& session) {
    const auto id = service_of(session);
    if (!id || !seen.emplace(session.family, session.protocol, session.client, session.machine, session.client_port_be,
                             session.machine_port_be).second)
      return;
    const auto stored = store(maps, session, flow_of(session, *id, *config), *config);
    if (stored) return void(++report.adopted);
    if (stored.error().errno_value == EEXIST) return void(++report.known);
    if (stored.error().errno_value == E2BIG || stored.error().errno_value == ENOMEM) return void(++report.not_stored);
    failed = stored.error();
  };
  // Sockets first: they tell whose FIN was sent.
  if (auto sockets = socket_sessions(take); !sockets) return sockets.error();
  const auto tracked = tracked_sessions([&](const OpenSession& session) { return service_of(session).has_value(); }, take);
  if (!tracked && tracked.error().errno_value != ENOENT) return tracked.error();
  if (!tracked) report.warnings.push_back(tracked.error().sentence);
  if (tracked && *tracked == 0 && index.any_beyond(services))
    report.warnings.push_back("no connection is tracked on this host now, so of the sessions through it only those go on that "
                              "moved while their port was monitored: `postern policy enable --monitor` first, or ask for "
                              "tracking by a rule (ct state)");
  if (failed) return *failed;
  if (report.not_stored > 0)
    report.warnings.push_back("the table of flows is full: " + std::to_string(report.not_stored) +
                              " open sessions were not adopted and end when their service is enforced");
  return report;
}

LoaderResult<AdoptReport> adopt(const Instance& instance, const std::set<std::uint32_t>& services) {
  if (auto named = check_instance_name(instance.name); !named) return named.error();
  if (auto root = check_root(); !root) return root.error();
  const auto maps = MapSet::open(instance.bpffs());
  if (!maps) return maps.error();
  return adopt(*maps, services);
}

LoaderResult<std::set<std::uint32_t>> services_never_judged(const MapSet& maps) {
  const auto judged = has_judged(maps);
  if (!judged) return judged.error();
  if (*judged) return std::set<std::uint32_t>();
  ServiceIndex index(maps);
  if (auto read = index.read(); !read) return read.error();
  return index.ids();
}

LoaderResult<std::set<std::uint32_t>> parse_service_ids(const std::string& line) {
  const LoaderError fault{"a line of service ids is expected, such as \"3 17 42\"", EINVAL};
  std::set<std::uint32_t> ids;
  const char* at = line.data();
  const char* const end = at + line.size();
  for (;;) {
    std::uint32_t id = 0;
    const auto [next, error] = std::from_chars(at, end, id);
    if (error != std::errc{} || id == 0 || *at == '0') return fault;
    ids.insert(id);
    if (next == end) return ids;
    if (*next != ' ') return fault;
    at = next + 1;
  }
}

}  // namespace postern::loader
