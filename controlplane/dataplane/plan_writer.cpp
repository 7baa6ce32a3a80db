// SPDX-License-Identifier: Apache-2.0
// Steps of a plan as map writes.
#include "controlplane/dataplane/plan_writer.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <variant>

#include "controlplane/dataplane/bytes.hpp"
#include "controlplane/dataplane/failure.hpp"

namespace postern::dataplane {

namespace {

constexpr std::size_t batch_max = 4096;

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

core::Result<void> erased(const loader::LoaderResult<bool>& result) {
  if (!result) return gate_error(result.error());
  return {};
}

bool has_ports(core::Protocol protocol) {
  return protocol == core::Protocol::tcp || protocol == core::Protocol::udp;
}

}  // namespace

core::Result<void> PlanWriter::write(const core::Plan& plan) {
  services_.clear();
  addresses_.clear();
  for (const core::Step& step : plan) {
    if (!std::holds_alternative<core::PutEntry>(step))
      if (auto flushed = flush(); !flushed) return flushed;
    // A service that goes may have guarded what a new one is about to.
    if (std::holds_alternative<core::EraseService>(step))
      if (auto enforced = enforce(); !enforced) return enforced;
    if (auto written = write(step); !written) return written;
  }
  if (auto flushed = flush(); !flushed) return flushed;
  return enforce();
}

// The first adoption takes what is open, the second what was opening. Neither is a reason not to guard.
core::Result<void> PlanWriter::enforce() {
  if (services_.empty()) return {};
  std::set<std::uint32_t> ids;
  for (const core::PutService& step : services_) ids.insert(step.service.id);
  adoption_.adopt(ids);
  for (const core::PutAddress& step : addresses_)
    if (auto put = store(step); !put) return put;
  for (const core::PutService& step : services_)
    if (auto put = store(step); !put) return put;
  adoption_.adopt(ids);
  services_.clear();
  addresses_.clear();
  return {};
}

core::Result<void> PlanWriter::write(const core::Step& step) {
  return std::visit(
      Overloaded{
          [&](const core::PutRecord& put) { return records_.put(put.slot, put.record); },
          [&](const core::PutEntry& entry) { return put(entry); },
          [&](const core::PutService& service) { return put(service); },
          [&](const core::PutAddress& address) { return put(address); },
          [&](const core::SetPort& port) { return set_port(port); },
          [&](const core::EraseEntry& entry) { return erase(entry); },
          [&](const core::EraseService& service) { return erase(service); },
          [&](const core::EraseAddress& address) {
            return erased(maps_.guarded_addresses.erase(prefix_key(address.address)));
          },
          [&](const core::PutFailsafe& put) {
            if (auto set = change_flags(GATE_CONTROL_FAILSAFE_SOURCES, 0); !set) return set;
            return outcome(maps_.failsafe_sources.update(prefix_key(put.source), {GATE_FAILSAFE_ADMIN}));
          },
          [&](const core::EraseFailsafe& failsafe) { return erase(failsafe); },
          [&](const core::RaiseCutGeneration&) { return raise_cut_generation(); },
      },
      step);
}

core::Result<void> PlanWriter::put(const core::PutEntry& step) {
  const bool v4 = step.key.source.address.family == core::Family::ipv4;
  const bool other_family = v4 ? !keys_v6_.empty() : !keys_v4_.empty();
  if (other_family || values_.size() >= batch_max)
    if (auto flushed = flush(); !flushed) return flushed;
  if (v4)
    keys_v4_.push_back(grant_key_v4(step.key));
  else
    keys_v6_.push_back(grant_key_v6(step.key));
  values_.push_back(grant_value(step.key.service, step.entry));
  return {};
}

core::Result<void> PlanWriter::flush() {
  if (values_.empty()) return {};
  std::uint32_t written = 0;
  const auto put = keys_v6_.empty() ? maps_.grants_v4.update_batch(keys_v4_, values_, written)
                                    : maps_.grants_v6.update_batch(keys_v6_, values_, written);
  keys_v4_.clear();
  keys_v6_.clear();
  values_.clear();
  return outcome(put);
}

core::Result<void> PlanWriter::put(const core::PutService& step) {
  if (!has_ports(step.key.protocol) || step.service.prefix_lengths.size() > GATE_PREFIX_LENGTHS_MAX)
    return gate_error("a service needs TCP or UDP and at most " + std::to_string(GATE_PREFIX_LENGTHS_MAX) +
                      " prefix lengths");
  const auto enforced = is_enforced(step);
  if (!enforced) return enforced.error();
  if (!step.service.enforce || *enforced) return store(step);
  services_.push_back(step);
  core::PutService monitored = step;
  monitored.service.enforce = false;
  return store(monitored);
}

// Comes after its services: of an address that begins to be enforced, odd packets drop from the switch on.
core::Result<void> PlanWriter::put(const core::PutAddress& step) {
  const bool waits = std::any_of(services_.begin(), services_.end(), [&](const core::PutService& service) {
    return service.key.address == step.address;
  });
  if (!waits) return store(step);
  addresses_.push_back(step);
  return {};
}

core::Result<void> PlanWriter::store(const core::PutAddress& step) {
  return outcome(maps_.guarded_addresses.update(prefix_key(step.address), address_value(step.entry)));
}

// Whether what the key leads to is enforced as it stands, be it by a wider service: then nothing is open that would have to
// be adopted, and a moment of monitoring would open it.
core::Result<bool> PlanWriter::is_enforced(const core::PutService& step) const {
  if (is_exact(step.key.address)) {
    const auto exact = step.key.address.address.family == core::Family::ipv4
                           ? maps_.services_v4.lookup(service_key_v4(step.key))
                           : maps_.services_v6.lookup(service_key_v6(step.key));
    if (!exact) return gate_error(exact.error());
    if (*exact) return ((*exact)->flags & GATE_SERVICE_ENFORCE) != 0;
  }
  const auto covering = maps_.service_prefixes.lookup(service_prefix_key(step.key));
  if (!covering) return gate_error(covering.error());
  return *covering && ((*covering)->flags & GATE_SERVICE_ENFORCE) != 0;
}

core::Result<void> PlanWriter::store(const core::PutService& step) {
  const gate_service value = service_value(step.service);
  if (!is_exact(step.key.address)) {
    if (auto set = change_flags(GATE_CONTROL_SERVICE_PREFIXES, 0); !set) return set;
    return outcome(maps_.service_prefixes.update(service_prefix_key(step.key), value));
  }
  if (step.key.address.address.family == core::Family::ipv4)
    return outcome(maps_.services_v4.update(service_key_v4(step.key), value));
  return outcome(maps_.services_v6.update(service_key_v6(step.key), value));
}

core::Result<void> PlanWriter::erase(const core::EraseEntry& step) {
  if (step.key.source.address.family == core::Family::ipv4)
    return erased(maps_.grants_v4.erase(grant_key_v4(step.key)));
  return erased(maps_.grants_v6.erase(grant_key_v6(step.key)));
}

// The id may go to another service: its counts begin at 0.
core::Result<void> PlanWriter::erase(const core::EraseService& step) {
  const std::uint32_t id = id_of(step.key);
  if (auto gone = erase_service(step); !gone) return gone;
  if (id == 0 || id >= maps_.service_counters.info().max_entries) return {};
  return outcome(maps_.service_counters.clear_per_cpu(id));
}

// 0: there is no such service.
std::uint32_t PlanWriter::id_of(const core::ServiceKey& key) const {
  const auto id = [](const auto& found) { return found && *found ? (*found)->id : 0; };
  if (!is_exact(key.address)) return id(maps_.service_prefixes.lookup(service_prefix_key(key)));
  if (key.address.address.family == core::Family::ipv4) return id(maps_.services_v4.lookup(service_key_v4(key)));
  return id(maps_.services_v6.lookup(service_key_v6(key)));
}

core::Result<void> PlanWriter::erase_service(const core::EraseService& step) {
  if (is_exact(step.key.address)) {
    if (step.key.address.address.family == core::Family::ipv4)
      return erased(maps_.services_v4.erase(service_key_v4(step.key)));
    return erased(maps_.services_v6.erase(service_key_v6(step.key)));
  }
  if (auto gone = erased(maps_.service_prefixes.erase(service_prefix_key(step.key))); !gone) return gone;
  const auto any = any_prefix_service();
  if (!any) return any.error();
  return *any ? core::Result<void>() : change_flags(0, GATE_CONTROL_SERVICE_PREFIXES);
}

// One word holds 64 ports, and posternd is its only writer while it runs.
core::Result<void> PlanWriter::set_port(const core::SetPort& step) {
  if (!has_ports(step.protocol)) return gate_error("a guarded port needs TCP or UDP");
  const auto [word, bit] = port_bit(step.protocol, step.port);
  const auto before = maps_.guarded_ports.lookup(word);
  if (!before) return gate_error(before.error());
  const __u64 bits = before->value_or(0);
  const __u64 after = step.guarded ? bits | bit : bits & ~bit;
  if (after == bits) return {};
  return outcome(maps_.guarded_ports.update(word, after));
}

// Sources that the loader put there until the attach is confirmed are the loader's to take away.
core::Result<void> PlanWriter::erase(const core::EraseFailsafe& step) {
  const gate_prefix_key key = prefix_key(step.source);
  bool own = false;  // looked for by walking: a look-up in a trie finds the longest match, not this key
  auto walked = maps_.failsafe_sources.for_each([&](const gate_prefix_key& found, const gate_failsafe& value) {
    if (value.owner == GATE_FAILSAFE_ADMIN && prefix(found) == step.source) own = true;
  });
  if (!walked) return gate_error(walked.error());
  if (own)
    if (auto gone = erased(maps_.failsafe_sources.erase(key)); !gone) return gone;
  const auto any = any_own_failsafe();
  if (!any) return any.error();
  return *any ? core::Result<void>() : change_flags(0, GATE_CONTROL_FAILSAFE_SOURCES);
}

core::Result<void> PlanWriter::raise_cut_generation() {
  const auto before = maps_.control.lookup(0);
  if (!before) return gate_error(before.error());
  gate_control control = before->value_or(gate_control{});
  ++control.cut_generation;
  return outcome(maps_.control.update(0, control));
}

core::Result<void> PlanWriter::change_flags(std::uint32_t set, std::uint32_t clear) {
  const auto before = maps_.control.lookup(0);
  if (!before) return gate_error(before.error());
  gate_control control = before->value_or(gate_control{});
  const __u32 flags = (control.flags | set) & ~clear;
  if (flags == control.flags) return {};
  control.flags = flags;
  return outcome(maps_.control.update(0, control));
}

core::Result<bool> PlanWriter::any_prefix_service() const {
  gate_prefix_key first{};
  const auto found = maps_.service_prefixes.handle().next_key(nullptr, &first);
  if (!found) return gate_error(found.error());
  return *found;
}

core::Result<bool> PlanWriter::any_own_failsafe() const {
  bool any = false;
  const auto walked = maps_.failsafe_sources.for_each(
      [&](const gate_prefix_key&, const gate_failsafe& value) { any |= value.owner == GATE_FAILSAFE_ADMIN; });
  if (!walked) return gate_error(walked.error());
  return any;
}

core::Result<void> PlanWriter::settle_flags() {
  const auto prefixes = any_prefix_service(), failsafe = any_own_failsafe();
  if (!prefixes) return prefixes.error();
  if (!failsafe) return failsafe.error();
  const std::uint32_t wanted = (*prefixes ? std::uint32_t{GATE_CONTROL_SERVICE_PREFIXES} : 0) |
                               (*failsafe ? std::uint32_t{GATE_CONTROL_FAILSAFE_SOURCES} : 0);
  return change_flags(wanted, ~wanted & (GATE_CONTROL_SERVICE_PREFIXES | GATE_CONTROL_FAILSAFE_SOURCES));
}

}  // namespace postern::dataplane
