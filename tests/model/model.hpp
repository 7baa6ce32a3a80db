// SPDX-License-Identifier: Apache-2.0
// The reference model: what the gate must say to a packet, and what it must remember of it. Written from the rules that
// docs/ARCHITECTURE.md and the ABI's comments state, as plainly as can be: no fast paths, no clocks, no concurrency.
//
// Where the rules leave something open, the model says so in a comment that begins with "Open:".
#pragma once

#include <map>
#include <optional>
#include <string>

#include "tests/model/parse.hpp"

namespace postern::model {

struct Clock {
  std::uint64_t boot_ns = 0, coarse_ns = 0;
};

struct Answer {
  gate_reason why = gate_reason_undecided;    // what the stages found
  gate_reason final = gate_reason_undecided;  // after monitor mode and an unconfirmed attach
  bool passes = false;
  std::uint64_t serial = 0;  // of the grant that admits or once did
  std::uint32_t slot = 0, service = 0;
};

class Model {
 public:
  Tables tables;
  std::map<int, gate_counter> counters;  // by reason
  std::map<int, std::uint64_t> tallies;

  // A packet from outside. Explain: nothing is written down.
  Answer judge(std::span<const std::uint8_t> frame, Clock now, bool explain = false);
  // A packet to the outside: never judged. `sent_back`: it came in by the interface it leaves by.
  void learn(std::span<const std::uint8_t> frame, std::uint32_t segments, bool sent_back, Clock now);

 private:
  struct Judging {
    const Parsed& packet;
    Clock now;
    bool explain = false, enforces = false;
    Answer answer{};
    gate_service service{};
    std::optional<std::uint64_t> cut_serial{};  // an established flow was cut, whose grant had this serial
    bool learned = false;                       // no grant covers the packet, but its service learns what is open
    bool writes() const { return !explain && packet.kind == Kind::ported; }
  };

  gate_reason find_reason(Judging& it);
  gate_reason by_address(Judging& it);
  gate_reason by_first_fragment(const Judging& it) const;
  gate_reason by_ports(Judging& it);
  gate_reason by_flow(Judging& it);
  gate_reason by_established(gate_flow& flow, Judging& it);
  gate_reason by_half_open(gate_flow& flow, Judging& it);
  gate_reason by_machine_opened(gate_flow& flow, Judging& it);
  gate_reason by_learned(gate_flow& flow, Judging& it);
  gate_reason by_grant(Judging& it);
  std::optional<gate_grant> covering_grant(const Judging& it) const;
  void remember_fragment(const Judging& it);
  void remember_admitted(Judging& it);

  // flows.cpp
  bool is_guarded_port(std::uint8_t protocol, std::uint16_t port) const;
  std::optional<gate_service> service_at(const Tuple& tuple) const;
  bool is_failsafe(const Tuple& tuple) const;
  gate_flow* established(const Tuple& tuple);
  gate_flow* half_open(const Tuple& tuple);
  void put_established(const Tuple& tuple, const gate_flow& flow);
  void put_half_open(const Tuple& tuple, const gate_flow& flow);
  void erase_established(const Tuple& tuple);
  void erase_half_open(const Tuple& tuple);
  void release(const gate_flow& flow);
  bool is_dead(const Parsed& packet, const gate_flow& flow, Clock now) const;
  bool is_stale(const Parsed& packet, const gate_flow& flow, Clock now) const;
  bool has_live_grant(const gate_flow& flow, Clock now) const;
  bool is_cut(gate_flow& flow, const Judging& it) const;
  void bind(gate_flow& flow, const Judging& it) const;
  bool establish(const Tuple& tuple);
  void advance(gate_flow& flow, const Parsed& packet, Clock now);
  void learn_opening(const Parsed& packet, std::uint32_t segments, Clock now);
  bool learn_answer(const Parsed& packet, std::uint32_t segments, Clock now);
  void machine_reopened(const Parsed& packet);
};

// sequence.cpp: what one packet tells of the side that sent it.
std::uint32_t sequence_end(const Parsed& packet);
bool is_after(std::uint32_t number, std::uint32_t reference);
bool is_near(std::uint32_t number, std::uint32_t reference);
bool is_closed(const gate_flow& flow);
bool is_overtaken(const Parsed& packet, const gate_flow& flow);
bool acknowledges(const Parsed& packet, const gate_flow_side& peer);
void note_sequence(gate_flow_side& side, const Parsed& packet);
void note_packet(gate_flow_side& side, const Parsed& packet, std::uint32_t packets, Clock now);
void note_client(gate_flow& flow, const Parsed& packet, Clock now);
void note_machine(gate_flow& flow, const Parsed& packet, std::uint32_t segments, Clock now);

// What an entry says of whose it is (ABI).
std::uint64_t tuple_of(const Tuple& tuple, const gate_config& config);

gate_verdict verdict_of(int reason);
std::string name_of(int reason);

}  // namespace postern::model
