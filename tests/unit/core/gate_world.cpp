// SPDX-License-Identifier: Apache-2.0
// See gate_world.hpp.
#include "tests/unit/core/gate_world.hpp"

#include <algorithm>

namespace postern::tests {

using namespace core;

std::string machine_id(const std::string& name) {
  return group_scope + "/providers/Microsoft.Compute/virtualMachines/" + name;
}

PolicyId policy_id(const std::string& name) {
  return {subscription, "lab", "westeurope", name};
}

Caller person(const std::string& name, const std::string& role, const std::string& address, const std::string& scope) {
  Caller caller{{name, {{role, scope}}}, std::nullopt, "call-1", ""};
  if (!address.empty()) caller.address = parse_address(address).value();
  return caller;
}

Caller admin() {
  return person("root", "admin", "");
}

Caller alice() {
  return person("alice@example.com", "requester", "203.0.113.7");
}

Caller bob() {
  return person("bob@example.com", "requester", "203.0.113.8");
}

PolicyDraft policy_draft(const std::vector<std::pair<std::string, std::vector<Rule>>>& machines,
                         const std::string& mode) {
  PolicyDraft draft;
  draft.mode = mode;
  for (const auto& [name, rules] : machines) {
    PolicyMachineDraft machine{machine_id(name), std::nullopt, {}};
    for (const auto& rule : rules) {
      PortDraft port;
      port.number = rule.number;
      port.protocol = rule.protocol;
      port.max_duration = rule.max;
      port.ending = rule.ending;
      port.sources = rule.sources;
      port.standing = rule.standing;
      port.max_session = rule.max_session;
      port.justification = rule.justification;
      port.approval = rule.approval;
      machine.ports.push_back(port);
    }
    draft.machines.push_back(machine);
  }
  return draft;
}

AccessDraft access_draft(const std::vector<std::pair<std::string, std::vector<Ask>>>& machines) {
  AccessDraft draft;
  for (const auto& [name, asks] : machines) {
    PolicyMachineDraft machine{machine_id(name), std::nullopt, {}};
    for (const auto& each : asks) {
      PortDraft port;
      port.number = each.number;
      port.duration = each.duration;
      if (!each.sources.empty()) port.sources = each.sources;
      machine.ports.push_back(port);
    }
    draft.machines.push_back(machine);
  }
  return draft;
}

AccessDraft ask(const std::string& machine, const Ask& port) {
  return access_draft({{machine, {port}}});
}

AccessDraft starting(UtcTime start, AccessDraft draft) {
  draft.start = format_time(start);
  return draft;
}

RevocationDraft by(const std::string& ending) {
  RevocationDraft draft;
  draft.ending = ending;
  return draft;
}

MachineDraft machine_draft(const std::string& name, const std::vector<std::string>& addresses,
                           const std::vector<ForwardDraft>& forwards) {
  MachineDraft draft;
  draft.id = machine_id(name);
  draft.os = "linux";
  draft.addresses = addresses;
  draft.forwards = forwards;
  return draft;
}

GateWorld::GateWorld() {
  // Of a standing rule that has just ended, entries stand for a moment longer than its policy.
  dataplane.committed = [this, known = std::make_shared<std::set<std::uint64_t>>()](std::uint64_t serial) {
    for (const auto& [each, rule] : standing()) known->insert(each);
    const auto stored = store.grants().find(serial);
    return (stored != store.grants().end() && !stored->second.waits()) || known->contains(serial);
  };
  restart();
}

void GateWorld::restart() {
  gate.reset();
  newest_at_start = {};
  if (!store.records().empty()) newest_at_start = store.records().back().time;
  for (const auto& [serial, grant] : store.grants()) {
    if (grant.state == GrantState::live) newest_at_start = std::max(newest_at_start, grant.counted_from());
  }
  gate = std::make_unique<Gatekeeper>(settings, clock, randomness, store, dataplane);
  if (gate->start()) return;
  fuse.disarm();  // the store could not be read: a supervisor starts the daemon again
  REQUIRE(gate->start().has_value());
}

void GateWorld::reboot(const std::string& boot_id) {
  gate.reset();
  dataplane.reboot();
  clock.reboot(boot_id);
}

void GateWorld::furnish() {
  REQUIRE(gate->put_machine(admin(), machine_draft("vm1", {"10.0.0.1", "2001:db8::1"})));
  REQUIRE(gate->put_machine(admin(), machine_draft("vm2", {"10.0.0.2"})));
  REQUIRE(
      gate->put_policy(admin(), policy_id(),
                       policy_draft({{"vm1", {{}, {"3389", "*", {"203.0.113.0/24"}, "PT1H", "cut"}}}, {"vm2", {{}}}})));
}

Grant GateWorld::granted(const Caller& who, const AccessDraft& draft) {
  const auto view = gate->initiate(who, policy_id(), draft);
  if (!view) FAIL(view.error().message);
  REQUIRE(view->grants.size() == 1);
  return view->grants.front();
}

bool GateWorld::admits(const std::string& source, const std::string& address, std::uint16_t port,
                       Protocol protocol) const {
  const ServiceKey key{parse_prefix(address).value(), port, protocol};
  const auto client = parse_address(source).value();
  const auto verdicts = verdicts_of(dataplane.maps);
  return std::any_of(verdicts.admitted.begin(), verdicts.admitted.end(), [&](const auto& each) {
    return each.first.first == key && each.first.second.contains(client) && clock.now().boot < each.second.deadline;
  });
}

bool GateWorld::guards(const std::string& address, std::uint16_t port, Protocol protocol) const {
  return verdicts_of(dataplane.maps).guarded.contains({parse_prefix(address).value(), port, protocol});
}

RecordState GateWorld::record_of(std::uint64_t serial) const {
  for (const auto& [slot, record] : dataplane.maps.records) {
    if (record.serial == serial) return record.state;
  }
  return RecordState::vacant;
}

std::map<std::uint64_t, StandingRule> GateWorld::standing() const {
  std::map<std::uint64_t, StandingRule> rules;
  for (const auto& [key, policy] : store.policies()) {
    for (const auto& machine : policy.machines) {
      for (const auto& rule : machine.ports) {
        if (!rule.standing.empty()) rules[rule.standing_serial] = {policy.id, machine.machine_id, rule};
      }
    }
  }
  return rules;
}

std::vector<AuditRecord> GateWorld::records_since(std::size_t count) const {
  return {store.records().begin() + static_cast<std::ptrdiff_t>(count), store.records().end()};
}

namespace {

std::vector<ServiceKey> reached(const Machine& machine, std::uint16_t port, Protocol protocol) {
  std::vector<ServiceKey> keys;
  for (const auto each : {Protocol::tcp, Protocol::udp}) {
    if (protocol != Protocol::any && protocol != each) continue;
    for (const auto& address : machine.addresses) keys.push_back({address, port, each});
    for (const auto& forward : machine.forwards) {
      const std::uint8_t full = forward.address.family == Family::ipv4 ? 32 : 128;
      if (forward.machine_port == port && forward.protocol == each)
        keys.push_back({{forward.address, full}, forward.port, each});
    }
  }
  return keys;
}

}  // namespace

Verdicts GateWorld::expected() const {
  Verdicts verdicts;
  const auto off = [&](const std::string& which) {
    const auto found = store.switches().find(which);
    return found != store.switches().end() && !found->second.enforcing;
  };
  for (const auto& [key, policy] : store.policies()) {
    const bool enforces = policy.mode == Mode::enforce && !off("") && !off(folded(policy.id.subscription));
    for (const auto& named : policy.machines) {
      const auto machine = store.machines().find(folded(named.machine_id));
      if (machine == store.machines().end()) continue;
      for (const auto& rule : named.ports) {
        for (const auto& service : reached(machine->second, rule.number, rule.protocol)) {
          verdicts.guarded.insert(service);
          if (enforces) verdicts.enforced.insert(service);
        }
      }
    }
  }
  const auto admit = [&](const std::string& machine_id, std::uint16_t port, Protocol protocol,
                         const std::vector<Source>& sources, const Entry& wish) {
    const auto machine = store.machines().find(folded(machine_id));
    if (machine == store.machines().end()) return;
    for (const auto& service : reached(machine->second, port, protocol)) {
      for (const auto& source : sources) {
        const auto family = service.address.address.family;
        const auto prefix = source.prefix.value_or(Prefix{Address{family, {}}, 0});
        if (prefix.address.family != family || !verdicts.guarded.contains(service)) continue;
        auto& entry = verdicts.admitted[{service, prefix}];
        if (std::pair(wish.deadline, wish.serial) > std::pair(entry.deadline, entry.serial)) entry = wish;
      }
    }
  };
  for (const auto& [serial, each] : standing()) {
    admit(each.machine_id, each.rule.number, each.rule.protocol, each.rule.standing,
          {BootTime::max(), serial, 0, true});
  }
  const auto now = clock.now();
  for (const auto& [serial, grant] : store.grants()) {
    if (grant.state != GrantState::live) continue;
    auto deadline = now.boot + (grant.end - now.utc);
    const bool this_boot = grant.boot_id == clock.boot_id();
    if (!this_boot && now.utc + 60s < newest_at_start) continue;  // a clock that is not believed opens nothing
    if (this_boot) deadline = std::min(deadline, grant.boot_start + (grant.end - grant.extended.value_or(grant.start)));
    admit(grant.machine_id, grant.port, grant.protocol, grant.sources, {deadline, serial, 0, false});
  }
  return verdicts;
}

void GateWorld::require_in_step() const {
  for (const auto& violation : dataplane.violations) FAIL(violation);
  const auto actual = verdicts_of(dataplane.maps);
  const auto wanted = expected();
  REQUIRE(actual.guarded == wanted.guarded);
  REQUIRE(actual.enforced == wanted.enforced);
  REQUIRE(actual.admitted.size() == wanted.admitted.size());
  REQUIRE(dataplane.maps.entries.size() == wanted.admitted.size());  // no entries of services that are gone
  REQUIRE(dataplane.maps.services.size() == wanted.guarded.size());
  for (const auto& [place, entry] : wanted.admitted) {
    const auto found = actual.admitted.find(place);
    REQUIRE(found != actual.admitted.end());
    REQUIRE(found->second.deadline == entry.deadline);
    REQUIRE(found->second.serial == entry.serial);
    REQUIRE(found->second.standing == entry.standing);
  }
  std::map<std::uint64_t, int> live_records;
  const auto always = standing();
  for (const auto& [slot, record] : dataplane.maps.records) {
    live_records[record.serial] += record.state == RecordState::live;
    const auto rule = always.find(record.serial);
    const auto stored = store.grants().find(record.serial);
    if (rule != always.end()) REQUIRE(record.session_max == rule->second.rule.max_session);
    if (stored != store.grants().end()) REQUIRE(record.session_max == stored->second.max_session);
    if (stored != store.grants().end() && stored->second.state == GrantState::ended) {
      REQUIRE(record.state == (stored->second.ending == Ending::cut ? RecordState::cut : RecordState::draining));
    }
  }
  for (const auto& [serial, rule] : always) REQUIRE(live_records[serial] == 1);
  for (const auto& [serial, count] : live_records) {
    const auto stored = store.grants().find(serial);
    const bool live = stored != store.grants().end() && stored->second.state == GrantState::live;
    if (always.contains(serial)) continue;
    const bool believed =
        live && (stored->second.boot_id == clock.boot_id() || clock.now().utc + 60s >= newest_at_start);
    REQUIRE(count == (believed ? 1 : 0));
  }
  std::map<Prefix, AddressEntry> addresses;
  std::set<std::pair<Protocol, std::uint16_t>> ports;
  std::map<ServiceKey, std::set<std::uint8_t>> lengths;
  for (const auto& key : wanted.guarded) {
    auto& address = addresses.try_emplace(key.address, AddressEntry{false, 0}).first->second;
    ++address.services;
    address.enforce = address.enforce || wanted.enforced.contains(key);
    ports.insert({key.protocol, key.port});
    lengths[key];
  }
  for (const auto& [place, entry] : wanted.admitted) lengths[place.first].insert(place.second.length);
  REQUIRE(dataplane.maps.addresses == addresses);
  REQUIRE(dataplane.maps.ports == ports);
  for (const auto& [key, service] : dataplane.maps.services) REQUIRE(service.prefix_lengths == lengths[key]);
}

}  // namespace postern::tests
