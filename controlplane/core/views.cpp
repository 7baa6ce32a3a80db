// SPDX-License-Identifier: Apache-2.0
// How requests and grants are shown.
#include <algorithm>

#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {

RequestView Gatekeeper::Parts::view_of(const Request& request) const {
  RequestView view{request, {}, {}, {}, ledger.uses().contains(request.id)};
  for (const auto serial : ledger.grants_of(request.id)) {
    const Grant& grant = *ledger.grant(serial);
    view.grants.push_back(grant);
    const auto* machine = ledger.machine(grant.machine_id);
    if (!machine) continue;
    view.endpoints.emplace(serial, endpoints_of(*machine, grant.port, grant.protocol));
    for (const auto& forward : machine->forwards) {
      const bool leads_there =
          forward.machine_port == grant.port && (grant.protocol == Protocol::any || grant.protocol == forward.protocol);
      if (leads_there) view.mapped_ports.emplace(serial, forward.port);
    }
  }
  return view;
}

GrantView Gatekeeper::Parts::view_of(const Grant& grant) const {
  GrantView view{grant, ledger.request(grant.request), std::nullopt};
  view.break_glass = ledger.uses().contains(grant.request);
  if (const auto use = projector.use_of(grant.serial)) {
    view.usage = GrantUsage{use->admitted, use->established, std::nullopt};
    const Now now = clock.now();
    if (use->last_admitted) view.usage->last_admitted = now.utc - (now.boot - *use->last_admitted);
  }
  return view;
}

// With its requests, oldest first: all that have a grant that runs or will, and the newest of the others.
PolicyView Gatekeeper::Parts::view_of(const Policy& policy) const {
  PolicyView view{policy, {}};
  const auto ids = ledger.requests_of(policy);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& serials = ledger.grants_of(ids[i]);
    const bool runs = std::any_of(serials.begin(), serials.end(), [&](std::uint64_t serial) {
      return ledger.grant(serial)->state != GrantState::ended;
    });
    if (runs || ids.size() - i <= requests_shown) view.requests.push_back(view_of(ledger.request(ids[i])));
  }
  return view;
}

}  // namespace postern::core
