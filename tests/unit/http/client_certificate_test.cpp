// SPDX-License-Identifier: Apache-2.0
// Client certificates as identity: which names one has, when it has none, and who logs in by it.
#include "controlplane/http/client_certificate.hpp"

#include <openssl/x509v3.h>

#include "controlplane/http/identity.hpp"
#include "tests/support/catch.hpp"

using namespace postern;
using namespace std::chrono_literals;
using Texts = std::vector<std::string>;
using Catch::Matchers::Contains;

namespace {

struct Part {
  const char* field;  // "CN", "O"
  std::string value;
  int type = V_ASN1_UTF8STRING;
};

struct Alternative {
  int type;
  std::string value;
};

http::ClientCertificate read(const std::vector<Part>& subject, const std::vector<Alternative>& alternatives = {}) {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), X509_free);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  for (const auto& part : subject)
    REQUIRE(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), part.field, part.type,
                                       reinterpret_cast<const unsigned char*>(part.value.data()),
                                       static_cast<int>(part.value.size()), -1, 0) == 1);
  if (!alternatives.empty()) {
    GENERAL_NAMES* names = sk_GENERAL_NAME_new_null();
    for (const auto& [type, value] : alternatives) {
      GENERAL_NAME* name = GENERAL_NAME_new();
      ASN1_IA5STRING* text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, value.data(), static_cast<int>(value.size()));
      GENERAL_NAME_set0_value(name, type, text);
      sk_GENERAL_NAME_push(names, name);
    }
    X509_add1_ext_i2d(certificate.get(), NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
    GENERAL_NAMES_free(names);
  }
  return http::read_client_certificate(certificate.get());
}

}  // namespace

TEST_CASE("a certificate's names: its whole subject, and the alternative ones by their kinds") {
  const auto all = read({{"O", "Example"}, {"CN", "alice"}},
                        {{GEN_EMAIL, "alice@example.org"}, {GEN_URI, "spiffe://example.org/alice"}, {GEN_DNS, "alice.example.org"}});
  CHECK(all.fault.empty());
  CHECK(all.names == Texts{"CN=alice,O=Example", "email:alice@example.org", "uri:spiffe://example.org/alice", "dns:alice.example.org"});
  CHECK(all.end > std::chrono::system_clock::now());
  CHECK(read({{"CN", "Jörg"}}).names == Texts{"CN=Jörg"});
  CHECK(read({{"CN", "alice,O=Example"}}).names == Texts{"CN=alice\\,O=Example"});  // one value, not two
  CHECK(read({{"O", "Example"}}, {{GEN_EMAIL, "a@b"}}).names == Texts{"email:a@b"});
  CHECK(read({{"CN", "alice"}, {"O", "email:root@example.org"}}).names == Texts{"O=email:root@example.org,CN=alice"});
  CHECK(read({{"CN", "a"}}, {{GEN_URI, "x:" + std::string(300, 'y')}}).names == Texts{"CN=a"});
}

TEST_CASE("certificates that name nobody") {
  struct Row {
    const char* name;
    std::vector<Part> subject;
    std::vector<Alternative> alternatives;
    const char* fault;
  };
  const auto row = GENERATE(values<Row>({
      {"several common names", {{"CN", "alice"}, {"CN", "bob"}}, {}, "several common names"},
      {"a zero byte in the common name", {{"CN", std::string("alice\0.evil", 11)}}, {}, "control or invisible"},
      {"a zero byte in the address", {{"CN", "a"}}, {{GEN_EMAIL, std::string("root@example.org\0.evil", 22)}}, "control or invisible"},
      {"a zero byte in another part", {{"CN", "a"}, {"O", std::string("x\0y", 3)}}, {}, "control or invisible"},
      {"a line's end", {{"CN", "alice\nbob"}}, {}, "control or invisible"},
      {"a character that turns the order", {{"CN", "alice\u202egro"}}, {}, "control or invisible"},
      {"no UTF-8", {{"CN", "a"}}, {{GEN_EMAIL, "\xff@example.org"}}, "not UTF-8"},
      {"a wildcard", {{"CN", "a"}}, {{GEN_DNS, "*.example.org"}}, "many names"},
      {"a wildcard as common name", {{"CN", "*"}}, {}, "many names"},
      {"an empty address", {{"CN", "a"}}, {{GEN_EMAIL, ""}}, "is empty"},
      {"too many names", {{"CN", "a"}}, std::vector<Alternative>(33, {GEN_DNS, "a.example"}), "more than 32"},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto certificate = read(row.subject, row.alternatives);
    CHECK(certificate.names.empty());
    CHECK_THAT(certificate.fault, Contains(row.fault));
  }
}

TEST_CASE("who logs in by a certificate") {
  http::IdentityRules rules;
  rules.certificates = {{"CN=alice,O=Example", "alice", {"requester", "/"}},
                        {"email:bob@example.org", "cert:email:bob@example.org", {"reader", "/subscriptions/x"}}};
  const auto token = [](std::string_view) { return core::Result<core::Principal>(core::Principal{"robot", {{"reader", "/"}}}); };
  const auto later = std::chrono::system_clock::now() + 1h;
  const auto login = [&](const http::ClientCertificate& certificate, const char* authorization = nullptr) {
    http::Peer peer;
    peer.address = core::parse_address("203.0.113.7").value();
    peer.tls = true;
    peer.certificate = certificate;
    http::HttpRequest request;
    if (authorization) request.headers = {{"authorization", authorization}};
    return http::identify(request, peer, rules, token);
  };
  const auto alice = login({.names = {"CN=alice,O=Example", "dns:a.example"}, .end = later});
  REQUIRE(alice);
  CHECK(alice->name == "alice");
  CHECK(alice->assignments.front().role == "requester");
  const auto bob = login({.names = {"CN=x", "email:bob@example.org"}, .end = later});
  REQUIRE(bob);
  CHECK(bob->name == "cert:email:bob@example.org");
  CHECK(bob->assignments.front().scope == "/subscriptions/x");

  const auto refused = [&](const http::ClientCertificate& certificate, const char* why) {
    const auto nobody = login(certificate);
    REQUIRE_FALSE(nobody);
    CHECK(nobody.error().code == core::ErrorCode::authentication_failed);
    CHECK_THAT(nobody.error().message, Contains(why));
  };
  refused({.names = {"CN=alice"}, .end = later}, "'CN=alice'");  // of another organisation
  refused({.names = {"cn=alice,o=example"}, .end = later}, "not in certificate_users");
  refused({.names = {"CN=root"}, .end = later}, "not in certificate_users");
  refused({.names = {"CN=alice,O=Example", "email:bob@example.org"}, .end = later}, "several users");
  refused({.names = {}, .fault = "its subject has several common names", .end = later}, "several common names");
  refused({.names = {"CN=alice,O=Example"}, .end = std::chrono::system_clock::now() - 1s}, "not any more");

  CHECK(login({.names = {"CN=alice,O=Example"}, .end = later}, "Bearer good")->name == "robot");
  CHECK_FALSE(login({.names = {"CN=alice,O=Example"}, .end = later}, "Basic x"));  // what is sent goes first, also if bad
  rules.certificates.clear();
  refused({.names = {"CN=alice,O=Example"}, .end = later}, "'Authorization' header is missing");
}
