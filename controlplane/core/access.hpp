// SPDX-License-Identifier: Apache-2.0
// What the adapters call: drafts come in as text (decoders find wrong JSON types only), the core parses, judges,
// records, opens and answers. Every decision is authorised and audited here, so no adapter can forget to.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/model.hpp"
#include "controlplane/core/ports.hpp"
#include "controlplane/core/review.hpp"
#include "controlplane/core/trail.hpp"

namespace postern::core {

// A body as decoded: every scalar as text, absent if absent or null. `unreadable` is set when it is no JSON, no
// object or lacks its main member (InvalidRequestContent); `faults` are wrong types, with their places. Places
// (`target`) of the core's own faults follow the Azure-compatible bodies: "properties.virtualMachines[0].ports[1]
// .number" of a policy, "virtualMachines[0].ports[1].endTimeUtc" of a request; members' own names elsewhere.
struct DraftFaults {
  std::optional<std::string> unreadable;
  std::vector<Fault> faults;
};

struct PortDraft {
  std::optional<std::string> number, protocol, max_duration, end_time, duration, ending, max_session, justification, approval;
  std::optional<std::string> source;                // allowedSourceAddressPrefix
  std::optional<std::vector<std::string>> sources;  // allowedSourceAddressPrefixes; empty counts as absent
  std::optional<std::vector<std::string>> standing;  // standingSources; empty: none
};

struct PolicyMachineDraft {
  std::optional<std::string> id, public_ip_address;
  std::vector<PortDraft> ports;
};

struct PolicyDraft : DraftFaults {
  std::optional<std::string> kind, mode;
  std::vector<PolicyMachineDraft> machines;
};

struct AccessDraft : DraftFaults {
  std::vector<PolicyMachineDraft> machines;  // of a port: number, end_time or duration, source(s)
  std::optional<std::string> justification;
  std::optional<std::string> start;  // to come; left out: at once
  bool break_glass = false;  // past the rules, for who is armed
};

struct RevocationDraft : DraftFaults {
  std::optional<std::string> ending;  // overrules the rule's
};

struct ExtensionDraft : DraftFaults {
  std::optional<std::string> duration, end_time;  // one of them; a duration counts from now
};

struct DenialDraft : DraftFaults {
  std::optional<std::string> reason;
};

struct ForwardDraft {
  std::optional<std::string> address, port, protocol, machine_port;
};

struct MachineDraft : DraftFaults {
  std::optional<std::string> name, id, os;  // id left out: made from the settings' subscription and group and the name
  std::vector<std::string> addresses;
  std::vector<ForwardDraft> forwards;
  std::optional<std::string> excluded = {};  // the reason; empty takes an exclusion back, left out keeps what was
};

inline constexpr std::size_t inventory_machines_max = 5000;
struct InventoryDraft : DraftFaults {
  std::vector<MachineDraft> machines;  // places of their faults are the machine's own: "addresses[0]"
};

// Machines by name or id; `preset`: "default" (by operating system) or "recommended", none where `ports` says it.
struct EnableDraft : DraftFaults {
  std::vector<std::string> machines;
  std::optional<std::string> preset;
  std::vector<PortDraft> ports;  // places of their faults are ours: "ports[0].number"
  std::optional<std::string> mode;
};

struct DisableDraft : DraftFaults {
  std::vector<std::string> machines;
};

struct SwitchDraft : DraftFaults {
  std::optional<bool> enforcing;
  std::optional<std::string> reason;
};

struct TokenDraft : DraftFaults {
  std::optional<std::string> principal, role, scope, duration;  // scope: "/" if left out; duration: no end if left out
  struct Given {
    std::optional<std::string> role, scope;
  };
  std::optional<std::vector<Given>> assignments;  // in place of role and scope
};

struct ArmingDraft : DraftFaults {
  std::optional<std::string> principal, scope, duration, grant_max, reason;  // scope: "/"; grant_max: PT1H, if left out
};

struct ReviewDraft : DraftFaults {
  std::optional<std::string> note;
};

struct ArmingView {
  Arming arming;
  bool armed = false;
  std::vector<BreakGlassUse> uses;
};

struct RoleView {
  Role role;
  bool built_in = false;
};

struct ProbeDraft {
  std::optional<std::string> source;  // left out: the caller's own address
  std::optional<std::string> destination, port, protocol, source_port, flags, at;
};

// What to dial for a machine's port: an address of its own (a block: one of it), or a public one that is forwarded.
struct Endpoint {
  Prefix address;
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  bool forward = false;
};

// A request with the grants it brought, as `get`, `list` and `initiate` show it.
struct RequestView {
  Request request;
  std::vector<Grant> grants;
  std::map<std::uint64_t, std::uint16_t> mapped_ports;  // by serial: public port of a forward to the grant's port
  std::map<std::uint64_t, std::vector<Endpoint>> endpoints = {};  // by serial
  bool break_glass = false;
};

// Of all its grants: what is still to come of it, if anything.
GrantState state_of(const RequestView& view);

struct PolicyView {
  Policy policy;
  std::vector<RequestView> requests;
};

struct MachineView {
  Machine machine;
  std::string state;                // "configured", "not_configured", "unsupported"
  std::string reason;               // of unsupported, or why some of its addresses are: what to do
  std::vector<PolicyId> policies;   // that guard it
  std::vector<PortRule> ports;      // union of their rules
  bool recommended = false;         // to be guarded: it was seen answering without; the reason says where
};

struct ConnectionPort {
  std::uint16_t number = 0;
  Protocol protocol = Protocol::tcp;
  std::vector<Endpoint> endpoints;            // forwards first
  std::optional<std::uint64_t> grant;         // the caller's, running; of several the one that ends last
};

struct ConnectionView {
  Machine machine;
  std::vector<ConnectionPort> ports;  // that policies guard
  std::map<std::uint64_t, std::pair<Grant, Request>> grants;  // by serial
};

// By whom an unguarded port was seen answered: nobody beyond its own /24 or /64; private sources; others.
enum class Severity : std::uint8_t { low, medium, high };
std::string_view wire_name(Severity severity);

struct ExposurePeer {
  Address address;
  UtcTime first{}, last{};
  std::uint64_t count = 0;
};

struct ExposedService {
  Address address;
  std::uint16_t port = 0;
  Severity severity = Severity::low;
  UtcTime first{}, last{};
  std::uint64_t count = 0;          // answers to connections that were begun
  std::vector<ExposurePeer> peers;  // the latest, newest first
};

// Of a machine; of an address that no machine has if `machine_id` is empty.
struct ExposureView {
  std::string machine_id, machine_name;
  Severity severity = Severity::low;
  std::vector<ExposedService> services;
};

struct GrantUsage {
  std::uint64_t admitted = 0, established = 0;  // connections it let in so far, and has now
  std::optional<UtcTime> last_admitted;
};

// What a revocation cut: the connections that these grants let in. Who shares their sources cannot be told apart on the
// wire. Connections that no grant let in (adopted, learned, opened by the machine) it never reaches.
struct CutReach {
  struct Other {
    std::uint64_t serial = 0;
    std::string requestor;  // empty: a standing rule
  };
  std::vector<std::uint64_t> grants;     // of one person
  std::vector<std::uint64_t> forgotten;  // the same, but the gate has no record of them: what is open still lives on
  std::vector<Other> covered_by;         // live: what they cover lives on under them
  // Ended: connections they let in may be among those that were cut, and others may live on.
  std::vector<Other> may_include;
  bool enforced = true;  // otherwise nothing is dropped there, and all lives on
};

struct GrantView {
  Grant grant;
  Request request;
  std::optional<GrantUsage> usage;  // of a live grant; none while there is no gate
  std::optional<CutReach> cut = {};  // of a revocation; without what the caller may not see
  bool break_glass = false;
};

struct EventView {
  NumberedEvent event;
  UtcTime time, opened;  // `opened`: of a flow
};

struct EventPage {
  std::vector<EventView> events;  // oldest first
  EventTotals totals;             // since the daemon started
  std::uint64_t last = 0;         // highest sequence there is
};

// What happened after a sequence, as far as the caller may see it.
struct EventFeed {
  std::vector<EventView> events;  // oldest first
  std::uint64_t last = 0;         // to ask after the next time
  std::uint64_t lost = 0;         // events of any kind that came before these and are not kept any more
};

// What would happen to a packet, and why.
struct Explanation {
  Probe probe;
  UtcTime at{};
  Verdict verdict;
  std::optional<ServiceKey> service;  // that the packet meets
  std::string machine_id;             // behind it
  std::uint16_t machine_port = 0;
  std::vector<const Policy*> policies = {};  // that guard it; valid until the next change
  std::optional<GrantView> grant;            // that admits, or let the flow in
  std::optional<StandingRule> standing;      // the same
  std::string hint;                          // of a drop: what is known of grants for this source
};

struct IssuedToken {
  Token token;
  std::string secret;  // shown once
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
