// SPDX-License-Identifier: Apache-2.0
// What the adapters call: drafts come in as text (decoders find wrong JSON types only), the core parses, judges,
// records, opens and answers. Every decision is authorised and audited here, so no adapter can forget to.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/draft_types.hpp"
#include "controlplane/core/model.hpp"
#include "controlplane/core/ports.hpp"
#include "controlplane/core/review.hpp"
#include "controlplane/core/trail.hpp"
#include "controlplane/core/views.hpp"

namespace postern::core {

// What initiate() takes, or request() if no policy is named.
struct AccessCall {
  Caller caller;
  std::optional<PolicyId> policy;
  AccessDraft draft;
};

struct PolicyFilter {  // empty: all
  std::string subscription, resource_group, location;
};

struct MachineFilter {  // empty: all
  std::string state;    // as MachineView has it
  std::string subscription, resource_group;
};

struct GrantFilter {
  std::string machine, requestor;  // machine: name or id
  bool include_ended = false;
  std::uint64_t after = 0;           // only of requests above this id …
  std::size_t limit = SIZE_MAX;      // … and no further request once there are so many
};

struct RequestFilter {
  std::optional<GrantState> state;
};

// Somebody whom the configuration gives rights, for the review.
struct ConfiguredUser {
  Principal principal;
  std::string by;  // "user NAME", "certificate NAME", "OIDC role VALUE"
};

struct Settings {
  std::string subscription = "00000000-0000-0000-0000-000000000000";
  std::string resource_group = "default";
  std::string location = "local";
  std::vector<Prefix> failsafe_sources;
  std::vector<ServiceKey> failsafe_services;
  std::vector<std::uint16_t> recommended_ports = {22, 3389, 5985, 5986};  // TCP; what management usually answers on
  std::chrono::seconds approval_ttl{std::chrono::hours(4)};  // how long a request waits for an answer
  std::vector<Role> roles;  // besides the built-in ones; of valid_roles()
  std::vector<ConfiguredUser> users = {};
};

// Contract of all members: called on the core's strand; success only after the store has synced and the maps hold
// the change; on failure nothing is open that was not before. Errors as the contract's order of checks says.
// Every decision leaves exactly one audit record: changes and grants, allowed or refused, and reads refused for want
// of a right. What was only read, and the repeat of an answered request, leaves none. Where the record of a refusal
// cannot be written the answer is service_unavailable.
class Gatekeeper {
 public:
  Gatekeeper(Settings settings, Clock& clock, Randomness& randomness, Store& store, Dataplane& dataplane);
  ~Gatekeeper();
  Gatekeeper(const Gatekeeper&) = delete;
  Gatekeeper& operator=(const Gatekeeper&) = delete;

  // Loads the store and reconciles the maps with it. Fails if the store cannot be read; if only the maps cannot be
  // reached, ready() says so and sweep() tries again.
  Result<void> start();
  Result<void> ready() const;
  const Settings& settings() const;
  // Other settings, from now on. Recorded as one decision (`detail`: what changes), then in the maps, which sweep() tries again
  // if they are away. On failure (CapacityExhausted, StoreFailed) all is as it was.
  Result<void> reconfigure(Settings settings, std::string detail);
  void refuse_configuration(std::string detail);  // records that one was refused, and why

  // The earliest time at which sweep() has something to do.
  std::optional<BootTime> next_deadline() const;
  void sweep();          // ends what is over, records it, tidies the maps, repairs after an error
  void clock_changed();  // recomputes all deadlines (a step of the wall clock, resume, restored snapshot)

  Result<Principal> authenticate(std::string_view token_secret);

  Result<PolicyView> get_policy(const Caller& caller, const PolicyId& id);
  Result<std::vector<PolicyView>> list_policies(const Caller& caller, const PolicyFilter& filter);
  Result<PolicyView> put_policy(const Caller& caller, const PolicyId& id, const PolicyDraft& draft);
  Result<bool> erase_policy(const Caller& caller, const PolicyId& id);  // false: there was none

  Result<RequestView> initiate(const Caller& caller, const PolicyId& id, const AccessDraft& draft);
  // Finds the one policy that covers the machines and ports (machines by name or id); several or none is a refusal.
  Result<RequestView> request(const Caller& caller, const AccessDraft& draft);
  // Somebody else than the requestor answers a request that waits; it is judged anew, and opens as a whole or not at all.
  Result<RequestView> approve(const Caller& caller, std::uint64_t request);
  Result<RequestView> deny(const Caller& caller, std::uint64_t request, const DenialDraft& draft);
  Result<RequestView> get_request(const Caller& caller, std::uint64_t request);
  Result<std::vector<RequestView>> list_requests(const Caller& caller, const RequestFilter& filter);
  // Calls that wait at the same time share one sync of the store; answered as if each had come alone, in this order. None:
  // together they could not be carried out (never, if one is break-glass), and nothing was done; ask for each by itself.
  std::optional<std::vector<Result<RequestView>>> admit_together(const std::vector<AccessCall>& calls);
  Result<std::vector<GrantView>> list_grants(const Caller& caller, const GrantFilter& filter);
  Result<std::vector<StandingRule>> list_standing(const Caller& caller, const GrantFilter& filter);
  // A grant that has ended already can still be cut: that ends its open connections. A cut that was asked for reaches
  // all that the same person's grants to the port let in from these sources, whichever of them was renewed by which.
  Result<GrantView> revoke(const Caller& caller, std::uint64_t serial, const RevocationDraft& draft = {});
  // A grant that runs gets a new end, which its rule would allow a request made now; it keeps its serial and flows.
  Result<GrantView> extend(const Caller& caller, std::uint64_t serial, const ExtensionDraft& draft);
  // POST …/{name}/revoke. Ends the caller's machines' ports named in the draft.
  Result<std::vector<GrantView>> revoke_ports(const Caller& caller, const PolicyId& id, const AccessDraft& draft);

