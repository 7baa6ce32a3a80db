// SPDX-License-Identifier: Apache-2.0
// The gate's tables as ordinary maps: what the model judges by, and what the programs' maps are compared with.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>

#include "bpf/abi/maps.h"

namespace postern::model {

using Address = std::array<std::uint8_t, 16>;  // IPv4: the first four bytes

// Keys have no hidden padding (ABI), so their bytes order them.
struct ByBytes {
  template <class Key>
  bool operator()(const Key& left, const Key& right) const {
    return std::memcmp(&left, &right, sizeof left) < 0;
  }
};

struct Tables {
#define POSTERN_MODEL_TABLE(name, key, value) std::map<key, value, ByBytes> name;
  GATE_MAPS(POSTERN_MODEL_TABLE)
#undef POSTERN_MODEL_TABLE
};

inline gate_config config_of(const Tables& tables) {
  const auto found = tables.config.find(0);
  return found == tables.config.end() ? gate_config{} : found->second;
}

inline gate_control control_of(const Tables& tables) {
  const auto found = tables.control.find(0);
  return found == tables.control.end() ? gate_control{} : found->second;
}

inline bool starts_with(const Address& address, const std::uint8_t* prefix, unsigned bits) {
  for (unsigned bit = 0; bit < bits; ++bit) {
    const unsigned mask = 0x80U >> bit % 8;
    if ((address[bit / 8] & mask) != (prefix[bit / 8] & mask)) return false;
  }
  return true;
}

// The entry with the longest prefix that holds the address.
template <class Value>
std::optional<Value> longest_prefix(const std::map<gate_prefix_key, Value, ByBytes>& table, int family,
                                    const Address& address, std::uint8_t protocol = 0, std::uint16_t port = 0) {
  std::optional<Value> best;
  unsigned best_bits = 0;
  for (const auto& [key, value] : table) {
    const unsigned bits = key.length_bits - GATE_PREFIX_KEY_FIXED_BITS;
    if (key.family != family || key.protocol != protocol || key.port_be != __builtin_bswap16(port)) continue;
    if (!starts_with(address, key.address, bits) || (best && bits < best_bits)) continue;
    best = value;
    best_bits = bits;
  }
  return best;
}

}  // namespace postern::model
