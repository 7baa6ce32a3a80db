// SPDX-License-Identifier: Apache-2.0
// OIDC access tokens: a JWT that the configured issuer signed for us, judged by its keys (a JWKS). Signatures are cjose's;
// which of them count, and what the claims must say, is decided here. Pure: where keys come from is others'.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/core/model.hpp"
#include "controlplane/core/result.hpp"

struct _cjose_jwk_int;

namespace postern::http {

struct OidcRules {
  std::string issuer;                  // exactly the claim `iss`; empty: no such tokens
  std::vector<std::string> audiences;  // one of which must be in `aud`
  std::string name_claim = "sub";
  std::string roles_claim;                          // a member, or members with dots between
  std::map<std::string, core::Assignment> roles;    // by a value of that claim
  std::map<std::string, std::string> principals;    // by the name claim's value; else "oidc:" and that value
};

class KeySet {
 public:
  static constexpr std::size_t bytes_max = std::size_t{256} << 10, keys_max = 64;

  // Of a JWKS what can verify: RSA of 2048 to 8192 bits, P-256, P-384, for signatures. The error is a sentence: none at all.
  static core::Result<KeySet> read(std::string_view jwks);
  std::size_t size() const { return keys_.size(); }

 private:
  friend struct TokenJudge;
  struct Release {
    void operator()(_cjose_jwk_int* key) const;
  };
  struct Key {
    std::string id, algorithm;  // as the set states them; empty: not
    std::string kind;           // "RSA", "P-256", "P-384"
    std::unique_ptr<_cjose_jwk_int, Release> key;
  };
  std::vector<Key> keys_;
};

struct TokenJudgement {
  core::Result<core::Principal> principal;
  bool unknown_key = false;  // the issuer may have a newer one
};

inline constexpr std::chrono::seconds token_leeway{60};  // clocks differ

// Two dots: an access token; the gate's own have none.
bool looks_like_jwt(std::string_view token);

TokenJudgement judge_token(std::string_view token, const KeySet& keys, const OidcRules& rules, core::UtcTime now);

}  // namespace postern::http
