// SPDX-License-Identifier: Apache-2.0
// See memory_store.hpp.
#include "tests/support/memory_store.hpp"

#include <algorithm>
#include <stdexcept>

namespace postern::tests {
namespace {

template <class Map>
auto values_of(const Map& map) {
  std::vector<typename Map::mapped_type> values;
  for (const auto& [key, value] : map) values.push_back(value);
  return values;
}

template <class Map>
std::uint64_t last_key(const Map& map) {
  return map.empty() ? 0 : map.rbegin()->first;
}

}  // namespace

core::Result<core::Snapshot> MemoryStore::load() {
  if (fuse_.fails()) return core::Error{core::ErrorCode::store_failed, "disk on fire", "", {}};
  std::uint64_t last_serial = last_key(content_.grants);
  last_serial = std::max(last_serial, content_.last_standing_serial);
  core::Snapshot snapshot{values_of(content_.machines), values_of(content_.policies),    values_of(content_.requests),
                          values_of(content_.grants),   values_of(content_.tokens),      last_serial,
                          last_key(content_.requests),  content_.last_policy_generation, std::nullopt,
                          values_of(content_.switches)};
  snapshot.armings = values_of(content_.armings);
  snapshot.uses = values_of(content_.uses);
  if (!content_.records.empty()) snapshot.newest_record = content_.records.back().time;  // as SQLite's store says it
  fuse_.done();
  return snapshot;
}

core::Result<void> MemoryStore::commit(const std::vector<core::ChangeSet>& changes) {
  if (fuse_.fails()) return core::Error{core::ErrorCode::store_failed, "disk full", "", {}};
  Content next = content_;
  for (const auto& change : changes) apply(change, next);
  content_ = std::move(next);
  fuse_.done();
  return {};
}

void MemoryStore::apply(const core::ChangeSet& change, Content& content) {
  for (const auto& machine : change.put_machines) content.machines[core::folded(machine.id)] = machine;
  for (const auto& id : change.erase_machines) content.machines.erase(core::folded(id));
  for (const auto& policy : change.put_policies) {
    content.policies[policy.id.key()] = policy;
    content.last_policy_generation = std::max(content.last_policy_generation, policy.generation);
    for (const auto& machine : policy.machines) {
      for (const auto& rule : machine.ports)
        content.last_standing_serial = std::max(content.last_standing_serial, rule.standing_serial);
    }
  }
  for (const auto& id : change.erase_policies) content.policies.erase(id.key());
  for (const auto& request : change.put_requests) content.requests[request.id] = request;
  for (const auto& grant : change.put_grants) {
    if (!content.requests.contains(grant.request)) throw std::logic_error("a grant without its request");
    content.grants[grant.serial] = grant;
  }
  for (const auto& each : change.put_switches) content.switches[core::folded(each.subscription)] = each;
  for (const auto& token : change.put_tokens) content.tokens[token.id] = token;
  for (const auto& id : change.erase_tokens) content.tokens.erase(id);
  for (const auto& arming : change.put_armings) content.armings[arming.id] = arming;
  for (const auto& use : change.put_uses) content.uses[use.request] = use;
  for (auto record : change.audit) {
    record.sequence = content.records.size() + 1;
    content.records.push_back(std::move(record));
  }
}

core::Result<std::vector<core::AuditRecord>> MemoryStore::audit(const core::AuditQuery& query) {
  if (unreadable) return core::Error{core::ErrorCode::store_failed, "disk on fire", "", {}};
  std::vector<core::AuditRecord> found;
  for (auto record = content_.records.rbegin(); record != content_.records.rend(); ++record) {
    if (query.before_sequence > 0 && record->sequence >= query.before_sequence) continue;
    if (record->sequence < query.from_sequence) break;
    const auto names = [&](const std::string& id) { return core::folded(id) == core::folded(query.machine); };
    if (!query.machine.empty() && std::none_of(record->machines.begin(), record->machines.end(), names)) continue;
    if ((query.from && record->time < *query.from) || (query.to && record->time >= *query.to)) continue;
    if (!query.principal.empty() && record->principal != query.principal) continue;
    if (!query.operation.empty() && record->operation != query.operation) continue;
    if (found.size() < query.limit) found.push_back(*record);
  }
  return found;
}

}  // namespace postern::tests
