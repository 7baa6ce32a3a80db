// SPDX-License-Identifier: Apache-2.0
// OIDC access tokens against an issuer of the test's own: what logs in, and every way in which one does not.
#include "controlplane/http/oidc.hpp"

#include <functional>

extern "C" {
#include <cjose/cjose.h>
}
#include <nlohmann/json.hpp>

#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace std::chrono_literals;
using Json = nlohmann::json;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t now_seconds = 1'800'000'000;
const core::UtcTime now{std::chrono::seconds(now_seconds)};

template <class T>
T* must(T* made) {
  if (!made) throw std::runtime_error("cjose");
  return made;
}

class SigningKey {
 public:
  SigningKey(cjose_jwk_t* key, std::string id) : key_(must(key)), id_(std::move(id)) {
    if (!id_.empty()) cjose_jwk_set_kid(key_, id_.data(), id_.size(), nullptr);
  }
  ~SigningKey() { cjose_jwk_release(key_); }
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;

  static cjose_jwk_t* rsa(std::size_t bits = 2048) {
    constexpr std::array<std::uint8_t, 3> e{1, 0, 1};
    return cjose_jwk_create_RSA_random(bits, e.data(), e.size(), nullptr);
  }
  static cjose_jwk_t* ec(cjose_jwk_ec_curve curve = CJOSE_JWK_EC_P_256) { return cjose_jwk_create_EC_random(curve, nullptr); }

  Json jwk(bool with_private = false) const {
    char* text = must(cjose_jwk_to_json(key_, with_private, nullptr));
    const Json json = Json::parse(text);
    cjose_get_dealloc()(text);
    return json;
  }
  const std::string& id() const { return id_; }

  // With this header, whatever it says.
  std::string sign(const Json& header, const std::string& body) const {
    cjose_header_t* made = must(cjose_header_new(nullptr));
    for (const auto& [name, value] : header.items()) {
      if (value.is_string()) {
        cjose_header_set(made, name.c_str(), value.get_ref<const std::string&>().c_str(), nullptr);
      } else {
        cjose_header_set_raw(made, name.c_str(), value.dump().c_str(), nullptr);
      }
    }
    cjose_err error{};
    cjose_jws_t* jws = cjose_jws_sign(key_, made, reinterpret_cast<const std::uint8_t*>(body.data()), body.size(), &error);
    cjose_header_release(made);
    const char* text = nullptr;
    REQUIRE(cjose_jws_export(must(jws), &text, nullptr));
    const std::string token = text;
    cjose_jws_release(jws);
    return token;
  }

 private:
  cjose_jwk_t* key_;
  std::string id_;
};

const SigningKey& rsa() {
  static const SigningKey key(SigningKey::rsa(), "rsa-1");
  return key;
}
const SigningKey& ec() {
  static const SigningKey key(SigningKey::ec(), "ec-1");
  return key;
}
const SigningKey& ec384() {
  static const SigningKey key(SigningKey::ec(CJOSE_JWK_EC_P_384), "ec-384");
  return key;
}
const SigningKey& stranger() {
  static const SigningKey key(SigningKey::rsa(), "rsa-1");  // calls itself as another does
  return key;
}

http::KeySet key_set(const std::vector<Json>& keys) {
  auto set = http::KeySet::read(Json{{"keys", keys}}.dump());
  REQUIRE(set);
  return *std::move(set);
}
const http::KeySet& keys() {
  static const http::KeySet set = key_set({rsa().jwk(), ec().jwk(), ec384().jwk()});
  return set;
}

http::OidcRules rules() {
  http::OidcRules made;
  made.issuer = "https://issuer.example";
  made.audiences = {"postern", "api://gate"};
  made.roles_claim = "roles";
  made.roles = {{"gate-admins", {"admin", "/"}}, {"engineers", {"requester", "/subscriptions/x"}}};
  made.principals = {{"known", "alice"}};
  return made;
}

Json claims(const Json& more = Json::object()) {
  Json made{{"iss", "https://issuer.example"}, {"aud", "postern"}, {"sub", "u-1"}, {"exp", now_seconds + 300}, {"roles", {"engineers"}}};
  made.update(more);
  return made;
}
Json without(const char* name) {
  Json made = claims();
  made.erase(name);
  return made;
}
Json header(const char* algorithm, const std::string& id) {
  return {{"alg", algorithm}, {"kid", id}};
}
std::string good(const Json& body) {
  return ec().sign(header("ES256", "ec-1"), body.dump());
}
std::string encoded(const std::string& text) {
  char* out = nullptr;
  std::size_t size = 0;
  REQUIRE(cjose_base64url_encode(reinterpret_cast<const std::uint8_t*>(text.data()), text.size(), &out, &size, nullptr));
  const std::string result(out, size);
  cjose_get_dealloc()(out);
  return result;
}

