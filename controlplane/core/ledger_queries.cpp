// SPDX-License-Identifier: Apache-2.0
// What the ledger can be asked. Nothing here changes it.
#include <algorithm>
#include <functional>

#include "controlplane/core/ledger.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {

const Machine* Ledger::machine(std::string_view id) const {
  const auto found = machines_.find(folded(id));
  return found == machines_.end() ? nullptr : &found->second;
}

const Policy* Ledger::policy(const PolicyId& id) const {
  const auto found = policies_.find(id.key());
  return found == policies_.end() ? nullptr : &found->second;
}

const Switch* Ledger::switched_off(const PolicyId& policy) const {
  for (const auto& key : {std::string(), folded(policy.subscription)}) {
    if (const auto found = switches_.find(key); found != switches_.end() && !found->second.enforcing) return &found->second;
  }
  return nullptr;
}

const Token* Ledger::token_by_hash(const std::string& hash) const {
  const auto found = tokens_by_hash_.find(hash);
  return found == tokens_by_hash_.end() ? nullptr : &tokens_.at(found->second);
}

std::vector<const Policy*> Ledger::policies_naming(std::string_view machine_id) const {
  std::vector<const Policy*> result;
  const auto naming = naming_.find(folded(machine_id));
  if (naming == naming_.end()) return result;
  for (const auto& key : naming->second) result.push_back(&policies_.at(key));
  return result;
}

std::vector<std::uint64_t> Ledger::requests_of(const Policy& policy) const {
  std::vector<std::uint64_t> result;
  const auto found = requests_of_.find(policy.id.key());
  if (found == requests_of_.end()) return result;
  std::copy_if(found->second.begin(), found->second.end(), std::back_inserter(result),
               [&](std::uint64_t id) { return requests_.at(id).policy_generation == policy.generation; });
  return result;
}

const Request* Ledger::repeat_of(const std::string& requestor, const std::string& client_request_id,
                                 const std::string& body_digest, const std::string& policy_key,
                                 UtcTime not_before) const {
  if (client_request_id.empty()) return nullptr;
  const auto [first, last] = by_client_id_.equal_range(client_request_id);
  for (auto candidate = first; candidate != last; ++candidate) {
    const auto& earlier = requests_.at(candidate->second);
    if (earlier.requestor != requestor || earlier.body_digest != body_digest || earlier.start < not_before) continue;
    const auto* its_policy = policy(earlier.policy);
    if (!its_policy || its_policy->generation != earlier.policy_generation) continue;
    if (!policy_key.empty() && earlier.policy.key() != policy_key) continue;
    const auto& serials = grants_of(earlier.id);
    const bool taken_back = std::any_of(serials.begin(), serials.end(), [&](std::uint64_t serial) {
      return grant(serial)->end_reason == EndReason::taken_back;
    });
    if (!taken_back) return &earlier;
  }
  return nullptr;
}

const Grant* Ledger::grant(std::uint64_t serial) const {
  const auto found = grants_.find(serial);
  return found == grants_.end() ? nullptr : &found->second.grant;
}

std::optional<BootTime> Ledger::deadline(std::uint64_t serial) const {
  if (standing_.contains(serial)) return BootTime::max();
  const auto found = grants_.find(serial);
  return found == grants_.end() ? std::nullopt : found->second.deadline;
}

std::optional<std::pair<const Machine*, std::uint16_t>> Ledger::behind(const ServiceKey& service) const {
  for (const auto& [key, machine] : machines_) {
    for (const auto& forward : machine.forwards) {
      const auto services = services_of(machine, forward.machine_port, forward.protocol);
      const bool leads = forward.address == service.address.address && forward.port == service.port &&
                         std::find(services.begin(), services.end(), service) != services.end();
      if (leads) return std::pair(&machine, forward.machine_port);
    }
    const auto& addresses = machine.addresses;
    if (std::find(addresses.begin(), addresses.end(), service.address) != addresses.end())
      return std::pair(&machine, service.port);
  }
  return std::nullopt;
}

std::vector<const Grant*> Ledger::unended_under(const Policy& policy) const {
  std::vector<const Grant*> result;
  for (const auto id : requests_of(policy)) {
    for (const auto serial : grants_of(id)) {
      const auto* found = grant(serial);
      if (found->state != GrantState::ended) result.push_back(found);
    }
  }
  return result;
}

