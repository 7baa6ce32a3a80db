// SPDX-License-Identifier: Apache-2.0
// The access review: over a period, who may get where, who did, and what an auditor asks about: rights that nobody used or
// that have no end, the longest, what was let in without a request, break-glass.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controlplane/core/model.hpp"
#include "controlplane/core/result.hpp"

namespace postern::core {

inline constexpr std::size_t review_lines_max = 10'000;  // of each list that grows with use
inline constexpr std::size_t review_longest = 10;

// What somebody did to one machine.
struct ReviewedUse {
  std::string requestor = {}, machine_id = {};
  std::uint64_t requests = 0, refused = 0, grants = 0, used_grants = 0, sessions = 0, client_bytes = 0, machine_bytes = 0;
  std::chrono::seconds longest_grant{}, longest_session{};
  std::optional<UtcTime> last = {};  // start of the last grant
};

struct ReviewedGrant {
  std::uint64_t serial = 0;
  std::string requestor, machine_id;
  std::uint16_t port = 0;
  UtcTime start{}, end{};  // end: when it ended or will
};

struct ReviewedSession {
  std::uint64_t id = 0, grant = 0;
  std::string requestor, machine_id, client;
  UtcTime opened{};
  std::optional<UtcTime> closed;
};

// What a store knows of the period.
struct ReviewFacts {
  std::vector<ReviewedUse> uses;            // by requestor and machine
  std::vector<ReviewedGrant> unused;        // that are over, and let nobody in; newest first
  std::uint64_t unused_count = 0;
  std::vector<ReviewedGrant> longest_grants;      // longest first
  std::vector<ReviewedSession> longest_sessions;  // likewise; open ones until now
  std::vector<AuditRecord> break_glass;     // newest first
  std::uint64_t break_glass_count = 0;
};

class ReviewStore {
 public:
  virtual ~ReviewStore() = default;
  // Of grants that started, sessions that opened and records that were made from ≤ time < to.
  virtual Result<ReviewFacts> review(UtcTime from, UtcTime to, UtcTime now) = 0;
  virtual Result<void> note_token_uses(const std::map<std::string, UtcTime>& last) = 0;  // by id
  virtual Result<std::map<std::string, UtcTime>> token_uses() = 0;
};

// Somebody who may ask for access to a machine's ports.
struct ReviewedRight {
  std::string principal, by;  // by: "token ID", or as of a ConfiguredUser
  std::string machine_id, policy;
  std::vector<std::uint16_t> ports;
  bool need_not_ask = false;  // may write policies: could let himself in
};

struct ReviewedToken {
  Token token;
  std::optional<UtcTime> last_used;  // to the hour; none: never, since uses are noted
  bool expired = false;
};

struct Review {
  UtcTime from{}, to{};
  std::vector<ReviewedRight> rights;
  bool rights_cut = false;  // there are more than review_lines_max
  std::vector<StandingRule> standing;
  std::vector<ReviewedToken> tokens;
  ReviewFacts facts;
};

}  // namespace postern::core
