// SPDX-License-Identifier: Apache-2.0
// The whole outside world of the core: clock, ids, store, data plane. Real ones live in the adapters, hand-written
// doubles in tests/support. Everything is called on one strand (the daemon's single core thread).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "controlplane/core/events.hpp"
#include "controlplane/core/model.hpp"

namespace postern::core {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Now now() const = 0;
  virtual std::string boot_id() const = 0;  // differs after each reboot
};

class Randomness {
 public:
  virtual ~Randomness() = default;
  virtual std::string token_secret() = 0;                          // 256 bits, URL-safe text
  virtual std::string sha256_hex(std::string_view text) const = 0;
};

// ---- store -------------------------------------------------------------------------------------------------------

// What is loaded at start-up. Ended grants and their requests are kept for answers (7 days, 200 a policy).
struct Snapshot {
  std::vector<Machine> machines;
  std::vector<Policy> policies;
  std::vector<Request> requests;
  std::vector<Grant> grants;
  std::vector<Token> tokens;
  std::uint64_t last_serial = 0, last_request = 0, last_policy_generation = 0;
  std::optional<UtcTime> newest_record;  // an older wall clock is not believed after a reboot
  std::vector<Switch> switches;
  std::vector<Arming> armings = {};      // all there ever were
  std::vector<BreakGlassUse> uses = {};  // the same
};

// One decision's effect: all of it becomes durable, or nothing. Puts insert or replace by key.
struct ChangeSet {
  std::vector<Machine> put_machines;
  std::vector<std::string> erase_machines;  // ids
  std::vector<Policy> put_policies;
  std::vector<PolicyId> erase_policies;
  std::vector<Request> put_requests;
  std::vector<Grant> put_grants;
  std::vector<Token> put_tokens;
  std::vector<std::string> erase_tokens;  // ids
  std::vector<Switch> put_switches;
  std::vector<Arming> put_armings;
  std::vector<BreakGlassUse> put_uses;
  std::vector<AuditRecord> audit;
};

struct AuditQuery {
  std::string machine, principal, operation;  // empty: all; machine: a resource id (no case), any of a record's
  std::optional<UtcTime> from, to;
  std::uint64_t before_sequence = 0;  // 0: newest
  std::uint64_t from_sequence = 0;    // none below; bounds what a query that finds little has to read
  std::size_t limit = 100;
};

// What was found in order.
struct AuditCheck {
  std::uint64_t records = 0;     // each chained to the one before
  std::uint64_t checkpoint = 0;  // up to this number they were taken out, as was signed; 0: none were
  std::uint64_t heads = 0;       // signed ones in the store
  std::uint64_t lines = 0, lines_too_old = 0;  // of those given: they agree; are of before the checkpoint
};

class Store {
 public:
  virtual ~Store() = default;
  virtual Result<Snapshot> load() = 0;
  // Durable when it returns success (synced); on failure nothing of it is there. One transaction for the whole span,
  // so that several waiting decisions share one sync; all or nothing.
  virtual Result<void> commit(const std::vector<ChangeSet>& changes) = 0;
  virtual Result<std::vector<AuditRecord>> audit(const AuditQuery& query) = 0;  // newest first
  virtual Result<std::uint64_t> verify_audit() = 0;  // records checked; an error names the first bad record
  // The same, and that signed heads agree: those in the store and these lines, which somebody kept elsewhere.
  virtual Result<AuditCheck> check_audit(const std::vector<std::string>& heads) {
    if (!heads.empty()) return Error{ErrorCode::invalid_input, "This store has no signed heads.", "heads", {}};
    auto verified = verify_audit();
    if (!verified) return verified.error();
    return AuditCheck{.records = *verified};
  }
};

// ---- data plane --------------------------------------------------------------------------------------------------

struct ServiceKey {
  Prefix address;  // full length: exact
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;  // tcp or udp
  auto operator<=>(const ServiceKey&) const = default;
};

struct ServiceEntry {
  std::uint32_t id = 0;
  bool enforce = true;
  bool failsafe = false;
  std::set<std::uint8_t> prefix_lengths;
  bool operator==(const ServiceEntry&) const = default;
};

struct EntryKey {
  std::uint32_t service = 0;
  Prefix source;
  auto operator<=>(const EntryKey&) const = default;
};

struct Entry {
  BootTime deadline{};  // BootTime::max(): never
  std::uint64_t serial = 0;
  std::uint32_t slot = 0;
  bool standing = false;
  bool operator==(const Entry&) const = default;
};

enum class RecordState : std::uint32_t { vacant = 0, live = 1, draining = 2, cut = 3 };

struct RecordEntry {
  std::uint64_t serial = 0;
  BootTime deadline{};
  RecordState state = RecordState::vacant;
  Ending ending = Ending::drain;
  std::chrono::nanoseconds session_max{};  // longest life of a flow; 0: none
  bool operator==(const RecordEntry&) const = default;
};

struct AddressEntry {
  bool enforce = true;
  std::uint32_t services = 0;
  bool operator==(const AddressEntry&) const = default;
};

// What the maps hold, in the domain's terms. Also what they should hold: the reconciler compares the two.
struct Projection {
  std::map<ServiceKey, ServiceEntry> services;
  std::map<EntryKey, Entry> entries;
  std::map<std::uint32_t, RecordEntry> records;  // by slot; vacant ones left out
  std::map<Prefix, AddressEntry> addresses;
  std::set<std::pair<Protocol, std::uint16_t>> ports;
  std::set<Prefix> failsafe_sources;
  bool operator==(const Projection&) const = default;
};

