// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/oidc.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <optional>

extern "C" {
#include <cjose/cjose.h>
}

#include "controlplane/core/principal_name.hpp"
#include "controlplane/core/text.hpp"
#include "controlplane/http/json_body.hpp"

namespace postern::http {
namespace {

using core::Result;

constexpr std::size_t token_bytes_max = 16384;
constexpr std::size_t keys_tried_max = 4;
constexpr double latest_time = 253402300799;  // the year 9999

struct Algorithm {
  std::string_view name, kind;
};

// Never "none", and nothing with a shared secret: the key would be what everybody may fetch.
constexpr std::array algorithms{
    Algorithm{"RS256", "RSA"}, Algorithm{"RS384", "RSA"}, Algorithm{"RS512", "RSA"},   Algorithm{"PS256", "RSA"},
    Algorithm{"PS384", "RSA"}, Algorithm{"PS512", "RSA"}, Algorithm{"ES256", "P-256"}, Algorithm{"ES384", "P-384"},
};

struct ReleaseJws {
  void operator()(cjose_jws_t* jws) const { cjose_jws_release(jws); }
};

core::Error refused(std::string message) {
  return {core::ErrorCode::invalid_token, "The access token " + std::move(message), "", {}};
}

std::optional<std::string> decoded(std::string_view part) {
  const auto plain = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (part.empty() || !std::all_of(part.begin(), part.end(), plain)) return std::nullopt;
  std::uint8_t* bytes = nullptr;
  std::size_t size = 0;
  cjose_err error{};
  if (!cjose_base64url_decode(part.data(), part.size(), &bytes, &size, &error)) return std::nullopt;
  std::string text(bytes, bytes + size);
  cjose_get_dealloc()(bytes);
  return text;
}

Result<Json> object_of(std::string_view part, const char* which) {
  const auto text = decoded(part);
  if (!text) return refused(std::string("has a ") + which + " that is not base64url.");
  auto json = parse_json(*text);
  if (!json) return refused(std::string("has a ") + which + " that cannot be read: " + json.error().message);
  if (!json->is_object()) return refused(std::string("has a ") + which + " that is no object.");
  return json;
}

std::string text_in(const Json& object, const std::string& name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

bool is_among(const Json& list, std::string_view text) {
  return std::any_of(list.begin(), list.end(), [&](const Json& each) { return each.is_string() && each.get_ref<const std::string&>() == text; });
}

bool is_for_signatures(const Json& key) {
  if (key.contains("use") && text_in(key, "use") != "sig") return false;
  return !key.contains("key_ops") || (key["key_ops"].is_array() && is_among(key["key_ops"], "verify"));
}

// What of it is public and ours to use: no private part, no certificate, no URL.
Json public_part(const Json& key) {
  Json part;
  for (const char* name : {"kty", "n", "e", "crv", "x", "y"})
    if (key.contains(name)) part[name] = key[name];
  return part;
}

std::string kind_of(const Json& key) {
  const std::string type = text_in(key, "kty"), curve = text_in(key, "crv");
  if (type == "RSA") return type;
  return type == "EC" && (curve == "P-256" || curve == "P-384") ? curve : "";
}

// A claim by name, or by names with dots between where there is none of that name.
const Json* claim(const Json& claims, const std::string& name) {
  if (const auto found = claims.find(name); found != claims.end()) return &*found;
  const auto dot = name.find('.');
  if (dot == std::string::npos) return nullptr;
  const auto outer = claims.find(name.substr(0, dot));
  return outer != claims.end() && outer->is_object() ? claim(*outer, name.substr(dot + 1)) : nullptr;
}

}  // namespace

void KeySet::Release::operator()(_cjose_jwk_int* key) const {
  cjose_jwk_release(key);
}

Result<KeySet> KeySet::read(std::string_view jwks) {
  const auto fault = [](std::string message) { return core::Error{core::ErrorCode::invalid_input, std::move(message), "", {}}; };
  if (jwks.size() > bytes_max) return fault("The keys are larger than " + std::to_string(bytes_max >> 10) + " KiB.");
  const auto json = parse_json(jwks);
  if (!json) return fault("The keys cannot be read: " + json.error().message);
  if (!json->is_object() || !json->contains("keys") || !(*json)["keys"].is_array())
    return fault("The keys are no JWKS: an object with an array 'keys'.");
  KeySet set;
  for (const Json& each : (*json)["keys"]) {
    if (set.keys_.size() == keys_max) break;
    if (!each.is_object() || kind_of(each).empty() || !is_for_signatures(each)) continue;
    const std::string part = to_text(public_part(each));
    cjose_err error{};
    std::unique_ptr<_cjose_jwk_int, Release> key(cjose_jwk_import(part.data(), part.size(), &error));
    ERR_clear_error();
    if (!key) continue;
    const std::size_t bits = cjose_jwk_get_keysize(key.get(), &error);
    if (kind_of(each) == "RSA" && (bits < 2048 || bits > 8192)) continue;
    set.keys_.push_back({text_in(each, "kid"), text_in(each, "alg"), kind_of(each), std::move(key)});
  }
  if (set.keys_.empty())
    return fault("The keys have none to verify signatures with: RSA of 2048 to 8192 bits, P-256 or P-384.");
  return set;
}

// One token, step by step: each says what is wrong, or nothing.
struct TokenJudge {
  std::string_view token;
  const KeySet& keys;
  const OidcRules& rules;
  double now;
  Json header = {}, claims = {};
  bool unknown_key = false;

