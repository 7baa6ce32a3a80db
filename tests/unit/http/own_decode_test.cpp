// SPDX-License-Identifier: Apache-2.0
// Our own API's bodies and queries: exact names, unknown ones refused, each fault with its place.
#include "controlplane/http/own_decode.hpp"

#include "tests/support/catch.hpp"

using namespace postern;
using Texts = std::vector<std::string>;

namespace {

Texts places(const std::vector<core::Fault>& faults) {
  Texts found;
  for (const auto& fault : faults) found.push_back(fault.target);
  return found;
}

http::Target target_of(const std::string& text) {
  const auto target = http::parse_target(text);
  REQUIRE(target);
  return *target;
}

}  // namespace

TEST_CASE("faults in a machine's body") {
  struct Row {
    const char* name;
    const char* body;
    Texts places;
  };
  const auto row = GENERATE(values<Row>({
      {"good", R"({"addresses":["192.0.2.10"],"os":"linux"})", {}},
      {"its own name", R"({"name":"VM1","addresses":[]})", {}},
      {"another name", R"({"name":"vm2","addresses":[]})", {"name"}},
      {"no addresses", R"({"os":"linux"})", {"addresses"}},
      {"unknown member", R"({"address":"192.0.2.10"})", {"addresses", "address"}},
      {"known member in another case", R"({"Addresses":[]})", {"addresses", "Addresses"}},
      {"addresses is text", R"({"addresses":"192.0.2.10"})", {"addresses"}},
      {"an address is a number", R"({"addresses":["192.0.2.10",7]})", {"addresses[1]"}},
      {"forwards hold text", R"({"addresses":[],"forwards":["x"]})", {"forwards[0]"}},
      {"unknown in a forward", R"({"addresses":[],"forwards":[{},{"machineport":22}]})", {"forwards[1].machineport"}},
      {"several at once", R"({"os":1,"id":2,"x":3})", {"id", "os", "addresses", "x"}},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto draft = http::decode_machine(row.body, "vm1");
    CHECK_FALSE(draft.unreadable);
    CHECK(places(draft.faults) == row.places);
    CHECK(draft.name == "vm1");
  }
}

TEST_CASE("faults in a request's body") {
  struct Row {
    const char* name;
    const char* body;
    Texts places;
  };
  const auto row = GENERATE(values<Row>({
      {"good",
       R"({"machines":[{"machine":"vm1","ports":[{"number":22,"duration":"PT1H","sources":["203.0.113.7"]}]}],"justification":"x"})",
       {}},
      {"Azure's names", R"({"virtualMachines":[]})", {"virtualMachines"}},
      {"id instead of machine", R"({"machines":[{"id":"vm1","ports":[]}]})", {"machines[0].id"}},
      {"a policy's member in a port",
       R"({"machines":[{"machine":"vm1","ports":[{"number":22,"protocol":"TCP"}]}]})",
       {"machines[0].ports[0].protocol"}},
      {"a source as text",
       R"({"machines":[{"machine":"vm1","ports":[{"sources":"203.0.113.7"}]}]})",
       {"machines[0].ports[0].sources"}},
      {"a requestor of one's own choice", R"({"machines":[],"requestor":"root"})", {"requestor"}},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto draft = http::decode_request(row.body);
    CHECK_FALSE(draft.unreadable);
    CHECK(places(draft.faults) == row.places);
  }
}

TEST_CASE("a request's body is read whole") {
  const auto draft = http::decode_request(
      R"({"machines":[{"machine":"vm1","ports":[{"number":22,"endTimeUtc":"2030-01-01T00:00:00Z"},{"number":"3389","duration":"PT5M","sources":["a","b"]}]}],"justification":"why"})");
  REQUIRE(draft.machines.size() == 1);
  CHECK(draft.machines[0].id == "vm1");
  REQUIRE(draft.machines[0].ports.size() == 2);
  CHECK(draft.machines[0].ports[0].number == "22");
  CHECK(draft.machines[0].ports[0].end_time == "2030-01-01T00:00:00Z");
  CHECK(draft.machines[0].ports[1].number == "3389");
  CHECK(draft.machines[0].ports[1].duration == "PT5M");
  CHECK(draft.machines[0].ports[1].sources == Texts{"a", "b"});
  CHECK(draft.justification == "why");
}

TEST_CASE("a token's body") {
  const auto draft =
      http::decode_token(R"({"principal":"ci","role":"requester","scope":"/subscriptions/x","duration":"P30D"})");
  CHECK(draft.faults.empty());
  CHECK(draft.principal == "ci");
  CHECK(draft.role == "requester");
  CHECK(draft.scope == "/subscriptions/x");
  CHECK(draft.duration == "P30D");
  CHECK(places(http::decode_token(R"({"principal":"ci","roles":["admin"]})").faults) == Texts{"roles"});
  CHECK(http::decode_token("").unreadable);
}

TEST_CASE("queries") {
  struct Row {
    const char* name;
    const char* query;
    const char* fault;  // its place; nullptr: good
  };
  SECTION("of grants") {
    const auto row = GENERATE(values<Row>({
        {"none", "", nullptr},
        {"all of them", "?machine=vm1&all=true&requestor=alice", nullptr},
        {"all without a value", "?all", nullptr},
        {"all is yes", "?all=yes", "all"},
    }));
    DYNAMIC_SECTION(row.name) {
      const auto filter = http::decode_grant_filter(target_of(std::string("/v1/grants") + row.query));
      CHECK(filter.has_value() == (row.fault == nullptr));
      if (row.fault) CHECK(filter.error().target == row.fault);
    }
    CHECK_FALSE(http::decode_grant_filter(target_of("/v1/grants?machines=vm1")));
    CHECK_FALSE(http::decode_grant_filter(target_of("/v1/grants"))->include_ended);
    CHECK_FALSE(http::decode_grant_filter(target_of("/v1/grants?all=false"))->include_ended);
    CHECK(http::decode_grant_filter(target_of("/v1/grants?all"))->include_ended);
  }
  SECTION("of the audit") {
    const auto row = GENERATE(values<Row>({
        {"all of them",
         "?machine=a&principal=b&operation=c&from=2020-01-01T00:00:00Z&to=2030-01-01T00:00:00%2B02:00&before=7&limit="
         "1000",
         nullptr},
        {"limit 0", "?limit=0", "limit"},
        {"limit too large", "?limit=1001", "limit"},
        {"limit negative", "?limit=-1", "limit"},
        {"limit empty", "?limit=", "limit"},
        {"before overflows", "?before=99999999999999999999999", "before"},
        {"from is no time", "?from=yesterday", "from"},
        {"to is no time", "?to=2020-13-01T00:00:00Z", "to"},
    }));
    DYNAMIC_SECTION(row.name) {
      const auto query = http::decode_audit_query(target_of(std::string("/v1/audit") + row.query), "");
      CHECK(query.has_value() == (row.fault == nullptr));
      if (row.fault) CHECK(query.error().target == row.fault);
    }
    CHECK(http::decode_audit_query(target_of("/v1/audit?since=x"), "").error().faults.at(0).target == "since");
    CHECK(http::decode_audit_query(target_of("/v1/audit"), "")->query.limit == 100);
  }
}

TEST_CASE("serials are whole numbers from 1 on") {
  CHECK(http::decode_revocation("17", "").first == 17);
  CHECK(http::decode_revocation("17", "").second.faults.empty());
  CHECK(http::decode_revocation("18446744073709551615", "").first == UINT64_MAX);
  for (const char* bad : {"", "0", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "1.0"})
    CHECK(http::decode_revocation(bad, "").second.faults.at(0).target == "serial");
}

TEST_CASE("the core's places are told in the words of our own body") {
  core::Error error{core::ErrorCode::invalid_initiate_input,
                    "virtualMachines[0].id is wrong",
                    "virtualMachines",
                    {{"Several sources belong in allowedSourceAddressPrefixes, a list.",
                      "virtualMachines[0].ports[1].allowedSourceAddressPrefix"},
                     {"x", "virtualMachines[2].id"},
                     {"x", "virtualMachines[0].ports[0].allowedSourceAddressPrefixes[1]"}}};
  error = http::with_own_places(std::move(error));
  CHECK(error.message == "machines[0].machine is wrong");
  CHECK(error.target == "machines");
  CHECK(error.faults[0].message == "Several sources belong in sources, a list.");
  CHECK(places(error.faults) ==
        Texts{"machines[0].ports[1].sources", "machines[2].machine", "machines[0].ports[0].sources[1]"});
}