// Steps are executed in the order given; each is idempotent. A plan's order keeps I1–I3 at every moment:
// opening: record → entry → service (its prefix lengths); guarding: service → address → port bit; removal in reverse.
struct PutRecord { std::uint32_t slot; RecordEntry record; };
struct PutEntry { EntryKey key; Entry entry; };
struct PutService { ServiceKey key; ServiceEntry service; };
struct PutAddress { Prefix address; AddressEntry entry; };
struct SetPort { Protocol protocol; std::uint16_t port; bool guarded; };
struct EraseEntry { EntryKey key; };
struct EraseService { ServiceKey key; };
struct EraseAddress { Prefix address; };
struct PutFailsafe { Prefix source; };
struct EraseFailsafe { Prefix source; };
struct RaiseCutGeneration {};
using Step = std::variant<PutRecord, PutEntry, PutService, PutAddress, SetPort, EraseEntry, EraseService, EraseAddress,
                          PutFailsafe, EraseFailsafe, RaiseCutGeneration>;
using Plan = std::vector<Step>;

struct Capacity {
  std::size_t services_v4 = 0, services_v6 = 0, service_prefixes = 0, addresses = 0, entries_v4 = 0, entries_v6 = 0,
              records = 0, failsafe_sources = 0, counted_services = 0;
};

struct ReasonCount {
  std::string name;
  bool pass = false;
  std::uint64_t packets = 0, bytes = 0;
};

struct GateStatus {
  std::string instance;
  std::uint32_t abi = 0;
  std::vector<std::string> interfaces;  // with attach mode, as the loader recorded them; "" mode when unknown
  std::optional<BootTime> unconfirmed_until;
  std::vector<ReasonCount> reasons;
  std::vector<ReasonCount> tallies;  // `pass` is meaningless here
  std::size_t one_way_connections = 0;  // whose answers leave by another way: they live only as long as their grant
  std::size_t grants = 0;               // that run
  std::vector<std::string> warnings;    // sentences: the gate guards, but something is not as it should be
};

// A packet that nobody sends: what would become of it?
struct Probe {
  Address source, destination;  // of one family
  std::uint16_t source_port = 0, port = 0;
  Protocol protocol = Protocol::tcp;  // tcp or udp
  std::uint8_t tcp_flags = 0;         // as on the wire: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32
};

struct Verdict {
  bool pass = false;
  std::string reason, sentence;                  // what the stages found, by the names of the counters
  std::string overruled_by, overruled_sentence;  // why a drop passes after all (monitored, unconfirmed), or empty
  std::uint64_t serial = 0;                      // of the grant that admits, or that let the flow in; 0: none
  std::uint32_t service = 0;                     // id; 0: none
};

// Of a grant, as the programs counted it.
struct GrantUse {
  std::uint64_t admitted = 0;     // new connections it let in
  std::uint64_t established = 0;  // connections it has now
  std::optional<BootTime> last_admitted;
};

struct ServiceCount {
  ServiceKey key;
  bool enforce = true;
  std::uint64_t dropped = 0, would_be_dropped = 0;  // packets; would be: passed, since it is only monitored
  std::uint64_t admitted = 0;                       // new connections
};

// A TCP port that answered a SYN although no policy guards it.
struct Answer {
  struct Peer {
    Address address;
    BootTime first{}, last{};
    std::uint64_t count = 0;
  };
  Address address;
  std::uint16_t port = 0;
  BootTime first{}, last{};
  std::uint64_t count = 0;
  std::vector<Peer> peers;  // whom it answered
};

// Where this host would send a packet to an address: to itself; to where the gate has judged it on its way in; back out
// of an interface that the gate guards, so that others there reach it past the gate; nowhere. Unknown: there is no gate.
enum class Reach { unknown, local, inside, outside, none };
struct Route {
  Reach reach = Reach::unknown;
  std::string interface;  // that it would leave by
};

class Dataplane {
 public:
  virtual ~Dataplane() = default;
  virtual Result<Projection> read() = 0;
  virtual Capacity capacity() const = 0;
  // Stops at the first step that fails: what went before is in force. The caller reads and reconciles again.
  virtual Result<void> apply(const Plan& plan) = 0;
  virtual Result<GateStatus> status() = 0;
  // Whether the programs stand where the loader put them, and judge; the error says what is wrong and what to do.
  virtual Result<void> standing() const = 0;
  // Asks the programs, at this time (flows: as they are now). Changes nothing, counts nothing.
  virtual Result<Verdict> explain(const Probe& probe, BootTime at) = 0;
  // Removes idle and closed flows in batches; returns how many. Bounded work per call.
  virtual Result<std::size_t> sweep_flows() = 0;
  // How often sweep_flows() has walked all flows. Who saw the number n, and then n + 2, knows that every flow was looked
  // at in between.
  virtual std::uint64_t flow_walks() const = 0;
  // Hands over what happened since, oldest first of each kind; returns how much. Bounded work per call.
  virtual Result<std::size_t> read_events(EventSink& sink) = 0;
  // Nothing if the slot has no such grant, or there is no gate.
  virtual std::optional<GrantUse> use_of(std::uint32_t slot, std::uint64_t serial) const = 0;
  virtual Result<std::vector<ServiceCount>> service_counts() = 0;
  // From the ports that are watched, as far as the gate remembers.
  virtual Result<std::vector<Answer>> answers() { return std::vector<Answer>{}; }
  // As of a second ago at most; cheap to ask again.
  virtual Route route_to(const Prefix&) { return {}; }
};

}  // namespace postern::core
