// SPDX-License-Identifier: Apache-2.0
// What somebody has to dial to reach a machine from outside, and whether he may at the moment.
#include <algorithm>
#include <set>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/services.hpp"

namespace postern::core {

std::vector<Endpoint> endpoints_of(const Machine& machine, std::uint16_t port, Protocol protocol) {
  std::vector<Endpoint> endpoints;
  for (const auto& service : services_of(machine, port, protocol)) {
    const bool own = service.port == port && std::find(machine.addresses.begin(), machine.addresses.end(),
                                                       service.address) != machine.addresses.end();
    endpoints.push_back({service.address, service.port, service.protocol, !own});
  }
  std::stable_partition(endpoints.begin(), endpoints.end(), [](const Endpoint& each) { return each.forward; });
  return endpoints;
}

Result<ConnectionView> Gatekeeper::connection(const Caller& caller, std::string_view name_or_id) {
  auto& p = *parts_;
  const auto shown = get_machine(caller, name_or_id);
  if (!shown) return shown.error();
  ConnectionView view{shown->machine, {}, {}};
  const auto live = p.ledger.live_on(view.machine.id);
  std::set<std::pair<std::uint16_t, Protocol>> seen;
  for (const auto& rule : shown->ports) {
    if (!seen.insert({rule.number, rule.protocol}).second) continue;
    ConnectionPort port{rule.number, rule.protocol, endpoints_of(view.machine, rule.number, rule.protocol), {}};
    const Grant* last = nullptr;
    for (const auto* grant : live) {
      if (grant->port != rule.number || !overlap(grant->protocol, rule.protocol)) continue;
      if (p.ledger.request(grant->request).requestor != caller.principal.name) continue;
      if (!last || last->end < grant->end) last = grant;
    }
    if (last) {
      port.grant = last->serial;
      view.grants.emplace(last->serial, std::pair(*last, p.ledger.request(last->request)));
    }
    view.ports.push_back(std::move(port));
  }
  return view;
}

}  // namespace postern::core