  Result<core::Principal> judged() {
    for (const auto step : {&TokenJudge::read, &TokenJudge::verify, &TokenJudge::meant_for_us, &TokenJudge::in_time})
      if (const auto done = (this->*step)(); !done) return done.error();
    return principal();
  }

  Result<void> read() {
    if (token.size() > token_bytes_max) return refused("is larger than " + std::to_string(token_bytes_max) + " bytes.");
    const auto parts = core::split(token, '.');
    if (parts.size() != 3 || parts[2].empty()) return refused("is no signed JWT.");
    auto head = object_of(parts[0], "header");
    if (!head) return head.error();
    header = *std::move(head);
    if (!decoded(parts[2])) return refused("has a signature that is not base64url.");
    // What it means that we do not know what must be known.
    if (header.contains("crit")) return refused("has a critical header, and none is known here.");
    const std::string type = core::folded(text_in(header, "typ"));
    if (header.contains("typ") && type != "jwt" && type != "at+jwt" && type != "application/at+jwt")
      return refused("is of another type: " + core::in_quotes(type) + ".");
    return {};
  }

  // Of the issuer's keys only: what the token itself brings (jwk, jku, x5c, x5u) is nobody's word.
  Result<void> verify() {
    const std::string name = text_in(header, "alg"), id = text_in(header, "kid");
    const auto algorithm = std::find_if(algorithms.begin(), algorithms.end(), [&](const Algorithm& each) { return each.name == name; });
    if (algorithm == algorithms.end()) return refused("is signed by " + core::in_quotes(name) + ", which is not accepted.");
    std::vector<const KeySet::Key*> fitting;
    for (const KeySet::Key& key : keys.keys_)
      if (key.kind == algorithm->kind && (key.algorithm.empty() || key.algorithm == name) && (id.empty() || key.id == id))
        fitting.push_back(&key);
    unknown_key = !id.empty() && fitting.empty();
    if (fitting.empty()) return refused("names a key that is not among the issuer's: " + core::in_quotes(id) + " for " + name + ".");
    if (id.empty() && fitting.size() > 1) return refused("names no key (kid), and the issuer has several.");
    if (fitting.size() > keys_tried_max) fitting.resize(keys_tried_max);
    cjose_err error{};
    for (const KeySet::Key* key : fitting) {
      const std::unique_ptr<cjose_jws_t, ReleaseJws> jws(cjose_jws_import(token.data(), token.size(), &error));
      const bool good = jws && cjose_jws_verify(jws.get(), key->key.get(), &error);
      ERR_clear_error();
      if (!good) continue;
      auto body = object_of(core::split(token, '.')[1], "body");
      if (!body) return body.error();
      claims = *std::move(body);
      return {};
    }
    return refused("has a signature that is not by the key it names.");
  }

