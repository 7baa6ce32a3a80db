// SPDX-License-Identifier: Apache-2.0
// From drafts (text as decoded) to values, strictly and with all faults at once. What is read here is well formed;
// whether a policy allows it is another question (subset.hpp), and so is whether it exists.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/access.hpp"
#include "controlplane/core/faults.hpp"
#include "controlplane/core/model.hpp"

namespace postern::core {

inline constexpr std::chrono::minutes rule_duration_min{5};
inline constexpr std::chrono::hours rule_duration_max{24};
inline constexpr std::chrono::hours session_max{30 * 24};
inline constexpr std::chrono::hours booking_max{7 * 24};  // how far ahead a request may start

// The policy of this id as the draft says; its generation is the caller's to fill in. What Azure's body does not have
// (mode, ending, session time) and the draft leaves out stays as it was `before` (null: nothing was): Azure's clients
// read a policy, change it and write it back without what they do not know. InvalidPolicyInput.
Result<Policy> read_policy(const PolicyId& id, const PolicyDraft& draft, const Policy* before = nullptr);

// One machine's port as asked for. `end` is not yet held against any rule.
struct AskedPort {
  std::string machine;  // id, or a name where the way in allows names
  std::uint16_t port = 0;
  std::vector<Source> sources;  // canonical; empty only in a revocation that named none
  UtcTime end{};
  bool by_duration = false;
  std::string target;  // its place: "virtualMachines[0].ports[1]"
};

struct AskedAccess {
  std::vector<AskedPort> ports;
  std::string justification;
  std::optional<UtcTime> start = {};  // to come
};

enum class MachineTerms { ids, ids_and_names };

// `client` stands in where no source is named. InvalidInitiateInput, also for an end that is not in the future.
Result<AskedAccess> read_access(const AccessDraft& draft, const std::optional<Address>& client, UtcTime now,
                                MachineTerms terms = MachineTerms::ids_and_names);
// The same body without times; a source narrows what is revoked, none leaves it at all.
Result<AskedAccess> read_revocation(const AccessDraft& draft);

// The new end of a grant. InvalidInput, also for one that is not in the future.
Result<UtcTime> read_extension(const ExtensionDraft& draft, UtcTime now);

// Why a request is denied; may be empty. InvalidInput.
Result<std::string> read_denial(const DenialDraft& draft);

// How it shall end, if the draft says so. InvalidInput.
Result<std::optional<Ending>> read_revocation(const RevocationDraft& draft);

// InvalidMachineInput. An id that was left out is made from the settings and the name.
Result<Machine> read_machine(const MachineDraft& draft, const Settings& settings);

struct AskedProbe {
  Probe probe;
  std::optional<UtcTime> at;
};
// InvalidInput. `client` stands in where no source is named.
Result<AskedProbe> read_probe(const ProbeDraft& draft, const std::optional<Address>& client);

// An arming without id and who armed it. InvalidInput.
Result<Arming> read_arming(const ArmingDraft& draft, UtcTime now);
Result<std::string> read_review(const ReviewDraft& draft);  // its note

// A token without id and hash. InvalidInput. `roles`: those besides the built-in ones.
Result<Token> read_token(const TokenDraft& draft, UtcTime now, const std::vector<Role>& roles);

// ---- pieces the readers share: the value, or nothing and a fault ----

std::optional<std::uint16_t> read_port(const std::optional<std::string>& text, const std::string& target,
                                       Faults& faults);
std::optional<Ending> read_ending(const std::string& text, const std::string& target, Faults& faults);
// DHCP always passes the gate, so UDP to its ports cannot be guarded: says so in *faults.
void refuse_dhcp(std::uint16_t port, Protocol protocol, const std::string& target, Faults& faults);
// From allowedSourceAddressPrefix or …Prefixes below `target`; empty if neither was sent.
std::vector<Source> read_sources(const PortDraft& draft, const std::string& target, Faults& faults);

}  // namespace postern::core
