// SPDX-License-Identifier: Apache-2.0
// What answered from a watched port although no policy guards it, remembered for longer than the gate does and bounded:
// whatever strangers and machines make up, what other registered machines answered stays.
#pragma once

#include <map>
#include <vector>

#include "controlplane/core/access.hpp"

namespace postern::core {

inline constexpr std::size_t unknown_answers_max = 1024;  // addresses and ports of no registered machine, the latest
inline constexpr std::size_t machine_answers_max = 1024;  // of each: one that has a block of addresses can answer from any
inline constexpr std::size_t answer_peers_max = 16;       // of each, the latest
inline constexpr std::chrono::hours answers_kept{30 * 24};

class ExposureBook {
 public:
  using Key = std::pair<Address, std::uint16_t>;
  struct Seen {
    UtcTime first{}, last{};
    std::uint64_t count = 0;
    Severity severity = Severity::low;       // the highest ever
    std::map<Address, ExposurePeer> peers;
    BootTime epoch{};          // of what the gate counts …
    std::uint64_t before = 0;  // … and what it had counted before that
  };

  // owner(key): the machine of the address, or of the forward's port; null: of none.
  template <class Owner>
  void take(const std::vector<Answer>& answers, const Now& now, Owner owner) {
    for (const auto& answer : answers) note(answer, now);
    forget_before(now.utc - answers_kept);
    std::map<const Machine*, std::multimap<UtcTime, Key>> by_owner;
    for (const auto& [key, seen] : seen_) by_owner[owner(key)].emplace(seen.last, key);
    crowded_ = by_owner[nullptr].size() >= unknown_answers_max;
    for (const auto& [machine, keys] : by_owner) {
      auto oldest = keys.begin();
      for (auto left = keys.size(); left > (machine ? machine_answers_max : unknown_answers_max); --left) seen_.erase((oldest++)->second);
    }
  }
  const std::map<Key, Seen>& seen() const { return seen_; }
  bool crowded() const { return crowded_; }

 private:
  void note(const Answer& answer, const Now& now);
  void forget_before(UtcTime time);

  std::map<Key, Seen> seen_;
  bool crowded_ = false;
};

// How far away somebody is who was answered.
Severity severity_of(const Address& machine, const Address& peer);

}  // namespace postern::core