core::Result<core::Principal> judged(const std::string& token, const http::OidcRules& by = rules()) {
  return http::judge_token(token, keys(), by, now).principal;
}

std::string why(const core::Result<core::Principal>& principal) {
  return principal ? "logged in as " + principal->name : principal.error().message;
}

}  // namespace

TEST_CASE("good tokens, by every algorithm that is taken") {
  for (const char* name : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}) {
    CAPTURE(name);
    CHECK(judged(rsa().sign(header(name, "rsa-1"), claims().dump())));
  }
  CHECK(judged(good(claims())));
  const auto alice = judged(ec384().sign({{"alg", "ES384"}, {"kid", "ec-384"}, {"typ", "at+jwt"}}, claims().dump()));
  REQUIRE(alice);
  CHECK(alice->name == "oidc:u-1");
  REQUIRE(alice->assignments.size() == 1);
  CHECK(alice->assignments.front().role == "requester");
  CHECK(alice->assignments.front().scope == "/subscriptions/x");
}

TEST_CASE("what the claims say of name and roles") {
  CHECK(judged(good(claims({{"aud", {"other", "api://gate"}}}))));
  CHECK(judged(good(claims({{"sub", "known"}})))->name == "alice");  // whom the configuration names
  CHECK(judged(good(claims({{"roles", "gate-admins"}})))->assignments.front().role == "admin");
  CHECK(judged(good(claims({{"roles", {"gate-admins", "engineers", 5}}})))->assignments.size() == 2);
  CHECK(judged(good(claims({{"roles", {"GATE-ADMINS", "gate-admins "}}})))->assignments.empty());
  CHECK(judged(good(without("roles")))->assignments.empty());
  auto by = rules();
  by.roles_claim = "realm_access.roles";
  CHECK(judged(good(claims({{"realm_access", {{"roles", {"gate-admins"}}}}})), by)->assignments.size() == 1);
  by.name_claim = "preferred_username";
  CHECK(judged(good(claims({{"preferred_username", "Jörg"}})), by)->name == "oidc:Jörg");
  by.name_claim = "email";
  CHECK(judged(good(claims({{"email", "a@b"}, {"email_verified", true}})), by)->name == "oidc:a@b");
  for (const Json& verified : {Json(false), Json("true"), Json(1), Json()}) CHECK_FALSE(judged(good(claims({{"email", "a@b"}, {"email_verified", verified}})), by));
  CHECK_FALSE(judged(good(claims({{"email", "a@b"}})), by));
}

TEST_CASE("times, with a minute's leeway") {
  CHECK(judged(good(claims({{"exp", now_seconds - 59}}))));
  CHECK(judged(good(claims({{"nbf", now_seconds + 60}, {"iat", now_seconds + 60}}))));
  CHECK(judged(good(claims({{"exp", now_seconds + 0.5}}))));
  const auto late = judged(good(claims({{"exp", now_seconds - 60}})));
  REQUIRE_FALSE(late);
  CHECK(late.error().code == core::ErrorCode::expired_token);
}

