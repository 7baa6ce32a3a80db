// SPDX-License-Identifier: Apache-2.0
// The inside of the gatekeeper, shared by the files that implement it (one per noun). Not for adapters.
#pragma once

#include <set>

#include "controlplane/core/access.hpp"
#include "controlplane/core/drafts.hpp"
#include "controlplane/core/exposure.hpp"
#include "controlplane/core/flow_recorder.hpp"
#include "controlplane/core/ledger.hpp"
#include "controlplane/core/projector.hpp"

namespace postern::core {

inline constexpr std::chrono::seconds clock_doubt{60};    // so much older than the newest record is not believed
inline constexpr std::chrono::minutes repeat_window{10};  // in which a repeated request gets the stored answer
inline constexpr std::chrono::hours ended_kept{7 * 24};
inline constexpr std::size_t requests_shown = 200;  // newest of a policy; running ones are always shown
inline constexpr std::size_t waiting_of_person_max = 20, waiting_of_policy_max = 200;  // requests

std::string sentence_of(const Grant& grant);  // "vm1 port 22 to 203.0.113.7 until …"

// A decision in the making: what its one audit record will say, whatever comes of it.
struct Decision {
  const Caller& caller;
  std::string operation;
  std::string policy = {};
  std::vector<std::string> machines = {};
  std::vector<std::uint64_t> grants = {};
};

// The sentence about a machine that the admin excluded.
std::string excluded_text(const Machine& machine);

std::vector<Endpoint> endpoints_of(const Machine& machine, std::uint16_t port, Protocol protocol);

// Decisions that will share one sync: in the ledger already, but neither in the store nor in the maps.
struct Together {
  struct Opening {
    std::size_t call;
    Decision decision;
    ChangeSet change;
    std::vector<Grant> replaced;  // as they were
  };
  std::size_t call = 0;  // the one that is being decided
  std::vector<ChangeSet> changes;
  std::vector<Undo> undos;  // of each change
  std::vector<GrantEvent> news;
  std::vector<Opening> openings;
  std::vector<std::size_t> repeats;  // calls that ask for what may be among them
};

struct Gatekeeper::Parts {
  Parts(Settings settings, Clock& clock, Randomness& randomness, Store& store, Dataplane& dataplane);

  // ---- deciding (deciding.cpp)
  const Role* role_of(const Assignment& assignment) const;  // null: it is gone, and grants nothing
  bool allows(const Principal& principal, std::string_view action, std::string_view resource) const;
  bool allows(const Principal& principal, std::string_view action, const Grant& grant) const;
  bool allows_anywhere(const Principal& principal, std::string_view action) const;
  // AuthorizationFailed, in ARM's words, unless the role allows the action on the resource.
  std::optional<Error> forbidden(const Caller& caller, std::string_view action, std::string_view resource) const;
  static Error lacks(const Caller& caller, std::string_view action, std::string_view resource);  // its wording
  // Nobody hands on a right that he does not hold himself, there.
  std::optional<Error> may_not_give(const Caller& caller, const std::vector<Assignment>& assignments) const;
  std::optional<Error> out_of_reach(const Caller& caller, std::string_view action,
                                    const std::vector<std::string>& scopes) const;
  std::vector<std::string> lost_roles() const;  // sentences about tokens whose role is gone
  AuditRecord record(const Decision& decision, Outcome outcome, std::string detail) const;
  // Records the refusal and hands the error back; ServiceUnavailable if it could not be recorded.
  Error refuse(const Decision& decision, Error error);
  // A read that the caller may not do is a decision too; a permitted one leaves no record.
  std::optional<Error> refused_read(const Caller& caller, std::string_view operation, std::string_view action,
                                    std::string_view resource);

  // ---- carrying out (carrying_out.cpp)
  // Makes the change durable and takes it into the ledger; on failure (Conflict, CapacityExhausted, StoreFailed) neither.
  Result<void> commit(const ChangeSet& change);
  // Brings the maps in step; on failure sweep() will try again.
  Result<void> put_in_force();
  std::optional<Error> not_in_force();  // the same for a change that stands whatever the maps say: closing, guarding
  std::optional<Error> gate_away();
  // What the change, not yet applied, makes of grants; to be told once it stands.
  std::vector<GrantEvent> news_of(const ChangeSet& change) const;
  void tell(const std::vector<GrantEvent>& news);
  bool may_see(const Principal& principal, const NumberedEvent& event, bool may_read_gate) const;
  // The change must stand, whatever the store says now: it is written as soon as the store takes it.
  void insist(ChangeSet change);
  void insist(std::vector<ChangeSet> changes);
  bool write_postponed();
  void retry_soon();

