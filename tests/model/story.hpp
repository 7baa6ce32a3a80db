// SPDX-License-Identifier: Apache-2.0
// A story: table entries and packets in their order, one step a line, as text that can be kept and told again.
//
//     put MAP KEY VALUE     writes an entry (bytes in hex)
//     erase MAP KEY
//     in FRAME              a packet from outside, judged
//     explain NOW FRAME     the same by explain, at a boot time
//     out SEGMENTS IN_BY FRAME   a packet to the outside; IN_BY 1: it came in by the interface it leaves by
//     age NS                every flow and fragment becomes so much older
//
// Coarse times in the values of flows and fragments are ages in nanoseconds (0 stays 0): they mean "so long before
// now".
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/model/tables.hpp"

namespace postern::model {

using Bytes = std::vector<std::uint8_t>;

struct Step {
  enum Verb : std::uint8_t { put, erase, in, explain, out, age } verb = in;
  int map = 0;           // index in GATE_MAPS
  Bytes key{}, value{};  // of an entry
  Bytes frame{};
  std::uint64_t number = 0;  // boot time, segments or age
  bool sent_back = false;
  bool is_packet() const { return verb == in || verb == explain || verb == out; }
};

using Story = std::vector<Step>;

std::string to_text(const Story& story);
Story story_from(const std::string& text);  // throws std::invalid_argument
const char* map_name(int map);

enum MapIndex {
#define POSTERN_MODEL_INDEX(name, key, value) map_##name,
  GATE_MAPS(POSTERN_MODEL_INDEX)
#undef POSTERN_MODEL_INDEX
};

template <class T>
Bytes bytes_of(const T& value) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(&value);
  return {first, first + sizeof value};
}

template <class T>
T value_of(const Bytes& bytes) {
  T value{};
  if (bytes.size() != sizeof value) throw std::invalid_argument("an entry of another size than the ABI's");
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <class Key, class Value>
Step put_step(int map, const Key& key, const Value& value) {
  return {.verb = Step::put, .map = map, .key = bytes_of(key), .value = bytes_of(value)};
}

// Calls on every coarse time of a flow or fragment; other values have none.
void each_coarse_time(gate_flow& flow, auto&& call) {
  call(flow.client.last_seen_coarse_ns);
  call(flow.machine.last_seen_coarse_ns);
  call(flow.opened_coarse_ns);
}
void each_coarse_time(gate_fragment& fragment, auto&& call) {
  call(fragment.seen_coarse_ns);
}
void each_coarse_time(const auto&, auto&&) {}

}  // namespace postern::model
