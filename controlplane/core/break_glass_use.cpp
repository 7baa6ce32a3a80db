// SPDX-License-Identifier: Apache-2.0
// The journey of a request made by break-glass: past approval, the sources of the rule and a role that is missing, but
// only to a port that a policy guards, in the armed scope, from one place, and never for long. Else as admit() does it.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/request_digest.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::uint8_t shortest_v4 = 24, shortest_v6 = 64;

bool is_one_place(const Source& source) {
  if (!source.prefix) return false;
  return source.prefix->length >= (source.prefix->address.family == Family::ipv4 ? shortest_v4 : shortest_v6);
}

// One address, or one small block: what a person sits behind.
void check_sources(const AskedAccess& asked, Faults& faults) {
  const auto& first = asked.ports.front().sources;
  for (const auto& port : asked.ports) {
    const auto place = port.target + ".allowedSourceAddressPrefix";
    if (port.sources.size() != 1 || !(port.sources == first)) {
      faults.add(place, "Break-glass opens to one address only, the same for all ports.");
    } else if (!is_one_place(port.sources.front())) {
      faults.add(place, "Break-glass opens to your address, or to one block no larger than /24 (IPv6: /64), not to " +
                            in_quotes(to_string(port.sources.front())) + ".");
    }
  }
}

// The asked ports' machines in this policy; empty if it does not guard them all.
std::vector<std::string> machines_in(const Policy& policy, const AskedAccess& asked) {
  std::vector<std::string> ids;
  for (const auto& port : asked.ports) {
    const auto* machine = machine_meant(policy, port.machine);
    if (!machine || !find_rule(policy, machine->machine_id, port.port)) return {};
    ids.push_back(machine->machine_id);
  }
  return ids;
}

bool same_machines(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) { return folded(x) == folded(y); });
}

bool lies_in(const std::string& scope, const Policy& policy, const std::vector<std::string>& ids) {
  return scope_covers(scope, policy.id.path()) ||
         std::all_of(ids.begin(), ids.end(), [&](const std::string& id) { return scope_covers(scope, id); });
}

}  // namespace

// Whose name it is, as far as whoever vouches for that could have armed it himself: else one who hands out tokens for a
// machine would use what somebody is armed with for all.
bool Gatekeeper::Parts::is_for(const Arming& arming, const Principal& who) {
  return arming.principal == who.name && std::any_of(who.vouched.begin(), who.vouched.end(), [&](const std::string& scope) {
    return scope_covers(scope, arming.scope);
  });
}

std::vector<const Arming*> Gatekeeper::Parts::armed_for(const Principal& who) const {
  std::vector<const Arming*> found;
  for (const auto& [id, arming] : ledger.armings())
    if (is_for(arming, who) && is_armed(arming)) found.push_back(&arming);
  // The longest grants first.
  std::stable_sort(found.begin(), found.end(), [](const auto* a, const auto* b) { return a->grant_max > b->grant_max; });
  return found;
}

Result<Gatekeeper::Parts::GlassPane> Gatekeeper::Parts::pane_for(const std::vector<const Arming*>& armed,
                                                                 const AskedAccess& asked) const {
  std::optional<GlassPane> pane;
  for (const auto* arming : armed) {
    for (const auto& [key, policy] : ledger.policies()) {
      auto ids = machines_in(policy, asked);
      if (ids.empty() || !lies_in(arming->scope, policy, ids)) continue;
      if (!pane) {
        pane = GlassPane{arming, &policy, std::move(ids)};
      } else if (!same_machines(pane->machines, ids)) {
        return Error{ErrorCode::conflict, "Machines of several policies are called so: use their ids.", "", {}};
      }
    }
  }
  if (pane) return *pane;
  return Error{ErrorCode::policy_not_found, "No policy in the scope that you are armed for has rules for what you ask for.", "", {}};
}