  Result<void> meant_for_us() {
    if (text_in(claims, "iss") != rules.issuer) return refused("is by another issuer: " + core::in_quotes(text_in(claims, "iss")) + ".");
    const auto audience = claims.find("aud");
    const Json list = audience == claims.end() ? Json::array() : audience->is_array() ? *audience : Json::array({*audience});
    for (const auto& ours : rules.audiences)
      if (is_among(list, ours)) return {};
    return refused("is for somebody else: its audience is " + core::in_quotes(to_text(list)) + ".");
  }

  Result<std::optional<double>> time(const char* name) {
    const auto found = claims.find(name);
    if (found == claims.end()) return std::optional<double>();
    const double value = found->is_number() ? found->get<double>() : -1;
    if (!std::isfinite(value) || value < 0 || value > latest_time) return refused(std::string("has a '") + name + "' that is no time.");
    return std::optional(value);
  }

  Result<void> in_time() {
    constexpr auto leeway = static_cast<double>(token_leeway.count());
    const auto end = time("exp"), begin = time("nbf"), issued = time("iat");
    for (const auto* each : {&end, &begin, &issued})
      if (!*each) return each->error();
    if (!*end) return refused("has no end (exp).");
    if (now >= **end + leeway) {
      auto error = refused("was good until " + core::format_time(core::UtcTime(std::chrono::seconds(static_cast<std::int64_t>(**end)))) + ".");
      error.code = core::ErrorCode::expired_token;
      return error;
    }
    if (*begin && now + leeway < **begin) return refused("is not good yet (nbf).");
    if (*issued && now + leeway < **issued) return refused("is from the future (iat): clocks differ.");
    return {};
  }

  Result<core::Principal> principal() {
    const Json* name = claim(claims, rules.name_claim);
    if (!name || !name->is_string()) return refused("does not say who it is for: there is no text '" + rules.name_claim + "'.");
    const auto who = name->get<std::string>();
    if (const auto fault = core::text_fault(who); !fault.empty() || who.size() > core::outside_name_bytes_max)
      return refused("has a '" + rules.name_claim + "' that is no name: it " + (fault.empty() ? "is too long" : fault) + ".");
    // Anybody may call an address his own until the issuer has looked.
    if (rules.name_claim == "email" && claims.value("email_verified", Json()) != Json(true))
      return refused("has an e-mail address that the issuer has not verified (email_verified).");
    core::Principal found{std::string(core::oidc_kind) + who, {}};
    if (const auto known = rules.principals.find(who); known != rules.principals.end()) found.name = known->second;
    const Json* roles = rules.roles_claim.empty() ? nullptr : claim(claims, rules.roles_claim);
    const Json list = !roles ? Json::array() : roles->is_array() ? *roles : Json::array({*roles});
    for (const auto& [value, assignment] : rules.roles)
      if (is_among(list, value)) found.assignments.push_back(assignment);
    return found;
  }
};

bool looks_like_jwt(std::string_view token) {
  return std::count(token.begin(), token.end(), '.') == 2;
}

TokenJudgement judge_token(std::string_view token, const KeySet& keys, const OidcRules& rules, core::UtcTime now) {
  TokenJudge judge{token, keys, rules, std::chrono::duration<double>(now.time_since_epoch()).count()};
  auto principal = judge.judged();
  return {std::move(principal), judge.unknown_key};
}

}  // namespace postern::http
