// SPDX-License-Identifier: Apache-2.0
// The nouns of docs/ARCHITECTURE.md as passive data: machine, policy, request, grant, principal, audit record.
// Text that names resources compares without regard to case (ASCII) everywhere: use folded().
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/core/address.hpp"
#include "controlplane/core/time.hpp"

namespace postern::core {

std::string folded(std::string_view text);  // ASCII lower case: the form that is compared and used as a key

enum class Protocol : std::uint8_t { any = 0, tcp = 6, udp = 17 };
std::string_view wire_name(Protocol protocol);  // "*", "TCP", "UDP"
bool overlap(Protocol left, Protocol right);

enum class Ending : std::uint8_t { drain = 0, cut = 1 };
std::string_view wire_name(Ending ending);  // "drain", "cut"

// Whether would-be drops drop, or are only counted. A service enforces if any policy on it does.
enum class Mode : std::uint8_t { enforce = 0, monitor = 1 };
std::string_view wire_name(Mode mode);  // "enforce", "monitor"

// Whether a request must say why.
enum class Justification : std::uint8_t { optional = 0, required = 1 };
std::string_view wire_name(Justification justification);  // "optional", "required"

// Whether a role suffices for a request, or somebody else must agree.
enum class Approval : std::uint8_t { automatic = 0, approve = 1 };
std::string_view wire_name(Approval approval);  // "auto", "approve"

// Public address and port that a DNAT in front (or on the gateway) maps to a machine's port: what the outside
// interface sees on the wire.
struct Forward {
  Address address;
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;  // tcp or udp
  std::uint16_t machine_port = 0;
  auto operator<=>(const Forward&) const = default;
};

struct Machine {
  std::string id;    // /subscriptions/…/virtualMachines/NAME, in the spelling it was registered with
  std::string name;  // last segment of the id
  std::string os;    // "linux", "windows" or ""
  std::vector<Prefix> addresses;
  std::vector<Forward> forwards;
  std::string excluded;  // why the admin will not have it guarded; empty: he may
};

struct PolicyId {
  std::string subscription, resource_group, location, name;
  std::string path() const;  // the resource id, exactly the path of `get`
  std::string key() const { return folded(path()); }
};

struct PortRule {
  std::uint16_t number = 0;
  Protocol protocol = Protocol::tcp;
  std::vector<Source> sources;  // never empty; {any} for "*"
  std::chrono::seconds max_duration{};
  Ending ending = Ending::drain;
  std::chrono::seconds max_session{};  // longest life of a connection; 0: none
  std::vector<Source> standing;        // admitted without request and deadline
  std::uint64_t standing_serial = 0;   // numbered like grants; a new one when somebody loses admission; 0: none
  Justification justification = Justification::optional;
  Approval approval = Approval::automatic;
};

struct PolicyMachine {
  std::string machine_id;  // as sent
  std::vector<PortRule> ports;
  std::string public_ip_address;  // kept and given back, not used
};

struct Policy {
  PolicyId id;
  std::uint64_t generation = 0;  // of the policy object: a policy made anew under the same name has another one
  std::string kind = "Basic";
  std::vector<PolicyMachine> machines;
  Mode mode = Mode::enforce;
};

// Off: policies behave as if they only monitored. Of one subscription, or of all.
struct Switch {
  std::string subscription;  // empty: the global one
  bool enforcing = true;
  std::string reason, by;
  UtcTime since{};
};

// Pending: somebody must approve its request; scheduled: its start is to come. Neither is in the maps.
enum class GrantState : std::uint8_t { live, ended, pending, scheduled };
std::string_view wire_name(GrantState state);  // "live", "ended", "pending", "scheduled"
enum class EndReason : std::uint8_t { none, expired, revoked, replaced, policy_removed, taken_back };
std::string_view wire_name(EndReason reason);  // statusReason of the contract: "UserRequested", "Expired", …

// One machine's port, opened to its sources until a deadline. The maps hold an entry for each of its (source,
// machine address or forward, protocol); all name this grant's serial and slot.
struct Grant {
  std::uint64_t serial = 0;   // unique for ever, rising
  std::uint64_t request = 0;  // Request::id
  std::string machine_id;     // the policy's spelling
  std::uint16_t port = 0;
  Protocol protocol = Protocol::tcp;
  std::vector<Source> sources;  // canonical, never empty
  Ending ending = Ending::drain;
  UtcTime start{}, end{};
  bool by_duration = false;  // asked for by its length, which counts from its approval
  std::string boot_id;    // boot in which it started (empty: it has not) …
  BootTime boot_start{};  // … and its time then: the deadline is the earlier of both clocks'
  GrantState state = GrantState::live;
  EndReason end_reason = EndReason::none;
  std::optional<UtcTime> ended_at;
  std::string ended_by;  // requestor name of who revoked it
  std::chrono::seconds max_session{};  // of each of its connections; 0: none
  std::optional<UtcTime> extended;     // when its end was last moved: boot_id and boot_start are of then

