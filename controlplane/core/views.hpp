// SPDX-License-Identifier: Apache-2.0
// What the gatekeeper shows: values, as they were when it was asked. Encoders turn them into text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/model.hpp"
#include "controlplane/core/ports.hpp"

namespace postern::core {

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

struct ArmingView {
  Arming arming;
  bool armed = false;
  std::vector<BreakGlassUse> uses;
};

struct RoleView {
  Role role;
  bool built_in = false;
};

}  // namespace postern::core
