// SPDX-License-Identifier: Apache-2.0
// Differences and their order, see reconcile.hpp.
#include "controlplane/core/reconcile.hpp"

namespace postern::core {
namespace {

template <class Map, class Put>
void put_changed(const Map& held, const Map& desired, Put put) {
  for (const auto& [key, value] : desired) {
    const auto found = held.find(key);
    if (found == held.end() || !(found->second == value)) put(key, value);
  }
}

template <class Map, class Erase>
void erase_gone(const Map& held, const Map& desired, Erase erase) {
  for (const auto& [key, value] : held) {
    if (!desired.contains(key)) erase(key);
  }
}

void put_live_records(const Projection& held, const Projection& desired, Plan& plan) {
  put_changed(held.records, desired.records, [&](std::uint32_t slot, const RecordEntry& record) {
    if (record.state == RecordState::live) plan.push_back(PutRecord{slot, record});
  });
}

// A record is only ever marked ended after its entries are gone or name another grant: so a cut flow that another
// grant covers finds that grant's entry on its next packet.
// Open connections look at their grant's record again only when they are told that one reads differently.
void end_records(const Projection& held, const Projection& desired, Plan& plan) {
  bool cut = false;
  put_changed(held.records, desired.records, [&](std::uint32_t slot, const RecordEntry& record) {
    const auto before = held.records.find(slot);
    const bool same_grant = before != held.records.end() && before->second.serial == record.serial;
    const bool reads_differently = same_grant && (before->second.ending != record.ending ||
                                                  before->second.session_max != record.session_max);
    cut = cut || reads_differently || record.state == RecordState::cut;
    if (record.state != RecordState::live) plan.push_back(PutRecord{slot, record});
  });
  erase_gone(held.records, desired.records, [&](std::uint32_t slot) { plan.push_back(PutRecord{slot, {}}); });
  if (cut) plan.push_back(RaiseCutGeneration{});
}

struct Player {
  Projection& projection;

  void operator()(const PutRecord& step) const {
    if (step.record.state == RecordState::vacant) {
      projection.records.erase(step.slot);
    } else {
      projection.records[step.slot] = step.record;
    }
  }
  void operator()(const PutEntry& step) const { projection.entries[step.key] = step.entry; }
  void operator()(const PutService& step) const { projection.services[step.key] = step.service; }
  void operator()(const PutAddress& step) const { projection.addresses[step.address] = step.entry; }
  void operator()(const SetPort& step) const {
    if (step.guarded) {
      projection.ports.insert({step.protocol, step.port});
    } else {
      projection.ports.erase({step.protocol, step.port});
    }
  }
  void operator()(const EraseEntry& step) const { projection.entries.erase(step.key); }
  void operator()(const EraseService& step) const { projection.services.erase(step.key); }
  void operator()(const EraseAddress& step) const { projection.addresses.erase(step.address); }
  void operator()(const PutFailsafe& step) const { projection.failsafe_sources.insert(step.source); }
  void operator()(const EraseFailsafe& step) const { projection.failsafe_sources.erase(step.source); }
  void operator()(const RaiseCutGeneration&) const {}
};

}  // namespace

Plan plan_between(const Projection& held, const Projection& desired) {
  Plan plan;
  for (const auto& source : desired.failsafe_sources) {
    if (!held.failsafe_sources.contains(source)) plan.push_back(PutFailsafe{source});
  }
  put_live_records(held, desired, plan);
  put_changed(held.entries, desired.entries, [&](const EntryKey& key, const Entry& entry) {
    plan.push_back(PutEntry{key, entry});
  });
  put_changed(held.services, desired.services, [&](const ServiceKey& key, const ServiceEntry& service) {
    plan.push_back(PutService{key, service});
  });
  put_changed(held.addresses, desired.addresses, [&](const Prefix& address, const AddressEntry& entry) {
    plan.push_back(PutAddress{address, entry});
  });
  for (const auto& [protocol, port] : desired.ports) {
    if (!held.ports.contains({protocol, port})) plan.push_back(SetPort{protocol, port, true});
  }
  for (const auto& [protocol, port] : held.ports) {
    if (!desired.ports.contains({protocol, port})) plan.push_back(SetPort{protocol, port, false});
  }
  erase_gone(held.addresses, desired.addresses, [&](const Prefix& address) { plan.push_back(EraseAddress{address}); });
  erase_gone(held.services, desired.services, [&](const ServiceKey& key) { plan.push_back(EraseService{key}); });
  erase_gone(held.entries, desired.entries, [&](const EntryKey& key) { plan.push_back(EraseEntry{key}); });
  end_records(held, desired, plan);
  for (const auto& source : held.failsafe_sources) {
    if (!desired.failsafe_sources.contains(source)) plan.push_back(EraseFailsafe{source});
  }
  return plan;
}

void play(const Step& step, Projection& projection) {
  std::visit(Player{projection}, step);
}

}  // namespace postern::core