Result<std::vector<Grant>> Gatekeeper::Parts::grants_through(const GlassPane& pane, AskedAccess& asked, UtcTime now) const {
  Faults faults;
  std::vector<Grant> grants;
  std::set<std::pair<std::string, std::uint16_t>> seen;
  for (std::size_t i = 0; i < asked.ports.size(); ++i) {
    auto& ask = asked.ports[i];
    ask.machine = pane.machines[i];
    if (!seen.insert({folded(ask.machine), ask.port}).second)
      faults.add(ask.target + ".number", "Port " + std::to_string(ask.port) + " of this machine is named twice.");
    if (ask.end - now > pane.arming->grant_max + end_tolerance) {
      faults.add(ask.target, "The end lies later than the " + format_duration(pane.arming->grant_max) +
                                 " that you are armed for.");
    }
    const auto& rule = *find_rule(*pane.policy, ask.machine, ask.port);
    Grant grant;
    grant.machine_id = ask.machine;
    grant.port = ask.port;
    grant.protocol = rule.protocol;
    grant.sources = ask.sources;
    grant.ending = rule.ending;
    grant.max_session = rule.max_session;
    grant.start = now;
    grant.end = std::min<UtcTime>(ask.end, now + pane.arming->grant_max);
    grants.push_back(std::move(grant));
  }
  if (faults.any()) return faults.as_error(ErrorCode::not_subset_of_policy, "Break-glass does not reach that far");
  return grants;
}

Result<RequestView> Gatekeeper::Parts::break_glass(const Caller& caller, const AccessDraft& draft) {
  const Now now = clock.now();
  Decision decision{caller, "breakglass.use"};
  const auto armed = armed_for(caller.principal);
  if (armed.empty()) {
    return refuse(decision, {ErrorCode::authorization_failed,
                             "Break-glass is not armed for '" + caller.principal.name + "'.", "", {}});
  }
  if (draft.unreadable) return refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  const auto digest = randomness.sha256_hex(digest_text(draft));
  const auto* repeated = ledger.repeat_of(caller.principal.name, caller.client_request_id, digest, "", now.utc - repeat_window);
  if (repeated) return answer_again(*repeated);

  auto asked = read_access(draft, caller.address, now.utc, MachineTerms::ids_and_names);
  if (!asked) return refuse(decision, asked.error());
  Faults faults;
  if (asked->justification.find_first_not_of(" \t\n") == std::string::npos) faults.missing("justification");
  if (asked->start) faults.add("startTimeUtc", "Break-glass opens at once: leave it out.");
  check_sources(*asked, faults);
  if (faults.any()) return refuse(decision, faults.as_error(ErrorCode::invalid_initiate_input, "The request is not valid"));
  const auto pane = pane_for(armed, *asked);
  if (!pane) return refuse(decision, pane.error());
  decision.policy = pane->policy->id.path();
  const auto grants = grants_through(*pane, *asked, now.utc);
  if (!grants) return refuse(decision, grants.error());
  for (const auto& grant : *grants) decision.machines.push_back(grant.machine_id);
  follow_clock();
  if (auto error = cannot_open(*grants, *asked)) return refuse(decision, *error);
  if (auto away = gate_away()) return refuse(decision, *away);

  std::vector<Grant> replaced;
  auto change = opening(decision, *pane->policy, *asked, *grants, digest, now, replaced);
  mark_use(*pane->arming, change);
  if (auto recorded = commit(change); !recorded) {
    if (recorded.error().code == ErrorCode::store_failed) return recorded.error();
    return refuse(decision, recorded.error());
  }
  if (auto open = put_in_force(); !open) return take_back(decision, change, replaced, open.error());
  return view_of(ledger.request(change.put_requests.front().id));
}

void Gatekeeper::Parts::mark_use(const Arming& arming, ChangeSet& change) const {
  const auto& request = change.put_requests.front();
  auto& told = change.audit.front().detail;
  BreakGlassUse use{request.id, arming.id, request.start, request.requestor, told, {}, {}, "", ""};
  for (const auto& grant : change.put_grants)
    if (grant.request == request.id) use.grants.push_back(grant.serial);
  change.put_uses.push_back(std::move(use));
  told = "BREAK-GLASS " + std::to_string(arming.id) + ", armed by " + in_quotes(arming.armed_by) + ". " + told;
}

// What came by break-glass stands as long as the port is guarded under the policy, whatever sources its rule names.
bool Gatekeeper::Parts::survives(const Grant& grant, const Policy& policy) const {
  if (!ledger.uses().contains(grant.request)) return still_allows(policy, grant);
  const auto* rule = find_rule(policy, grant.machine_id, grant.port);
  return rule && (rule->protocol == Protocol::any || rule->protocol == grant.protocol);
}

}  // namespace postern::core