  Result<std::vector<MachineView>> list_machines(const Caller& caller, const MachineFilter& filter = {});
  Result<MachineView> get_machine(const Caller& caller, std::string_view name_or_id);
  Result<ConnectionView> connection(const Caller& caller, std::string_view name_or_id);
  Result<MachineView> put_machine(const Caller& caller, const MachineDraft& draft);
  // All of them or none, as put_machine would one by one, but what they take from one another they may take. Machines
  // that are not named stay. At most inventory_machines_max.
  Result<std::vector<MachineView>> put_machines(const Caller& caller, const InventoryDraft& draft);
  Result<bool> erase_machine(const Caller& caller, std::string_view name_or_id);
  // All of them or none, into the policy `default` of each one's group, to which it only adds.
  Result<std::vector<MachineView>> enable_machines(const Caller& caller, const EnableDraft& draft);
  // Takes them out of every policy: their ports are no longer guarded, and their grants end.
  Result<std::vector<MachineView>> disable_machines(const Caller& caller, const DisableDraft& draft);

  // Machines that answer from recommended ports which no policy guards, the worst first.
  Result<std::vector<ExposureView>> list_exposure(const Caller& caller);

  // The global one, and those of subscriptions that were ever put.
  Result<std::vector<Switch>> list_switches(const Caller& caller);
  // `name`: "global" or a subscription. Off, policies only monitor; grants and policies stay as they are, and on again
  // they enforce as if they had just been told to.
  Result<Switch> put_switch(const Caller& caller, std::string_view name, const SwitchDraft& draft);
  std::vector<std::string> switched_off() const;  // a sentence for each one that is off, which the warnings hold too

  Result<std::vector<Token>> list_tokens(const Caller& caller);
  Result<IssuedToken> issue_token(const Caller& caller, const TokenDraft& draft);
  Result<bool> erase_token(const Caller& caller, std::string_view id);
  Result<std::vector<RoleView>> list_roles(const Caller& caller);

  // Break-glass: armed by one, used by another (request() with `break_glass`), reviewed by whoever did not use it.
  Result<ArmingView> arm(const Caller& caller, const ArmingDraft& draft);
  Result<std::vector<ArmingView>> list_break_glass(const Caller& caller);
  Result<ArmingView> disarm(const Caller& caller, std::uint64_t id, bool cut);
  Result<BreakGlassUse> review_break_glass(const Caller& caller, std::uint64_t request, const ReviewDraft& draft);

  Result<GateStatus> gate_status(const Caller& caller);
  // Status shows the sentence, in place of an earlier one about the same thing; none if empty.
  void warn(const std::string& about, std::string sentence);
  std::vector<std::string> warnings() const;  // for whoever was not refused the status, when the gate has none
  Result<Explanation> explain(const Caller& caller, const ProbeDraft& draft);  // leaves no trace in the gate
  Result<std::vector<ServiceCount>> service_counts(const Caller& caller);
  Result<EventPage> events(const Caller& caller, const EventQuery& query);
  // Of the gate for who may read it, of grants those that the caller may list; who may neither is refused.
  Result<EventFeed> follow(const Caller& caller, std::uint64_t after);
  std::uint64_t last_event() const;
  std::string event_epoch() const;  // of the sequences: another one each time the daemon starts
  EventSink& event_log();           // what is told here events() shows
  void keep_flows(FlowStore& store);  // from now on; the store must outlive this
  void write_flows();                 // to be called about once a second
  void note_push(const std::string& to, const PushCount& count);
  TrailCounts trail_counts() const;
  void keep_reviews(ReviewStore& store);
  // Of the last 90 days, if not said otherwise.
  Result<Review> review(const Caller& caller, std::optional<UtcTime> from, std::optional<UtcTime> to);
  Result<std::vector<FlowRecord>> flows(const Caller& caller, const FlowQuery& query);
  Result<std::vector<AuditRecord>> audit(const Caller& caller, const AuditQuery& query);
  Result<AuditCheck> verify_audit(const Caller& caller, const std::vector<std::string>& heads = {});

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Built-in roles: reader, requester, approver, operator, admin, auditor.
const std::vector<Role>& built_in_roles();
// By name, without regard to case; null if there is none.
const Role* find_role(std::string_view name, const std::vector<Role>& besides);
// What is wrong with roles that shall stand besides the built-in ones, all of it; places: "NAME.actions[1]".
std::vector<Fault> faults_of(const std::vector<Role>& roles);
// Whether one of the person's roles allows it there. A role that there is not grants nothing.
bool allowed(const Principal& principal, std::string_view action, std::string_view resource,
             const std::vector<Role>& besides);
bool role_allows(const Role& role, std::string_view action);
bool scope_covers(std::string_view scope, std::string_view resource);

}  // namespace postern::core
