// SPDX-License-Identifier: Apache-2.0
// What a key says of the audit, as one line that may be kept anywhere:
//   postern-audit-head 1 SEQUENCE HASH TIME KEY SIGNATURE
// "at TIME the audit ended in record SEQUENCE, whose hash was HASH"; or postern-audit-checkpoint: "records up to SEQUENCE
// were taken out". Signed is the line up to KEY; HASH, KEY and SIGNATURE are hex.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "controlplane/core/time.hpp"
#include "controlplane/store/audit_chain.hpp"
#include "controlplane/store/head_key.hpp"

namespace postern::store {

struct SignedHead {
  enum class Kind { head, checkpoint };
  Kind kind = Kind::head;
  std::uint64_t sequence = 0;
  Hash hash{};
  std::string time, key, signature;  // signature: 64 bytes

  std::string statement() const;  // what is signed
  std::string line() const;
};

SignedHead signed_head(SignedHead::Kind kind, std::uint64_t sequence, const Hash& hash, core::UtcTime time,
                       const HeadKey& key);
std::optional<SignedHead> parse_head(std::string_view line);  // exactly; not whether it is truly signed

}  // namespace postern::store
