// SPDX-License-Identifier: Apache-2.0
// What would happen to a packet: the programs themselves say (core::Dataplane::explain); here their numbers get names.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/subset.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

bool speaks(Protocol rule, Protocol packet) {
  return rule == Protocol::any || rule == packet;
}

bool admits(const Grant& grant, const Explanation& told) {
  const Source source{
      Prefix{told.probe.source, told.probe.source.family == Family::ipv4 ? std::uint8_t{32} : std::uint8_t{128}}};
  return std::any_of(grant.sources.begin(), grant.sources.end(),
                     [&](const Source& each) { return !each.prefix || each.contains(source); });
}

std::string named(const Grant& grant, const Request& request) {
  return std::to_string(grant.serial) + " of " + in_quotes(request.requestor);
}

// What is known of grants that would have admitted the packet, at another time or from another source.
std::string hint_for(const Explanation& told, const Ledger& ledger) {
  const Grant *ended = nullptr, *running = nullptr;
  std::vector<std::string> elsewhere;
  for (const auto& [id, request] : ledger.requests()) {
    for (const auto serial : ledger.grants_of(id)) {
      const auto& grant = *ledger.grant(serial);
      const bool here = same_folded(grant.machine_id, told.machine_id) && grant.port == told.machine_port &&
                        speaks(grant.protocol, told.probe.protocol);
      if (!here) continue;
      if (grant.state == GrantState::live) {
        if (admits(grant, told))
          running = &grant;
        else if (elsewhere.size() < 3)
          for (const auto& source : grant.sources) elsewhere.push_back(to_string(source));
      } else if (grant.ended_at && !grant.boot_id.empty() && admits(grant, told) && (!ended || *ended->ended_at <= *grant.ended_at)) {
        ended = &grant;
      }
    }
  }
  if (running) {
    return "Grant " + named(*running, ledger.request(running->request)) + " covers this source until " +
           format_time(running->end) + ".";
  }
  std::string hint = "No grant for this source is known.";
  if (ended) {
    hint = "The last grant for this source, " + named(*ended, ledger.request(ended->request)) + ", ended at " +
           format_time(*ended->ended_at) + " (" + std::string(wire_name(ended->end_reason)) + ").";
  }
  if (!elsewhere.empty()) hint += " Live grants open it to " + joined(elsewhere) + ".";
  return hint;
}

}  // namespace

Result<Explanation> Gatekeeper::explain(const Caller& caller, const ProbeDraft& draft) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "gate.explain", actions::gate_read, "/")) return *error;
  const auto asked = read_probe(draft, caller.address);
  if (!asked) return asked.error();
  const auto at = asked->at.value_or(p.clock.now().utc);
  // A time before the boot is its first nanosecond: 0 would mean "now" to the programs.
  const BootTime boot(std::max(std::chrono::nanoseconds(1), at.time_since_epoch() + p.measure().boot_minus_utc));
  auto verdict = p.dataplane.explain(asked->probe, boot);
  if (!verdict) return verdict.error();

  Explanation told{asked->probe, at, *std::move(verdict), {}, {}, 0, {}, {}, {}, {}};
  if (told.verdict.service != 0) told.service = p.projector.service_with(told.verdict.service);
  if (const auto behind = told.service ? p.ledger.behind(*told.service) : std::nullopt) {
    told.machine_id = behind->first->id;
    told.machine_port = behind->second;
    for (const auto* policy : p.ledger.policies_naming(told.machine_id)) {
      const auto* rule = find_rule(*policy, told.machine_id, told.machine_port);
      if (rule && speaks(rule->protocol, told.probe.protocol)) told.policies.push_back(policy);
    }
  }
  const auto standing = p.ledger.standing().find(told.verdict.serial);
  if (standing != p.ledger.standing().end()) told.standing = standing->second;
  if (const auto* grant = p.ledger.grant(told.verdict.serial)) told.grant = p.view_of(*grant);
  const bool lacks_grant = told.verdict.reason == "no_grant" || told.verdict.reason == "flow_cut";
  if (lacks_grant && !told.machine_id.empty()) told.hint = hint_for(told, p.ledger);
  return told;
}

}  // namespace postern::core
