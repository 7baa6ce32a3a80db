// SPDX-License-Identifier: Apache-2.0
// What is kept for the auditor beside the chain of decisions: connections, joined to the grants that let them in. Nothing
// is decided by it, and no request waits for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controlplane/core/events.hpp"
#include "controlplane/core/result.hpp"
#include "controlplane/core/time.hpp"

namespace postern::core {

// What the gate told of a connection, in the words of a store: in UTC, and with what the ledger knows of it.
struct FlowNews {
  FlowEvent event;
  UtcTime time{}, opened{};
  std::string boot_id;     // with the event's `opened` and ends: tells it from every other
  std::string machine_id;  // whose address it is, unless its grant says otherwise
  bool standing = false;   // `event.grant` is the number of a standing rule
};

// One connection, or the part of one that one grant let in: what `moved` divides are two records.
struct FlowRecord {
  std::uint64_t id = 0;  // rising
  PacketEnd client, machine;
  std::uint8_t protocol = 0;
  UtcTime opened{}, as_of{};      // as_of: when its counters were read
  std::optional<UtcTime> closed;  // none: open, as far as is known
  std::string end;  // of a closed one: as of FlowEvent, or "moved", or "unseen": it ended while nobody looked
  std::uint64_t grant = 0, request = 0;  // 0: none
  bool standing = false;
  std::string requestor, machine_id;  // empty: not known
  std::uint64_t client_packets = 0, client_bytes = 0, machine_packets = 0, machine_bytes = 0;
  bool picked_up = false, machine_opened = false, adopted = false;
};

struct FlowQuery {
  std::uint64_t grant = 0;         // 0: any
  std::string machine = {}, requestor = {};  // empty: any; machine: a resource id or a name
  std::optional<UtcTime> from = {}, to = {};  // that were open at some time in between
  bool only_open = false;
  std::uint64_t before_id = 0;  // 0: newest
  std::uint64_t from_id = 0;    // none below
  std::size_t limit = 100;
};

class FlowStore {
 public:
  virtual ~FlowStore() = default;
  // All of it in one transaction, or nothing. `run` tells this gate, looked at by this daemon, from earlier ones.
  virtual Result<void> write(const std::vector<FlowNews>& news, std::uint64_t run) = 0;
  virtual Result<std::vector<FlowRecord>> flows(const FlowQuery& query) = 0;  // newest first
  // Ends at most `at_most` of those that are open by earlier runs' words only, now that every flow of this one was seen;
  // removes at most as many of the closed that are older than `since` or beyond `kept`. How many there were.
  virtual Result<std::size_t> end_unseen(std::uint64_t run, UtcTime now, std::size_t at_most) = 0;
  virtual Result<std::size_t> forget(UtcTime since, std::uint64_t kept, std::size_t at_most) = 0;
};

// Of audit records that somebody outside is told.
struct PushCount {
  std::uint64_t delivered = 0, failed = 0;  // failed: tries
  std::uint64_t waiting = 0;
};

// What became of what was to be kept, and told.
struct TrailCounts {
  std::uint64_t flows_written = 0, flows_lost = 0;
  std::map<std::string, PushCount> pushes = {};  // by whom
};

}  // namespace postern::core