TEST_CASE("tokens whose claims are not for us") {
  struct Row {
    const char* name;
    Json claims;
    const char* why;
  };
  const auto row = GENERATE(values<Row>({
      {"another issuer", claims({{"iss", "https://issuer.example/"}}), "another issuer"},
      {"an issuer in another case", claims({{"iss", "https://ISSUER.example"}}), "another issuer"},
      {"no issuer", without("iss"), "another issuer"},
      {"another audience", claims({{"aud", "other"}}), "somebody else"},
      {"a part of an audience", claims({{"aud", "poster"}}), "somebody else"},
      {"no audience", without("aud"), "somebody else"},
      {"an empty list of audiences", claims({{"aud", Json::array()}}), "somebody else"},
      {"an object as audience", claims({{"aud", {{"postern", true}}}}), "somebody else"},
      {"no end", without("exp"), "no end"},
      {"an end as text", claims({{"exp", "1900000000"}}), "'exp' that is no time"},
      {"an end beyond all", claims({{"exp", 1e300}}), "'exp' that is no time"},
      {"an end before all", claims({{"exp", -5}}), "'exp' that is no time"},
      {"not good yet", claims({{"nbf", now_seconds + 61}}), "not good yet"},
      {"from the future", claims({{"iat", now_seconds + 61}}), "from the future"},
      {"a beginning that is none", claims({{"nbf", nullptr}}), "'nbf' that is no time"},
      {"no name", without("sub"), "no text 'sub'"},
      {"a name that is a number", claims({{"sub", 5}}), "no text 'sub'"},
      {"an empty name", claims({{"sub", ""}}), "is empty"},
      {"a name of two lines", claims({{"sub", "a\nb"}}), "control or invisible"},
      {"a name with a zero", claims({{"sub", std::string("a\0b", 3)}}), "control or invisible"},
      {"a name that is turned round", claims({{"sub", "\u202eecila"}}), "control or invisible"},
      {"a name with an invisible end", claims({{"sub", "alice\u200b"}}), "control or invisible"},
      {"a name in blanks", claims({{"sub", " alice"}}), "blank"},
      {"a very long name", claims({{"sub", std::string(257, 'a')}}), "too long"},
  }));
  DYNAMIC_SECTION(row.name) {
    CHECK_THAT(why(judged(good(row.claims))), Contains(row.why));
  }
}

TEST_CASE("tokens that nobody vouches for") {
  const std::string body = claims().dump();
  const auto refused = [](const std::string& token, const char* reason) {
    CAPTURE(token.substr(0, 100));
    const auto principal = judged(token);
    CHECK_THAT(why(principal), Contains(reason));
    if (!principal) CHECK(principal.error().code == core::ErrorCode::invalid_token);
  };
  const auto bare = [&](const Json& head) { return encoded(head.dump()) + "." + encoded(body) + "."; };
  refused(bare({{"alg", "none"}}), "no signed JWT");
  refused(bare({{"alg", "none"}, {"kid", "ec-1"}}) + "AA", "'none', which is not accepted");
  for (const char* name : {"None", "nOnE", "", "ES512", "HS384", "EdDSA", "RSA-OAEP"}) refused(bare({{"alg", name}, {"kid", "ec-1"}}) + "AA", "not accepted");
  refused(bare({{"alg", 5}}) + "AA", "not accepted");

  // The public key, as anybody can have it, in the place of a secret.
  const std::string modulus = rsa().jwk()["n"], set = rsa().jwk().dump();
  for (const std::string& secret : {modulus, set}) {
    const SigningKey shared(cjose_jwk_create_oct_spec(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size(), nullptr), "");
    refused(shared.sign(header("HS256", "rsa-1"), body), "'HS256', which is not accepted");
  }

  refused(stranger().sign(header("RS256", "rsa-1"), body), "not by the key it names");
  refused(rsa().sign(header("RS256", "ec-1"), body), "names a key that is not among");  // that key is of another kind
  Json own = header("RS256", "rsa-1");
  own["jwk"] = stranger().jwk();
  own["jku"] = "https://evil.example/keys";
  own["x5u"] = "https://evil.example/chain";
  own["x5c"] = {"AAAA"};
  refused(stranger().sign(own, body), "not by the key it names");
  CHECK(judged(rsa().sign(own, body)));  // and where the issuer says so, what it brings does no harm

  const std::string token = good(claims());
  const auto dot = token.rfind('.');
  refused(token.substr(0, dot + 1), "no signed JWT");
  refused(token.substr(0, dot), "no signed JWT");
  refused(token + "." + token.substr(dot + 1), "no signed JWT");  // two signatures
  refused(token.substr(0, dot + 1) + "AAAA", "not by the key");
  refused(token + "=", "not base64url");
  refused(encoded(header("ES256", "ec-1").dump()) + "." + encoded(claims({{"sub", "root"}}).dump()) + token.substr(dot), "not by the key");
  refused(encoded(R"({"alg":"ES256","kid":"ec-1","alg":"none"})") + "." + encoded(body) + ".AA", "appears twice");
  refused(encoded("[]") + "." + encoded(body) + ".AA", "no object");
  refused("a.b.c", "header that");
  refused("?.b.c", "not base64url");
  refused(std::string(20000, 'a'), "larger than 16384");
  Json critical = header("ES256", "ec-1");
  critical["crit"] = {"exp"};
  refused(ec().sign(critical, body), "critical");
  Json other = header("ES256", "ec-1");
  other["typ"] = "logout+jwt";
  refused(ec().sign(other, body), "another type");
  refused(ec().sign(header("ES256", "ec-1"), "no json"), "body that cannot be read");
  refused(ec().sign(header("ES256", "ec-1"), R"({"sub":"u-1","sub":"root"})"), "appears twice");
  refused(ec().sign(header("ES256", "ec-1"), std::string(40, '[') + std::string(40, ']')), "deep");
}

