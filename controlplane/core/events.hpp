// SPDX-License-Identifier: Apache-2.0
// What the gate tells while packets pass: drops (as many as its budget allows) and connections (all of them); and what becomes
// of grants. Nothing is decided by them. Whoever wants to keep the gate's, in a store say, is an EventSink beside EventLog.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "controlplane/core/model.hpp"

namespace postern::core {

struct PacketEnd {
  std::optional<Address> address;  // none: the packet could not be read so far
  std::uint16_t port = 0;
};

struct DropEvent {
  BootTime time{};
  std::string reason;
  std::string passed_as;  // empty: dropped; else the reason why it passed after all ("monitored", "unconfirmed")
  PacketEnd source, destination;
  std::uint8_t protocol = 0;  // number of the IP protocol
  std::string interface;      // that it came in by
};

struct FlowEvent {
  // moved: cut, and lives on under another grant; seen: nothing happened, it is open
  enum class Kind { opened, closed, moved, seen };
  BootTime time{}, opened{};
  BootTime last{};  // packet, of a closed one; 0: not known
  Kind kind = Kind::opened;
  std::string end;  // of closed: "finished", "reset", "idle", "cut", "replaced"
  PacketEnd client, machine;
  std::uint8_t protocol = 0;
  std::uint64_t grant = 0, previous_grant = 0;  // serials; 0: none
  std::uint64_t client_packets = 0, client_bytes = 0, machine_packets = 0, machine_bytes = 0;
  bool picked_up = false, machine_opened = false, adopted = false;
};

// What became of a grant, as it was then.
struct GrantEvent {
  UtcTime time{};
  std::string kind;  // "grant.opened", "grant.extended", "grant.shortened", "grant.ended"
  Grant grant;
  Request request;
};

class EventSink {
 public:
  virtual ~EventSink() = default;
  virtual void take(const DropEvent& event) = 0;
  virtual void take(const FlowEvent& event) = 0;
};

struct NumberedEvent {
  std::uint64_t sequence = 0;  // rises by one with each event of any kind, from 1; begins anew with the daemon
  std::variant<DropEvent, FlowEvent, GrantEvent> event;
};

struct EventQuery {
  std::uint64_t after = 0;  // only with a higher sequence
  std::size_t limit = 100;  // the newest so many
};

struct EventTotals {
  std::uint64_t drops = 0, opened = 0, closed = 0, moved = 0;
  bool operator==(const EventTotals&) const = default;
};

// The newest events of each kind: a flood of drops does not push connections or grants out.
class EventLog : public EventSink {
 public:
  explicit EventLog(std::size_t kept = 1000) : kept_(kept) {}

  void take(const DropEvent& event) override;
  void take(const FlowEvent& event) override;
  void take(const GrantEvent& event);
  std::vector<NumberedEvent> recent(const EventQuery& query) const;  // oldest first
  // The oldest so many with a higher sequence; and how many more there were of these that are not kept any more.
  std::vector<NumberedEvent> following(std::uint64_t after, std::size_t limit) const;
  std::uint64_t lost_after(std::uint64_t sequence) const;
  const EventTotals& totals() const { return totals_; }
  std::uint64_t last() const { return last_; }

 private:
  void keep(std::deque<NumberedEvent>& in, NumberedEvent event);
  std::vector<const NumberedEvent*> all_after(std::uint64_t sequence) const;

  std::size_t kept_;
  std::uint64_t last_ = 0;
  std::deque<NumberedEvent> drops_, flows_, grants_;
  EventTotals totals_;
};

}  // namespace postern::core
