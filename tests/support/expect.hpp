// SPDX-License-Identifier: Apache-2.0
// What the rows of the BPF tests assert, always all of it: verdict, reason (by the difference of the counters) and
// what became of the tables.
#pragma once

#include <string>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/gate_fixture.hpp"

namespace postern::test {

inline std::string text_of(const Changes& changes) {
  return "half-open " + std::to_string(changes.half_open) + ", established " + std::to_string(changes.established) +
         ", fragments " + std::to_string(changes.fragments);
}

inline std::string text_of(const std::vector<gate_reason>& reasons) {
  std::string out;
  for (const gate_reason reason : reasons) out += (out.empty() ? "" : " + ") + name_of(reason);
  return out;
}

inline std::string text_of(gate_verdict verdict) {
  return verdict == GATE_PASS ? "pass" : "drop";
}

inline std::string text_of_action(int action) {
  return action == 2 ? "pass" : action == 1 ? "drop" : "XDP action " + std::to_string(action);
}

// One frame from outside: exactly this reason, the verdict that reasons.h gives it, these changes of the tables.
inline Judged expect(Gate& gate, const Bytes& frame, gate_reason reason, const Changes& changes = {}) {
  Judged judged = gate.judge(frame);
  INFO("frame of " << frame.size() << " bytes:\n" << hex(frame));
  CHECK(text_of(judged.reasons) == name_of(reason));
  CHECK(text_of_action(judged.action) == text_of(verdict_of(reason)));
  CHECK(text_of(judged.changes) == text_of(changes));
  return judged;
}

inline Judged expect(Gate& gate, const Packet& packet, gate_reason reason, const Changes& changes = {}) {
  return expect(gate, packet.bytes(), reason, changes);
}

// The same where dead entries may go in passing: no table grows.
inline Judged expect_tidying(Gate& gate, const Packet& packet, gate_reason reason) {
  const Bytes frame = packet.bytes();
  Judged judged = gate.judge(frame);
  INFO("frame of " << frame.size() << " bytes:\n" << hex(frame));
  CHECK(text_of(judged.reasons) == name_of(reason));
  CHECK(text_of_action(judged.action) == text_of(verdict_of(reason)));
  CHECK(judged.changes.half_open <= 0);
  CHECK(judged.changes.established <= 0);
  CHECK(judged.changes.fragments <= 0);
  return judged;
}

// One frame from a machine: the program never judges it, only the tables change.
inline void learn(Gate& gate, const Bytes& frame, const Changes& changes = {}) {
  INFO("outgoing frame of " << frame.size() << " bytes:\n" << hex(frame));
  CHECK(text_of(gate.answer(frame)) == text_of(changes));
}

inline void learn(Gate& gate, const Packet& packet, const Changes& changes = {}) {
  learn(gate, packet.bytes(), changes);
}

inline constexpr Changes half_open_created{.half_open = 1};
inline constexpr Changes half_open_gone{.half_open = -1};
inline constexpr Changes promoted{.half_open = -1, .established = 1};
inline constexpr Changes established_gone{.established = -1};
inline constexpr Changes fragment_remembered{.fragments = 1};

}  // namespace postern::test
