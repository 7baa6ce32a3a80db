// SPDX-License-Identifier: Apache-2.0
// A gate in memory for the gatekeeper's tests: doubles that outlive the gatekeeper, people with roles, drafts in one
// line, and an oracle that says by brute force what the maps should let through.
#pragma once

#include <memory>

#include "controlplane/core/access.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/memory_store.hpp"
#include "tests/support/recording_dataplane.hpp"

namespace postern::tests {

using namespace std::chrono_literals;

inline const std::string subscription = "11111111-2222-3333-4444-555555555555";
inline const std::string group_scope = "/subscriptions/" + subscription + "/resourceGroups/lab";
std::string machine_id(const std::string& name);
core::PolicyId policy_id(const std::string& name = "default");

core::Caller person(const std::string& name, const std::string& role, const std::string& address = "203.0.113.7",
                    const std::string& scope = "/");
core::Caller admin();
core::Caller alice();  // requesters from two addresses
core::Caller bob();

struct Rule {
  std::string number = "22", protocol = "TCP";
  std::vector<std::string> sources = {"*"};
  std::string max = "PT3H", ending = "drain";
  std::vector<std::string> standing = {};
  std::string max_session = "PT0S";
  std::string justification = "optional", approval = "auto";
};
core::PolicyDraft policy_draft(const std::vector<std::pair<std::string, std::vector<Rule>>>& machines,
                               const std::string& mode = "enforce");

struct Ask {
  std::string number = "22", duration = "PT1H";
  std::vector<std::string> sources = {};
};
core::AccessDraft access_draft(const std::vector<std::pair<std::string, std::vector<Ask>>>& machines);
core::AccessDraft ask(const std::string& machine, const Ask& port = {});

core::AccessDraft starting(core::UtcTime start, core::AccessDraft draft);  // later

core::RevocationDraft by(const std::string& ending);  // "cut", "drain"

core::MachineDraft machine_draft(const std::string& name, const std::vector<std::string>& addresses,
                                 const std::vector<core::ForwardDraft>& forwards = {});

struct GateWorld {
  GateWorld();
  void restart();  // another gatekeeper on what the old one left behind
  void reboot(const std::string& boot_id);
  // vm1 (10.0.0.1, 2001:db8::1) and vm2 (10.0.0.2), guarded by policy `default`: 22/TCP three hours from anywhere, and
  // on vm1 3389/* one hour, cut, from 203.0.113.0/24.
  void furnish();

  core::Grant granted(const core::Caller& who, const core::AccessDraft& draft);  // initiates; requires success
  core::Grant grant(std::uint64_t serial) const { return store.grants().at(serial); }
  bool admits(const std::string& source, const std::string& address, std::uint16_t port,
              core::Protocol protocol = core::Protocol::tcp) const;  // judged as the kernel would, now
  bool guards(const std::string& address, std::uint16_t port, core::Protocol protocol = core::Protocol::tcp) const;
  core::RecordState record_of(std::uint64_t serial) const;       // vacant if there is none
  std::map<std::uint64_t, core::StandingRule> standing() const;  // that the store's policies have, by serial
  std::vector<core::AuditRecord> records_since(std::size_t count) const;

  // Everything the maps hold is what the store says, by brute force; and no step on the way broke an invariant.
  void require_in_step() const;
  Verdicts expected() const;

  ManualClock clock;
  FixedRandomness randomness;
  Fuse fuse;
  MemoryStore store{fuse};
  RecordingDataplane dataplane{fuse};
  core::Settings settings;
  core::UtcTime newest_at_start{};
  std::unique_ptr<core::Gatekeeper> gate;
};

}  // namespace postern::tests