  // ---- access (access.cpp, access_checks.cpp, together.cpp)
  Result<RequestView> admit(const Caller& caller, const PolicyId* named, const AccessDraft& draft);
  Result<RequestView> answer_again(const Request& request);
  std::optional<Error> may_not_initiate(const Caller& caller, const PolicyId* named, const AccessDraft& draft) const;
  Result<const Policy*> policy_for(const Caller& caller, const PolicyId* named, AskedAccess& asked) const;
  std::optional<Error> cannot_open(const std::vector<Grant>& grants, const AskedAccess& asked) const;
  std::optional<Error> cannot_open(const std::vector<Grant>& grants) const;  // of what was asked for earlier
  ChangeSet opening(const Decision& decision, const Policy& policy, const AskedAccess& asked,
                    const std::vector<Grant>& grants, const std::string& digest, const Now& now,
                    std::vector<Grant>& replaced);
  void begin(Grant& grant, const std::string& requestor, const Now& now, ChangeSet& change,
             std::vector<Grant>& replaced) const;
  bool decided_later(const Grant& earlier, const Grant& waited) const;
  static std::string told(const Request& request, const std::vector<Grant>& grants, const std::vector<Grant>& replaced);
  Error take_back(const Decision& decision, const ChangeSet& opened, const std::vector<Grant>& replaced,
                  const Error& why);
  ChangeSet taking_back(const Decision& decision, const ChangeSet& opened, const std::vector<Grant>& replaced,
                        const Error& why) const;
  Error not_carried_out(const ChangeSet& opened, bool closed, const Error& why) const;
  std::vector<Result<RequestView>> decide_together(const std::vector<AccessCall>& calls);
  Result<void> commit(const Together& group);
  void undo(const Together& group);
  void take_back(const Together& group, const Error& why, std::vector<Result<RequestView>>& results);

  // ---- approving (answering.cpp)
  // The request, with the decision filled in, if this caller may answer it and it waits for an answer.
  Result<const Request*> to_be_answered(Decision& decision, std::uint64_t id) const;
  bool may_answer(const Principal& principal, const Request& request) const;
  bool may_know(const Principal& principal, const Request& request) const;
  bool is_pending(const Request& request) const;
  Result<std::vector<Grant>> judged_anew(const Request& request, const Now& now) const;

  // ---- waiting (waiting.cpp)
  std::optional<Error> too_many_waiting(const Caller& caller, const Policy& policy) const;
  UtcTime earlier_lapse(const Request& request, const AskedAccess& asked, const Grant& grant) const;
  // What ends with the grant: all of a pending request, else the grant alone.
  std::set<std::uint64_t> ending_with(const Grant& grant) const;
  std::set<std::uint64_t> ending_under(const Policy& before, const Policy& policy) const;
  Result<GrantView> withdraw(Decision decision, const Grant& grant);
  void lapse_due();
  void start_due();
  bool start_booked(const Request& request, const Now& now);

  // ---- extending (extending.cpp)
  std::optional<Error> may_not_extend(const Caller& caller, const Grant* grant) const;
  Result<Grant> extended(const Grant& grant, UtcTime end, const std::string& place, const Now& now) const;
  Error take_back_extension(const Decision& decision, const Grant& before, const Grant& longer, const Error& why);
  // ---- break-glass (break_glass.cpp, break_glass_use.cpp)
  struct GlassPane {  // what is asked for, as it may be opened
    const Arming* arming;
    const Policy* policy;
    std::vector<std::string> machines;  // of the asked ports
  };
  bool is_armed(const Arming& arming) const;
  static bool is_for(const Arming& arming, const Principal& who);
  std::vector<const Arming*> armed_for(const Principal& who) const;
  Result<const Arming*> arming_for(const Caller& caller, std::string_view action, std::uint64_t id) const;
  Result<RequestView> break_glass(const Caller& caller, const AccessDraft& draft);
  Result<GlassPane> pane_for(const std::vector<const Arming*>& armed, const AskedAccess& asked) const;
  Result<std::vector<Grant>> grants_through(const GlassPane& pane, AskedAccess& asked, UtcTime now) const;
  void mark_use(const Arming& arming, ChangeSet& change) const;
  bool survives(const Grant& grant, const Policy& policy) const;
  std::vector<std::string> break_glass_warnings() const;
  ArmingView view_of(const Arming& arming) const;
  std::vector<std::string> vouched_by(const Principal& issuer) const;

