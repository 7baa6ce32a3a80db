// SPDX-License-Identifier: Apache-2.0
// Executes the steps of a plan on the maps, in order, gathering neighbouring entries into one call. A service that begins
// to be enforced is monitored, and learns, until all steps are done: then its open sessions are adopted, it is enforced,
// and what opened meanwhile is adopted. Broken off in between it stands there monitored, which the next plan finds and
// mends. Keeps the control
// record right by itself: a flag that makes the programs ask a table is set before its first element stands there and
// cleared after its last one went.
#pragma once

#include <vector>

#include "controlplane/core/ports.hpp"
#include "controlplane/dataplane/adoption.hpp"
#include "controlplane/dataplane/grant_records.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

class PlanWriter {
 public:
  // All must outlive it.
  PlanWriter(const loader::MapSet& maps, GrantRecords& records, Adoption& adoption)
      : maps_(maps), records_(records), adoption_(adoption) {}

  // Stops at the first step that fails: what went before is in force.
  core::Result<void> write(const core::Plan& plan);
  // Makes the control record's flags say what the tables hold, e.g. after a process was killed between two writes.
  core::Result<void> settle_flags();

 private:
  core::Result<void> write(const core::Step& step);
  core::Result<void> put(const core::PutEntry& step);
  core::Result<void> put(const core::PutService& step);
  core::Result<void> put(const core::PutAddress& step);
  core::Result<void> store(const core::PutService& step);
  core::Result<void> store(const core::PutAddress& step);
  core::Result<bool> is_enforced(const core::PutService& step) const;
  core::Result<void> enforce();
  core::Result<void> erase(const core::EraseEntry& step);
  core::Result<void> erase(const core::EraseService& step);
  core::Result<void> erase_service(const core::EraseService& step);
  std::uint32_t id_of(const core::ServiceKey& key) const;
  core::Result<void> set_port(const core::SetPort& step);
  core::Result<void> erase(const core::EraseFailsafe& step);
  core::Result<void> raise_cut_generation();
  core::Result<void> flush();
  core::Result<void> change_flags(std::uint32_t set, std::uint32_t clear);
  core::Result<bool> any_prefix_service() const;
  core::Result<bool> any_own_failsafe() const;

  const loader::MapSet& maps_;
  GrantRecords& records_;
  Adoption& adoption_;
  // What waits for the switch to enforcing.
  std::vector<core::PutService> services_;
  std::vector<core::PutAddress> addresses_;
  // Entries not yet written: of one family, in the plan's order.
  std::vector<gate_grant_key_v4> keys_v4_;
  std::vector<gate_grant_key_v6> keys_v6_;
  std::vector<gate_grant> values_;
};

}  // namespace postern::dataplane
