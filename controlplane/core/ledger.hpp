// SPDX-License-Identifier: Apache-2.0
// The state in memory: what the store holds, with the indexes that keep a request's cost independent of how many
// grants are live. Changes come as the change sets that the store writes too, and can be taken back exactly (Undo)
// if the store refuses them. Decides nothing, writes nothing.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "controlplane/core/ports.hpp"
#include "controlplane/core/services.hpp"
#include "controlplane/core/timeline.hpp"

namespace postern::core {

// What takes a change back: the values that were there before, and the keys that were not.
struct Undo {
  ChangeSet before;
  std::vector<std::uint64_t> new_requests, new_grants, new_armings, new_uses;
};

class Ledger {
 public:
  void load(Snapshot snapshot, Timeline timeline);
  Undo apply(const ChangeSet& change);
  void revert(const Undo& undo);
  void set_timeline(Timeline timeline);  // recomputes every deadline
  const Timeline& timeline() const { return timeline_; }

  const std::map<std::string, Machine>& machines() const { return machines_; }  // by folded id
  const std::map<std::string, Policy>& policies() const { return policies_; }   // by PolicyId::key()
  const std::map<std::string, Token>& tokens() const { return tokens_; }        // by id
  const std::map<std::string, Switch>& switches() const { return switches_; }   // by folded subscription; "": global
  // The one that turns the policy off: the global before its subscription's. Null: none.
  const Switch* switched_off(const PolicyId& policy) const;
  Mode mode_in_force(const Policy& policy) const { return switched_off(policy.id) ? Mode::monitor : policy.mode; }
  const std::map<std::uint64_t, Arming>& armings() const { return armings_; }   // by id
  const std::map<std::uint64_t, BreakGlassUse>& uses() const { return uses_; }  // by request
  const Machine* machine(std::string_view id) const;
  const Policy* policy(const PolicyId& id) const;
  const Token* token_by_hash(const std::string& hash) const;
  std::vector<const Policy*> policies_naming(std::string_view machine_id) const;

  const Request& request(std::uint64_t id) const { return requests_.at(id); }
  const std::map<std::uint64_t, Request>& requests() const { return requests_; }
  const std::vector<std::uint64_t>& grants_of(std::uint64_t request) const { return grants_of_.at(request); }
  std::vector<std::uint64_t> requests_of(const Policy& policy) const;  // of this generation of it, oldest first
  // An accepted request of this person with this client request id and body; `policy` empty: of any policy.
  const Request* repeat_of(const std::string& requestor, const std::string& client_request_id,
                           const std::string& body_digest, const std::string& policy_key, UtcTime not_before) const;

  const Grant* grant(std::uint64_t serial) const;
  // Of a live grant whose clock is believed; BootTime::max() of a standing rule.
  std::optional<BootTime> deadline(std::uint64_t serial) const;
  const std::map<std::uint64_t, StandingRule>& standing() const { return standing_; }  // by serial
  // The machine that packets to this service reach, and its port.
  std::optional<std::pair<const Machine*, std::uint16_t>> behind(const ServiceKey& service) const;
  // Of the machine, by serial.
  std::vector<const Grant*> live_on(std::string_view machine_id) const;
  std::vector<const Grant*> unended_under(const Policy& policy) const;  // that are live, or wait to be
  // Live grants of this person on the machine's port with the same set of sources.
  std::vector<const Grant*> live_twins(const std::string& requestor, const Grant& grant) const;
  // Other grants of the machine's port that run or ran, and have a source and a protocol in common with this one, by serial.
  std::vector<const Grant*> neighbours(const Grant& grant) const;
  std::vector<std::uint64_t> due(BootTime now, std::size_t at_most) const;
  // All live grants whose clock is believed, by deadline.
  const std::set<std::pair<BootTime, std::uint64_t>>& by_deadline() const { return due_; }

  const std::set<std::pair<UtcTime, std::uint64_t>>& by_start() const { return coming_; }   // scheduled grants
  const std::set<std::pair<UtcTime, std::uint64_t>>& by_lapse() const { return pending_; }  // requests that wait for an answer
  // Requests of this person (no case), and under this policy, that wait: for an answer or for their start.
  std::pair<std::size_t, std::size_t> waiting(const std::string& requestor, const PolicyId& policy) const;

  Services& services() { return services_; }
  const Services& services() const { return services_; }

  // Drops grants that ended before this, and requests that have none left.
  void forget_ended_before(UtcTime time);

 private:
  struct HeldGrant {
    Grant grant;
    std::optional<BootTime> deadline;
  };

  void leave(const std::string& machine_key);  // takes a machine's services and claims out of the index …
  void enter(const std::string& machine_key);  // … and puts them in as machine and policies now are
  std::set<std::string> machines_of(const ChangeSet& change) const;
  std::map<ServiceKey, Mode> guarded_services(const std::string& machine_key, const Machine& machine) const;
  void put_switches(const ChangeSet& change, Undo& undo);
  void follow_switches(const std::string& machine_key);  // its services' modes; whoever is admitted is not looked at
  void put_machines_and_policies(const ChangeSet& change, Undo& undo);
  void put_policy(const Policy& policy);
  void erase_policy(const PolicyId& id);
  void claim_standing(const std::string& machine_key, const Machine& machine, const PortRule& rule);
  void withdraw_standing(const std::string& machine_key);
  void put_break_glass(const ChangeSet& change, Undo& undo);
  void put_token(const Token& token);
  void erase_token(const std::string& id);
  void put_request(Request request);
  void forget_request(std::uint64_t id);
  void put_grant(Grant grant);
  void forget_grant(std::uint64_t serial);
  void index(HeldGrant& held);
  void unindex(HeldGrant& held);
  void claim(const HeldGrant& held);
  void withdraw(const HeldGrant& held);
  std::size_t holder(const std::string& requestor, const Grant& grant) const;

  Timeline timeline_;
  std::map<std::string, Machine> machines_;
  std::map<std::string, Policy> policies_;
  std::map<std::string, Switch> switches_;
  std::map<std::string, std::set<std::string>> naming_;  // machine → policies
  std::map<std::string, Token> tokens_;
  std::unordered_map<std::string, std::string> tokens_by_hash_;
  std::map<std::uint64_t, Arming> armings_;
  std::map<std::uint64_t, BreakGlassUse> uses_;
  std::map<std::uint64_t, Request> requests_;
  std::unordered_map<std::uint64_t, std::vector<std::uint64_t>> grants_of_;
  std::map<std::string, std::set<std::uint64_t>> requests_of_;  // policy → requests
  std::unordered_multimap<std::string, std::uint64_t> by_client_id_;
  std::unordered_map<std::uint64_t, HeldGrant> grants_;
  std::map<std::string, std::set<std::uint64_t>> live_on_;  // machine → live grants
  std::map<std::pair<std::string, std::uint16_t>, std::set<std::uint64_t>> grants_at_;  // machine, port → grants
  std::unordered_multimap<std::size_t, std::uint64_t> live_by_holder_;
  std::set<std::pair<BootTime, std::uint64_t>> due_;
  std::set<std::pair<UtcTime, std::uint64_t>> ended_, coming_, pending_;
  std::map<std::string, std::map<ServiceKey, Mode>> guarded_;  // machine → its services
  std::map<std::uint64_t, StandingRule> standing_;
  struct StandingClaim {
    ServiceKey service;
    Prefix source;
    Claim claim;
  };
  std::map<std::string, std::vector<StandingClaim>> standing_claims_;  // machine → what its rules claim
  Services services_;
};

}  // namespace postern::core
