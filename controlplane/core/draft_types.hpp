// SPDX-License-Identifier: Apache-2.0
// What callers ask for, as the decoders hand it over; drafts.hpp has the readers that make values of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/result.hpp"

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

struct ProbeDraft {
  std::optional<std::string> source;  // left out: the caller's own address
  std::optional<std::string> destination, port, protocol, source_port, flags, at;
};

}  // namespace postern::core
