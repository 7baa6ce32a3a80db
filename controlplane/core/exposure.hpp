// SPDX-License-Identifier: Apache-2.0
// What answered from a watched port although no policy guards it, remembered for longer than the gate does and bounded:
// whatever strangers and machines make up, what registered machines answered stays.
#pragma once

#include <map>
#include <vector>

#include "controlplane/core/access.hpp"

namespace postern::core {

inline constexpr std::size_t unknown_answers_max = 1024;  // addresses and ports of no registered machine
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

  // `registered`: whether the address is one of a machine's, or the port a forward's.
  template <class Registered>
  void take(const std::vector<Answer>& answers, const Now& now, Registered registered) {
    std::size_t unknown = 0;
    for (const auto& answer : answers) note(answer, now);
    forget_before(now.utc - answers_kept);
    std::multimap<UtcTime, Key> strangers;
    for (const auto& [key, seen] : seen_) {
      if (registered(key)) continue;
      strangers.emplace(seen.last, key);
      ++unknown;
    }
    for (auto oldest = strangers.begin(); unknown > unknown_answers_max; ++oldest, --unknown) seen_.erase(oldest->second);
    crowded_ = unknown >= unknown_answers_max;
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
