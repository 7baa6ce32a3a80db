// SPDX-License-Identifier: Apache-2.0
// How a gate stands: what is attached, in the kernel's words, beside what the records say; confirmation; how full the
// tables are; counters. Only reads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader/attach_record.hpp"
#include "loader/error.hpp"
#include "loader/instance.hpp"

namespace postern::loader {

struct InterfaceStatus {
  AttachRecord record;
  bool elsewhere = false;                // attached in another network namespace: the next three are not known
  bool present = false;                  // the interface exists
  bool made_anew = false;                // it does not, but another of its name
  std::string name_now;                  // it may have been renamed
  bool ingress = false, egress = false;  // our program stands there
};

struct TableStatus {
  std::string name;
  std::uint64_t entries = 0, room = 0;
};

struct CounterStatus {
  std::string name, meaning;
  bool drops = false;
  std::uint64_t packets = 0, bytes = 0;
};

struct GateStatus {
  Instance instance;
  std::uint32_t abi = 0;  // 0: no maps
  std::vector<InterfaceStatus> interfaces;
  std::uint64_t unconfirmed_boot_ns = 0, now_boot_ns = 0;
  std::vector<TableStatus> tables;
  std::vector<CounterStatus> reasons, tallies;  // those that are not 0

  bool attached() const { return !interfaces.empty(); }
  bool unconfirmed() const { return unconfirmed_boot_ns != 0; }
  bool stands_open() const { return unconfirmed() && now_boot_ns >= unconfirmed_boot_ns; }
  bool whole() const;  // every recorded program stands in its place, and the gate judges
};

LoaderResult<GateStatus> read_status(const Instance& instance);
std::string as_text(const GateStatus& status);
std::string as_json(const GateStatus& status);

}  // namespace postern::loader