TEST_CASE("keys: found by their name, told apart by kind and use, and missed") {
  const auto token = good(claims());
  const auto by = [&](const http::KeySet& set, const std::string& what) { return http::judge_token(what, set, rules(), now); };
  CHECK(by(key_set({rsa().jwk()}), token).unknown_key);
  CHECK_FALSE(by(key_set({ec().jwk()}), "a.b.c").unknown_key);
  const auto nameless = ec().sign({{"alg", "ES256"}}, claims().dump());
  CHECK(by(key_set({rsa().jwk(), ec().jwk()}), nameless).principal);  // only one fits
  const SigningKey second(SigningKey::ec(), "ec-2");
  const auto several = by(key_set({second.jwk(), ec().jwk()}), nameless);
  CHECK_THAT(why(several.principal), Contains("several"));
  CHECK_FALSE(several.unknown_key);
  const auto with = [&](const char* name, const Json& value) {
    Json key = ec().jwk();
    key[name] = value;
    return key;
  };
  CHECK(by(key_set({with("use", "sig"), rsa().jwk()}), token).principal);
  CHECK(by(key_set({with("key_ops", {"verify"}), rsa().jwk()}), token).principal);
  for (const Json& key : {with("use", "enc"), with("key_ops", {"encrypt"}), with("alg", "ES384"), with("kty", "oct"), with("crv", "P-521"), with("x", "AA")}) {
    CAPTURE(key.dump());
    CHECK_FALSE(by(key_set({key, rsa().jwk()}), token).principal);
  }
  CHECK(by(key_set({ec().jwk(true)}), token).principal);
}

TEST_CASE("sets of keys that are none") {
  const SigningKey weak(SigningKey::rsa(1024), "weak");
  const SigningKey secret(cjose_jwk_create_oct_random(256, nullptr), "secret");
  for (const std::string& text : {std::string(), std::string("[]"), std::string("{}"), std::string(R"({"keys":{}})"), std::string(R"({"keys":[]})"),
                                  Json{{"keys", {weak.jwk()}}}.dump(), Json{{"keys", {secret.jwk(true)}}}.dump(), std::string(300000, ' ')}) {
    CAPTURE(text.substr(0, 60));
    CHECK_FALSE(http::KeySet::read(text));
  }
}

TEST_CASE("who logs in so is nobody else: no token of the gate has his name, and his name opens no other's") {
  tests::ApiWorld world;
  core::TokenDraft draft;
  draft.role = "admin";
  for (const char* name : {"oidc:u-1", "OIDC:u-1"}) {
    draft.principal = name;
    CHECK_FALSE(world.gate->issue_token(tests::admin(), draft));
  }
  CHECK(judged(good(claims({{"sub", "root"}})))->name == "oidc:root");
  CHECK(judged(good(claims({{"sub", "cert:CN=alice"}})))->name == "oidc:cert:CN=alice");
  CHECK(judged(good(claims({{"sub", "postern"}})))->name == "oidc:postern");
}

TEST_CASE("tokens with two dots go to the issuer's keys, all others to the gate's own") {
  CHECK(http::looks_like_jwt("a.b.c"));
  CHECK_FALSE(http::looks_like_jwt("abc"));
  CHECK_FALSE(http::looks_like_jwt("a.b.c.d"));
  tests::ApiWorld world;
  http::Api api(*world.gate, {});
  api.set_access_tokens([](std::string_view token) { return judged(std::string(token)); });
  const auto status = [&](const std::string& token) {
    http::Peer peer;
    peer.address = core::parse_address("127.0.0.1").value();
    peer.server_port = 7822;
    return api.handle({.method = "GET", .target = "/v1/machines", .headers = {{"host", "localhost:7822"}, {"authorization", "Bearer " + token}}, .body = ""}, peer).status;
  };
  CHECK(status(world.token_of("bob", "reader")) == 200);
  CHECK(status(good(claims({{"roles", "gate-admins"}}))) == 200);
  CHECK(status(good(claims({{"exp", 5}}))) == 401);
}