  // ---- policies, grants and machines (policies.cpp, grants.cpp, machines.cpp)
  std::optional<Error> may_not_name(const Caller& caller, const Policy* before, const Policy& policy) const;
  std::optional<Error> names_excluded(const Policy* before, const Policy& policy) const;
  // Adds to the change what the policy brings in the place of `before` (null: there was none), to the decision whom it
  // concerns, and says what it is in a sentence.
  std::string replace(const Policy* before, Policy& policy, Decision& decision, ChangeSet& change);
  bool may_read(const Principal& principal, const Grant& grant) const;
  bool may_revoke(const Principal& principal, const Grant& grant) const;
  bool may_revoke_any(const Principal& principal, const Grant& grant) const;
  bool may_read(const Principal& principal, const StandingRule& rule) const;
  std::optional<Error> may_not_revoke(const Caller& caller, const Grant* grant, const RevocationDraft& draft) const;
  CutReach reach_of_cut(const Caller& caller, const Grant& grant, bool asked_for) const;
  std::string told(const CutReach& reach) const;
  bool enforces(const Grant& grant) const;
  // Of a machine that the caller may not know of, like of one that there is not.
  Result<const Machine*> find_machine(const Caller& caller, std::string_view action, std::string_view name_or_id) const;
  // Faults with the machine's own places; `all` by folded id, and may hold the machine itself.
  void add_collisions(const Caller& caller, const Machine& machine, const std::map<std::string, Machine>& all,
                      Faults& faults) const;
  Machine as_registered(Machine machine, const MachineDraft& draft) const;
  std::optional<std::string> cannot_exclude(const Machine& machine) const;
  // Those of enabling and disabling; what cannot be is a fault at machines[i].
  Result<std::vector<const Machine*>> find_machines(const Caller& caller, const std::vector<std::string>& named,
                                                    Faults& faults) const;
  Result<std::vector<MachineView>> carry_out(const Decision& decision, const ChangeSet& change,
                                             const std::vector<const Machine*>& machines);
  AuditRecord registered(const Caller& caller, const Machine& machine) const;

  // ---- showing (views.cpp, machines.cpp)
  RequestView view_of(const Request& request) const;
  GrantView view_of(const Grant& grant) const;
  PolicyView view_of(const Policy& policy) const;
  MachineView view_of(const Machine& machine) const;

  // ---- exposure (exposure.cpp)
  struct Owners;
  void look_at_exposure(bool asked);
  std::string exposure_of(const Machine& machine) const;  // in a sentence; empty if there is none
  bool is_guarded(const ExposureBook::Key& key, const Owners& owners) const;
  // ---- flow records (flow_keeping.cpp)
  void record_loss(std::uint64_t count, const std::string& why);
  // ---- reviewing (reviewing.cpp)
  void note_use(const Token& token);
  void write_token_uses();
  void add_rights(const Principal& principal, const std::string& by, Review& review) const;

  // ---- time (sweeping.cpp)
  // Adds the grant, ended, to the change.
  void end(const Grant& grant, EndReason reason, const std::string& by, UtcTime now, ChangeSet& change) const;
  void keep_time();
  void expire_due();
  Timeline measure() const;
  void follow_clock();
  UtcTime latest_time() const;
  std::optional<Error> clock_not_believed() const;

  Settings settings;
  Clock& clock;
  Randomness& randomness;
  Store& store;
  Dataplane& dataplane;
  Ledger ledger;
  Projector projector;
  EventLog event_log;
  std::string event_epoch;
  ExposureBook exposure;
  std::map<std::string, std::vector<ExposureBook::Key>> exposed;  // unguarded, by machine; "": of none
  std::optional<BootTime> exposure_at;                            // when it was looked at
  std::optional<FlowRecorder> flow_recorder;
  std::map<std::string, PushCount> pushes;
  ReviewStore* review_store = nullptr;
  std::map<std::string, UtcTime> token_uses, token_uses_new;  // by id, to the hour; not yet written
  struct Hearing : EventSink {  // what the gate tells
    explicit Hearing(Parts& of) : parts(of) {}
    void take(const DropEvent& event) override;
    void take(const FlowEvent& event) override;
    Parts& parts;
  } hearing{*this};
  std::map<std::string, std::string> warnings;  // by what they are about
  bool started = false;
  std::optional<UtcTime> newest_record;
  std::uint64_t last_serial = 0, last_request = 0, last_generation = 0;
  std::vector<ChangeSet> postponed;  // insisted on, not yet in the store
  std::optional<BootTime> retry_at;
  std::optional<Together> together;  // while decisions are gathered: commit() and put_in_force() wait for its end
  std::string gate_trouble;  // why the maps are not in step, for people
};

}  // namespace postern::core