  bool waits() const { return state == GrantState::pending || state == GrantState::scheduled; }
  UtcTime counted_from() const { return extended.value_or(start); }  // its length, and how long its rule lets it run
};

// A port rule's standing sources as what they are to the maps: a grant that ends only with its rule.
struct StandingRule {
  PolicyId policy;
  std::string machine_id;  // the policy's spelling
  PortRule rule;
};

struct Request {
  std::uint64_t id = 0;
  PolicyId policy;
  std::uint64_t policy_generation = 0;
  UtcTime start{};
  std::string requestor;
  std::string justification;
  std::string client_request_id;  // empty: none sent
  std::string body_digest;        // of the asked machines and ports: tells a repeat from another request
  std::optional<UtcTime> answer_by = {};  // of one that somebody must approve: it lapses then
  std::string answered_by = {};           // who approved or denied it; empty: nobody
  std::string answer_reason = {};         // of a denial
};

// Who asks. Actions are matched as docs/azure-api.md says: no case, `*` spans '/', X/*/read grants X/read.
struct Role {
  std::string name;
  std::vector<std::string> actions;
  std::vector<std::string> not_actions;
};

struct Assignment {
  std::string role;   // name of a built-in role
  std::string scope;  // "/" or a resource id that the target must lie in
};

struct Principal {
  std::string name;  // never empty; the requestor of its requests
  std::vector<Assignment> assignments;
  // Where whoever says that this is the name's owner may arm break-glass himself: of a token its issuer.
  std::vector<std::string> vouched = {"/"};
};

// Principal plus what the transport knows of the call.
struct Caller {
  Principal principal;
  std::optional<Address> address;  // as the server sees it; none over a Unix socket or loopback
  std::string request_id;          // x-ms-request-id of this call
  std::string client_request_id;   // x-ms-client-request-id, may be empty
};

struct Token {
  std::string id;    // public, for listing and revoking
  std::string hash;  // SHA-256 of the secret, hex
  Principal principal;
  UtcTime created{};
  std::optional<UtcTime> expires;
};

// Break-glass: the right to get in past the rules, given to one name for a time.
struct Arming {
  std::uint64_t id = 0;
  std::string principal;  // exactly so
  std::string scope, reason, armed_by;
  UtcTime start{}, end{};
  std::string boot_id;  // of its start, as a grant's
  BootTime boot_start{};
  std::chrono::seconds grant_max{};
  std::optional<UtcTime> disarmed;
  std::string disarmed_by;
};

// One request made by it. Somebody else reviews it.
struct BreakGlassUse {
  std::uint64_t request = 0, arming = 0;
  UtcTime time{};
  std::string principal;
  std::string detail;  // what it opened, and why
  std::vector<std::uint64_t> grants;
  std::optional<UtcTime> reviewed;
  std::string reviewed_by, note;
};

enum class Outcome : std::uint8_t { allowed, refused, failed };
std::string_view wire_name(Outcome outcome);

// Who acts by himself in the records: the sweeper, and what keeps the host's addresses. Nobody else is called so.
inline constexpr std::string_view own_name = "postern";

// One record per decision, written in the transaction of its effect. The store adds sequence number and hash chain.
struct AuditRecord {
  std::uint64_t sequence = 0;  // given by the store
  UtcTime time{};
  std::string operation;  // "policy.put", "access.initiate", "grant.revoke", "grant.expire", "access.taken_back", …
  Outcome outcome = Outcome::allowed;
  std::string principal;
  std::string source;     // caller's address, may be empty
  std::string request_id, client_request_id;
  std::string policy;   // resource id, may be empty
  std::vector<std::string> machines;  // resource ids: a request may name several, and each must find it
  std::vector<std::uint64_t> grants;
  std::string code;    // wire name of the error of a refusal
  std::string detail;  // a sentence
};

}  // namespace postern::core
