// SPDX-License-Identifier: Apache-2.0
// The grant records and each grant's count of flows. Records are written by the rule in bpf/abi/grant.h: whoever
// re-uses a slot writes VACANT, then the fields, then the state, so that a program that reads in between sees an ended
// grant, never a mixture (I2, I4). Everything goes through mapped memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "controlplane/core/ports.hpp"
#include "controlplane/dataplane/mapped_array.hpp"
#include "loader/map_set.hpp"

namespace postern::dataplane {

class GrantRecords {
 public:
  static core::Result<GrantRecords> open(const loader::MapSet& maps);

  // Fails only if there is no such slot. A new serial begins with no flows.
  core::Result<void> put(std::uint32_t slot, const core::RecordEntry& entry);
  // A slot beyond the array reads as vacant.
  gate_record get(std::uint32_t slot) const;
  std::size_t size() const { return records_.size(); }

  // All slots that a grant has had lie below.
  std::uint32_t used_end() const { return used_end_; }
  gate_usage usage(std::uint32_t slot) const;  // slot < size()
  // Sets the count of the grant in `slot` to `flows`, unless the programs have changed it since it was `seen`.
  void correct_usage(std::uint32_t slot, const gate_usage& seen, std::uint64_t flows);

 private:
  GrantRecords(MappedArray<gate_record> records, MappedArray<gate_usage> usage)
      : records_(std::move(records)), usage_(std::move(usage)) {
    for (used_end_ = static_cast<std::uint32_t>(usage_.size()); used_end_ > 0 && usage_[used_end_ - 1].serial == 0;)
      --used_end_;
  }

  MappedArray<gate_record> records_;
  MappedArray<gate_usage> usage_;
  std::uint32_t used_end_ = 0;
};

}  // namespace postern::dataplane