std::vector<const Grant*> Ledger::live_on(std::string_view machine_id) const {
  std::vector<const Grant*> result;
  const auto found = live_on_.find(folded(machine_id));
  if (found == live_on_.end()) return result;
  for (const auto serial : found->second) result.push_back(grant(serial));
  return result;
}

std::vector<const Grant*> Ledger::live_twins(const std::string& requestor, const Grant& grant) const {
  std::vector<const Grant*> result;
  const auto [first, last] = live_by_holder_.equal_range(holder(requestor, grant));
  for (auto candidate = first; candidate != last; ++candidate) {
    const auto* other = this->grant(candidate->second);
    if (other->serial == grant.serial || request(other->request).requestor != requestor) continue;
    if (!same_folded(other->machine_id, grant.machine_id) || other->port != grant.port) continue;
    if (other->sources != grant.sources) continue;
    result.push_back(other);
  }
  std::sort(result.begin(), result.end(), [](const Grant* a, const Grant* b) { return a->serial < b->serial; });
  return result;
}

std::vector<const Grant*> Ledger::neighbours(const Grant& grant) const {
  std::vector<const Grant*> result;
  const auto found = grants_at_.find({folded(grant.machine_id), grant.port});
  if (found == grants_at_.end()) return result;
  for (const auto serial : found->second) {
    const auto& other = grants_.at(serial).grant;
    if (other.boot_id.empty()) continue;  // it let nobody in
    if (serial != grant.serial && overlap(other.protocol, grant.protocol) && overlap(other.sources, grant.sources))
      result.push_back(&other);
  }
  return result;
}

std::vector<std::uint64_t> Ledger::due(BootTime now, std::size_t at_most) const {
  std::vector<std::uint64_t> serials;
  for (const auto& [deadline, serial] : due_) {
    if (deadline > now || serials.size() >= at_most) break;
    serials.push_back(serial);
  }
  return serials;
}

std::pair<std::size_t, std::size_t> Ledger::waiting(const std::string& requestor, const PolicyId& policy) const {
  std::set<std::uint64_t> ids;
  for (const auto& [time, id] : pending_) ids.insert(id);
  for (const auto& [time, serial] : coming_) ids.insert(grants_.at(serial).grant.request);
  std::pair<std::size_t, std::size_t> count{0, 0};
  for (const auto id : ids) {
    const auto& waits = request(id);
    count.first += folded(waits.requestor) == folded(requestor);
    count.second += waits.policy.key() == policy.key();
  }
  return count;
}

std::set<std::string> Ledger::machines_of(const ChangeSet& change) const {
  std::set<std::string> keys;
  const auto add_old = [&](const PolicyId& id) {
    if (const auto* old = policy(id)) {
      for (const auto& machine : old->machines) keys.insert(folded(machine.machine_id));
    }
  };
  for (const auto& machine : change.put_machines) keys.insert(folded(machine.id));
  for (const auto& id : change.erase_machines) keys.insert(folded(id));
  for (const auto& id : change.erase_policies) add_old(id);
  for (const auto& policy : change.put_policies) {
    add_old(policy.id);
    for (const auto& machine : policy.machines) keys.insert(folded(machine.machine_id));
  }
  return keys;
}

std::map<ServiceKey, Mode> Ledger::guarded_services(const std::string& machine_key, const Machine& machine) const {
  std::map<ServiceKey, Mode> guarded;
  for (const auto* policy : policies_naming(machine_key)) {
    for (const auto& named : policy->machines) {
      if (!same_folded(named.machine_id, machine_key)) continue;
      for (const auto& rule : named.ports) {
        for (const auto& service : services_of(machine, rule.number, rule.protocol)) {
          auto& mode = guarded.try_emplace(service, Mode::monitor).first->second;
          if (mode_in_force(*policy) == Mode::enforce) mode = Mode::enforce;
        }
      }
    }
  }
  return guarded;
}

std::size_t Ledger::holder(const std::string& requestor, const Grant& grant) const {
  std::string bytes = requestor + '\0' + folded(grant.machine_id) + '\0' + std::to_string(grant.port);
  for (const auto& source : grant.sources) {
    const auto prefix = source.prefix.value_or(Prefix{});
    bytes += static_cast<char>(prefix.length);
    bytes.append(prefix.address.bytes.begin(), prefix.address.bytes.end());
  }
  return std::hash<std::string>()(bytes);
}

}  // namespace postern::core
