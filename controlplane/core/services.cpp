// SPDX-License-Identifier: Apache-2.0
// Services and claims, see services.hpp.
#include "controlplane/core/services.hpp"

#include <algorithm>

namespace postern::core {
namespace {

std::uint8_t full_length(Family family) {
  return family == Family::ipv4 ? 32 : 128;
}

template <class Map, class Key>
void count_down(Map& map, const Key& key) {
  const auto found = map.find(key);
  if (--found->second == 0) map.erase(found);
}

template <class Map, class Key>
std::uint32_t count_at(const Map& map, const Key& key) {
  const auto found = map.find(key);
  return found == map.end() ? 0 : found->second;
}

}  // namespace

void Services::guard(const ServiceKey& key, Mode mode) {
  touch(key);
  auto& service = services_[key];
  if (mode == Mode::enforce && ++service.enforcers == 1) ++enforced_addresses_[key.address];
  if (++service.owners > 1) return;
  ++addresses_[key.address];
  ++ports_[{key.protocol, key.port}];
}

void Services::release(const ServiceKey& key, Mode mode) {
  touch(key);
  auto& service = services_.at(key);
  if (mode == Mode::enforce && --service.enforcers == 0) count_down(enforced_addresses_, key.address);
  if (--service.owners > 0) return;
  count_down(addresses_, key.address);
  count_down(ports_, std::pair(key.protocol, key.port));
  drop_if_unused(key);
}

void Services::claim(const ServiceKey& key, const Prefix& source, Claim claim) {
  touch(key, source);
  auto& service = services_[key];
  auto& claims = service.claims[source];
  if (claims.empty() && ++service.lengths[source.length] == 1) touch(key);
  claims.insert(claim);
}

void Services::withdraw(const ServiceKey& key, const Prefix& source, Claim claim) {
  touch(key, source);
  auto& service = services_.at(key);
  const auto claims = service.claims.find(source);
  claims->second.erase(claim);
  if (!claims->second.empty()) return;
  service.claims.erase(claims);
  count_down(service.lengths, source.length);
  if (!service.lengths.contains(source.length)) touch(key);
  drop_if_unused(key);
}

const Service* Services::find(const ServiceKey& key) const {
  const auto found = services_.find(key);
  return found == services_.end() ? nullptr : &found->second;
}

std::uint32_t Services::at_address(const Prefix& address) const {
  return count_at(addresses_, address);
}

bool Services::enforced_at(const Prefix& address) const {
  return enforced_addresses_.contains(address);
}

std::uint32_t Services::at_port(Protocol protocol, std::uint16_t port) const {
  return count_at(ports_, std::pair(protocol, port));
}

void Services::drop_if_unused(const ServiceKey& key) {
  const auto& service = services_.at(key);
  if (service.owners == 0 && service.claims.empty()) services_.erase(key);
}

std::vector<ServiceKey> services_of(const Machine& machine, std::uint16_t port, Protocol protocol) {
  std::vector<ServiceKey> keys;
  for (const auto wanted : {Protocol::tcp, Protocol::udp}) {
    if (protocol != Protocol::any && protocol != wanted) continue;
    for (const auto& address : machine.addresses) keys.push_back({address, port, wanted});
    for (const auto& forward : machine.forwards) {
      if (forward.machine_port != port || forward.protocol != wanted) continue;
      keys.push_back({Prefix{forward.address, full_length(forward.address.family)}, forward.port, wanted});
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::set<Prefix> sources_for(const ServiceKey& service, const std::vector<Source>& sources) {
  const auto family = service.address.address.family;
  std::set<Prefix> result;
  for (const auto& source : sources) {
    if (!source.prefix) {
      result.insert(Prefix{Address{family, {}}, 0});
    } else if (source.prefix->address.family == family) {
      result.insert(*source.prefix);
    }
  }
  return result;
}

}  // namespace postern::core
