// SPDX-License-Identifier: Apache-2.0
// Which services exist and who may reach them: the desired content of the maps as an index that is kept up to date
// change by change, so that a request costs what it touches however many grants are live. Knows no ids and no slots.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "controlplane/core/model.hpp"
#include "controlplane/core/ports.hpp"

namespace postern::core {

// The wish of a live grant or standing rule to have an entry. Ordered by deadline: the last one of a key is in force.
struct Claim {
  BootTime deadline{};
  std::uint64_t serial = 0;
  bool standing = false;
  auto operator<=>(const Claim&) const = default;
};

struct Service {
  unsigned owners = 0;     // machines by which policies guard it; guarded while there is one
  unsigned enforcers = 0;  // of them, those of which a policy enforces
  std::map<Prefix, std::set<Claim>> claims;
  std::map<std::uint8_t, std::size_t> lengths;  // how many keys of `claims` have this prefix length
};

// What a change may have altered since it was last taken.
struct Touched {
  std::set<ServiceKey> services;
  std::set<std::pair<ServiceKey, Prefix>> entries;
  std::set<std::uint64_t> grants;
};

class Services {
 public:
  void guard(const ServiceKey& key, Mode mode);
  void release(const ServiceKey& key, Mode mode);
  void claim(const ServiceKey& key, const Prefix& source, Claim claim);
  void withdraw(const ServiceKey& key, const Prefix& source, Claim claim);
  void touch_service(const ServiceKey& key) { touched_.services.insert(key); }
  void touch_grant(std::uint64_t serial) {
    if (noting_) touched_.grants.insert(touched_.grants.end(), serial);
  }
  void note_touched(bool on) { noting_ = on; }

  const Service* find(const ServiceKey& key) const;  // null: neither guarded nor claimed
  const std::map<ServiceKey, Service>& all() const { return services_; }
  // How many guarded services have this address, this protocol and port.
  std::uint32_t at_address(const Prefix& address) const;
  bool enforced_at(const Prefix& address) const;  // whether any service of the address enforces
  std::uint32_t at_port(Protocol protocol, std::uint16_t port) const;

  Touched take_touched() { return std::exchange(touched_, {}); }
  const Touched& touched() const { return touched_; }

 private:
  void drop_if_unused(const ServiceKey& key);
  void touch(const ServiceKey& key) {
    if (noting_) touched_.services.insert(key);
  }
  void touch(const ServiceKey& key, const Prefix& source) {
    if (noting_) touched_.entries.insert({key, source});
  }

  std::map<ServiceKey, Service> services_;
  std::map<Prefix, std::uint32_t> addresses_, enforced_addresses_;
  std::map<std::pair<Protocol, std::uint16_t>, std::uint32_t> ports_;
  Touched touched_;
  bool noting_ = true;
};

// The services by which a machine's port is reached: each address, and the forwards that lead there; TCP, UDP or
// both. Without duplicates.
std::vector<ServiceKey> services_of(const Machine& machine, std::uint16_t port, Protocol protocol);

// The entries of a grant: its sources in the service's family ("*" is everything of that family).
std::set<Prefix> sources_for(const ServiceKey& service, const std::vector<Source>& sources);

}  // namespace postern::core
