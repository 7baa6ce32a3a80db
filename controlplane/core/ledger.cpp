// SPDX-License-Identifier: Apache-2.0
// How changes come into the ledger and go out of it again. Questions are answered in ledger_queries.cpp.
#include "controlplane/core/ledger.hpp"

#include <algorithm>

namespace postern::core {
namespace {

// The one of these that has this key before the change, for the way back.
template <class Map, class Value>
void remember(const Map& map, const std::string& key, std::vector<Value>& before) {
  if (const auto found = map.find(key); found != map.end()) before.push_back(found->second);
}

// The time is set when the request is made, and never changed.
std::pair<UtcTime, std::uint64_t> lapse_of(const Request& request) {
  return {request.answer_by.value_or(request.start), request.id};
}

}  // namespace

void Ledger::load(Snapshot snapshot, Timeline timeline) {
  *this = Ledger();
  timeline_ = std::move(timeline);
  services_.note_touched(false);  // whoever loads compares everything
  ChangeSet catalog;
  catalog.put_machines = std::move(snapshot.machines);
  catalog.put_policies = std::move(snapshot.policies);
  catalog.put_tokens = std::move(snapshot.tokens);
  catalog.put_switches = std::move(snapshot.switches);
  catalog.put_armings = std::move(snapshot.armings);
  catalog.put_uses = std::move(snapshot.uses);
  apply(catalog);
  grants_of_.reserve(snapshot.requests.size());
  by_client_id_.reserve(snapshot.requests.size());
  grants_.reserve(snapshot.grants.size());
  live_by_holder_.reserve(snapshot.grants.size());
  for (auto& request : snapshot.requests) put_request(std::move(request));
  for (auto& grant : snapshot.grants) put_grant(std::move(grant));
  services_.note_touched(true);
}

Undo Ledger::apply(const ChangeSet& change) {
  Undo undo;
  const auto affected = machines_of(change);
  for (const auto& key : affected) leave(key);
  put_machines_and_policies(change, undo);
  put_switches(change, undo);
  for (const auto& key : affected) enter(key);
  if (!change.put_switches.empty()) {
    for (const auto& [key, policies] : naming_) {
      if (!affected.contains(key)) follow_switches(key);
    }
  }

  for (const auto& token : change.put_tokens) {
    remember(tokens_, token.id, undo.before.put_tokens);
    if (!tokens_.contains(token.id)) undo.before.erase_tokens.push_back(token.id);
    put_token(token);
  }
  for (const auto& id : change.erase_tokens) {
    remember(tokens_, id, undo.before.put_tokens);
    erase_token(id);
  }
  for (const auto& request : change.put_requests) {
    if (requests_.contains(request.id)) {
      undo.before.put_requests.push_back(requests_.at(request.id));
    } else {
      undo.new_requests.push_back(request.id);
    }
    put_request(request);
  }
  for (const auto& grant : change.put_grants) {
    if (const auto* before = this->grant(grant.serial)) {
      undo.before.put_grants.push_back(*before);
    } else {
      undo.new_grants.push_back(grant.serial);
    }
    put_grant(grant);
  }
  put_break_glass(change, undo);
  return undo;
}

void Ledger::put_break_glass(const ChangeSet& change, Undo& undo) {
  for (const auto& arming : change.put_armings) {
    const auto [found, is_new] = armings_.try_emplace(arming.id);
    if (is_new) undo.new_armings.push_back(arming.id);
    if (!is_new) undo.before.put_armings.push_back(found->second);
    found->second = arming;
  }
  for (const auto& use : change.put_uses) {
    const auto [found, is_new] = uses_.try_emplace(use.request);
    if (is_new) undo.new_uses.push_back(use.request);
    if (!is_new) undo.before.put_uses.push_back(found->second);
    found->second = use;
  }
}

void Ledger::revert(const Undo& undo) {
  for (const auto id : undo.new_armings) armings_.erase(id);
  for (const auto request : undo.new_uses) uses_.erase(request);
  for (const auto serial : undo.new_grants) forget_grant(serial);
  for (const auto id : undo.new_requests) forget_request(id);
  apply(undo.before);
}

void Ledger::put_machines_and_policies(const ChangeSet& change, Undo& undo) {
  for (const auto& machine : change.put_machines) {
    const auto key = folded(machine.id);
    remember(machines_, key, undo.before.put_machines);
    if (!machines_.contains(key)) undo.before.erase_machines.push_back(machine.id);
    machines_[key] = machine;
  }
  for (const auto& id : change.erase_machines) {
    remember(machines_, folded(id), undo.before.put_machines);
    machines_.erase(folded(id));
  }
  for (const auto& policy : change.put_policies) {
    remember(policies_, policy.id.key(), undo.before.put_policies);
    if (!policies_.contains(policy.id.key())) undo.before.erase_policies.push_back(policy.id);
    put_policy(policy);
  }
  for (const auto& id : change.erase_policies) {
    remember(policies_, id.key(), undo.before.put_policies);
    erase_policy(id);
  }
}

void Ledger::put_switches(const ChangeSet& change, Undo& undo) {
  for (const auto& put : change.put_switches) {
    const auto key = folded(put.subscription);
    const auto before = switches_.find(key);
    undo.before.put_switches.push_back(before == switches_.end() ? Switch{put.subscription, true, "", "", {}} : before->second);
    switches_[key] = put;
  }
}

void Ledger::leave(const std::string& machine_key) {
  if (const auto live = live_on_.find(machine_key); live != live_on_.end()) {
    for (const auto serial : live->second) withdraw(grants_.at(serial));
  }
  withdraw_standing(machine_key);
  const auto guarded = guarded_.find(machine_key);
  if (guarded == guarded_.end()) return;
  for (const auto& [service, mode] : guarded->second) services_.release(service, mode);
  guarded_.erase(guarded);
}

void Ledger::follow_switches(const std::string& machine_key) {
  const auto* found = machine(machine_key);
  if (!found) return;
  auto& guarded = guarded_[machine_key];
  auto next = guarded_services(machine_key, *found);
  for (const auto& [service, mode] : next) {
    if (guarded.at(service) == mode) continue;
    services_.guard(service, mode);
    services_.release(service, guarded.at(service));
  }
  guarded = std::move(next);
}

void Ledger::enter(const std::string& machine_key) {
  const auto* found = machine(machine_key);
  if (!found) return;
  auto guarded = guarded_services(machine_key, *found);
  for (const auto* policy : policies_naming(machine_key)) {
    for (const auto& named : policy->machines) {
      if (folded(named.machine_id) != machine_key) continue;
      for (const auto& rule : named.ports) claim_standing(machine_key, *found, rule);
    }
  }
  for (const auto& [service, mode] : guarded) services_.guard(service, mode);
  if (!guarded.empty()) guarded_[machine_key] = std::move(guarded);
  if (const auto live = live_on_.find(machine_key); live != live_on_.end()) {
    for (const auto serial : live->second) claim(grants_.at(serial));
  }
}

void Ledger::claim_standing(const std::string& machine_key, const Machine& machine, const PortRule& rule) {
  for (const auto& service : services_of(machine, rule.number, rule.protocol)) {
    for (const auto& source : sources_for(service, rule.standing)) {
      const Claim claim{BootTime::max(), rule.standing_serial, true};
      services_.claim(service, source, claim);
      standing_claims_[machine_key].push_back({service, source, claim});
    }
  }
}

void Ledger::withdraw_standing(const std::string& machine_key) {
  const auto claims = standing_claims_.find(machine_key);
  if (claims == standing_claims_.end()) return;
  for (const auto& [service, source, claim] : claims->second) services_.withdraw(service, source, claim);
  standing_claims_.erase(claims);
}

void Ledger::put_policy(const Policy& policy) {
  erase_policy(policy.id);
  for (const auto& machine : policy.machines) {
    naming_[folded(machine.machine_id)].insert(policy.id.key());
    for (const auto& rule : machine.ports) {
      if (rule.standing.empty()) continue;
      standing_[rule.standing_serial] = {policy.id, machine.machine_id, rule};
      services_.touch_grant(rule.standing_serial);
    }
  }
  policies_[policy.id.key()] = policy;
}

void Ledger::erase_policy(const PolicyId& id) {
  const auto found = policies_.find(id.key());
  if (found == policies_.end()) return;
  for (const auto& machine : found->second.machines) {
    const auto naming = naming_.find(folded(machine.machine_id));
    naming->second.erase(id.key());
    if (naming->second.empty()) naming_.erase(naming);
    for (const auto& rule : machine.ports) {
      if (standing_.erase(rule.standing_serial) > 0) services_.touch_grant(rule.standing_serial);
    }
  }
  policies_.erase(found);
}

void Ledger::put_token(const Token& token) {
  erase_token(token.id);
  tokens_[token.id] = token;
  tokens_by_hash_[token.hash] = token.id;
}

void Ledger::erase_token(const std::string& id) {
  const auto found = tokens_.find(id);
  if (found == tokens_.end()) return;
  tokens_by_hash_.erase(found->second.hash);
  tokens_.erase(found);
}

// Ids rise: what is new stands at the end.
void Ledger::put_request(Request request) {
  const auto id = request.id;
  const auto known = requests_.size();
  const auto& held = requests_.insert_or_assign(requests_.end(), id, std::move(request))->second;
  if (requests_.size() == known) return;
  grants_of_[id];
  auto& of_policy = requests_of_[held.policy.key()];
  of_policy.insert(of_policy.end(), id);
  if (!held.client_request_id.empty()) by_client_id_.emplace(held.client_request_id, id);
}

void Ledger::forget_request(std::uint64_t id) {
  const auto found = requests_.find(id);
  const auto of_policy = requests_of_.find(found->second.policy.key());
  of_policy->second.erase(id);
  if (of_policy->second.empty()) requests_of_.erase(of_policy);
  const auto [first, last] = by_client_id_.equal_range(found->second.client_request_id);
  for (auto candidate = first; candidate != last; ++candidate) {
    if (candidate->second == id) {
      by_client_id_.erase(candidate);
      break;
    }
  }
  grants_of_.erase(id);
  requests_.erase(found);
}

void Ledger::put_grant(Grant grant) {
  auto [found, is_new] = grants_.try_emplace(grant.serial);
  if (is_new) {
    auto& siblings = grants_of_.at(grant.request);
    siblings.insert(std::upper_bound(siblings.begin(), siblings.end(), grant.serial), grant.serial);
    auto& at = grants_at_[{folded(grant.machine_id), grant.port}];
    at.insert(at.end(), grant.serial);
  } else {
    unindex(found->second);
  }
  found->second.grant = std::move(grant);
  index(found->second);
}

void Ledger::forget_grant(std::uint64_t serial) {
  const auto found = grants_.find(serial);
  unindex(found->second);
  const auto& grant = found->second.grant;
  std::erase(grants_of_.at(grant.request), serial);
  const auto neighbours = grants_at_.find({folded(grant.machine_id), grant.port});
  neighbours->second.erase(serial);
  if (neighbours->second.empty()) grants_at_.erase(neighbours);
  grants_.erase(found);
}

void Ledger::index(HeldGrant& held) {
  const auto& grant = held.grant;
  services_.touch_grant(grant.serial);
  if (grant.state == GrantState::ended) ended_.insert({grant.ended_at.value_or(grant.end), grant.serial});
  if (grant.state == GrantState::scheduled) coming_.insert({grant.start, grant.serial});
  if (grant.state == GrantState::pending) pending_.insert(lapse_of(request(grant.request)));
  if (grant.state != GrantState::live) return;
  held.deadline = timeline_.deadline_of(grant);
  auto& live = live_on_[folded(grant.machine_id)];
  live.insert(live.end(), grant.serial);
  live_by_holder_.emplace(holder(request(grant.request).requestor, grant), grant.serial);
  if (held.deadline) due_.insert(due_.end(), {*held.deadline, grant.serial});
  claim(held);
}

void Ledger::unindex(HeldGrant& held) {
  const auto& grant = held.grant;
  services_.touch_grant(grant.serial);
  if (grant.state == GrantState::ended) ended_.erase({grant.ended_at.value_or(grant.end), grant.serial});
  if (grant.state == GrantState::scheduled) coming_.erase({grant.start, grant.serial});
  if (grant.state == GrantState::pending) pending_.erase(lapse_of(request(grant.request)));  // all its grants leave it together
  if (grant.state != GrantState::live) return;
  withdraw(held);
  if (held.deadline) due_.erase({*held.deadline, grant.serial});
  held.deadline.reset();
  const auto live = live_on_.find(folded(grant.machine_id));
  live->second.erase(grant.serial);
  if (live->second.empty()) live_on_.erase(live);
  const auto [first, last] = live_by_holder_.equal_range(holder(request(grant.request).requestor, grant));
  live_by_holder_.erase(std::find_if(first, last, [&](const auto& each) { return each.second == grant.serial; }));
}

void Ledger::claim(const HeldGrant& held) {
  const auto* found = machine(held.grant.machine_id);
  if (!found || !held.deadline) return;
  for (const auto& service : services_of(*found, held.grant.port, held.grant.protocol)) {
    for (const auto& source : sources_for(service, held.grant.sources)) {
      services_.claim(service, source, {*held.deadline, held.grant.serial});
    }
  }
}

void Ledger::withdraw(const HeldGrant& held) {
  const auto* found = machine(held.grant.machine_id);
  if (!found || !held.deadline) return;
  for (const auto& service : services_of(*found, held.grant.port, held.grant.protocol)) {
    for (const auto& source : sources_for(service, held.grant.sources)) {
      services_.withdraw(service, source, {*held.deadline, held.grant.serial});
    }
  }
}

void Ledger::set_timeline(Timeline timeline) {
  timeline_ = std::move(timeline);
  for (auto& [key, serials] : live_on_) {
    for (const auto serial : serials) {
      auto& held = grants_.at(serial);
      const auto deadline = timeline_.deadline_of(held.grant);
      if (deadline == held.deadline) continue;
      withdraw(held);
      if (held.deadline) due_.erase({*held.deadline, serial});
      held.deadline = deadline;
      if (deadline) due_.insert({*deadline, serial});
      claim(held);
      services_.touch_grant(serial);
    }
  }
}

void Ledger::forget_ended_before(UtcTime time) {
  while (!ended_.empty() && ended_.begin()->first < time) {
    const auto serial = ended_.begin()->second;
    const auto request = grants_.at(serial).grant.request;
    forget_grant(serial);
    if (grants_of_.at(request).empty()) forget_request(request);
  }
}

}  // namespace postern::core
