// SPDX-License-Identifier: Apache-2.0
// What Azure's clients and scripts send (docs/azure-api.md), and what is noted as wrong about it.
#include "controlplane/http/azure_decode.hpp"

#include "tests/support/catch.hpp"

using namespace postern;
using Texts = std::vector<std::string>;

namespace {

std::string policy_with(const std::string& port) {
  return R"({"properties":{"virtualMachines":[{"id":"vm","ports":[)" + port + "]}]}}";
}

Texts places(const core::DraftFaults& draft) {
  Texts found;
  for (const auto& fault : draft.faults) found.push_back(fault.target);
  return found;
}

}  // namespace

TEST_CASE("bodies of a policy that cannot be read at all") {
  struct Row {
    const char* name;
    const char* body;
  };
  const auto row = GENERATE(values<Row>({
      {"nothing", ""},
      {"no JSON", "virtualMachines"},
      {"an array", "[]"},
      {"a string", "\"x\""},
      {"null", "null"},
      {"no properties", R"({"kind":"Basic"})"},
      {"properties null", R"({"properties":null})"},
      {"properties is text", R"({"properties":"x"})"},
      {"machines at top level, as the SDK's model shows them", R"({"virtualMachines":[]})"},
      {"no machines", R"({"properties":{}})"},
      {"machines null", R"({"properties":{"virtualMachines":null}})"},
      {"machines an object", R"({"properties":{"virtualMachines":{}}})"},
      {"doubled key", R"({"properties":{"virtualMachines":[]},"Properties":{}})"},
  }));
  DYNAMIC_SECTION(row.name) {
    CHECK(http::decode_policy(row.body).unreadable);
  }
}

TEST_CASE("wrong types in a policy are noted, each with its place") {
  struct Row {
    const char* name;
    std::string body;
    Texts places;
  };
  const std::string port = "properties.virtualMachines[0].ports[0]";
  const auto row = GENERATE_COPY(values<Row>({
      {"machine is text", R"({"properties":{"virtualMachines":["vm1"]}})", {"properties.virtualMachines[0]"}},
      {"second machine is null", R"({"properties":{"virtualMachines":[{},null]}})", {"properties.virtualMachines[1]"}},
      {"id is a number", R"({"properties":{"virtualMachines":[{"id":1}]}})", {"properties.virtualMachines[0].id"}},
      {"ports is an object",
       R"({"properties":{"virtualMachines":[{"ports":{}}]}})",
       {"properties.virtualMachines[0].ports"}},
      {"port is a number", policy_with("22"), {port}},
      {"number is true", policy_with(R"({"number":true})"), {port + ".number"}},
      {"number is an array", policy_with(R"({"number":[22]})"), {port + ".number"}},
      {"protocol is a number", policy_with(R"({"protocol":6})"), {port + ".protocol"}},
      {"duration is a number",
       policy_with(R"({"maxRequestAccessDuration":10800})"),
       {port + ".maxRequestAccessDuration"}},
      {"source is an object",
       policy_with(R"({"allowedSourceAddressPrefix":{}})"),
       {port + ".allowedSourceAddressPrefix"}},
      {"sources is text",
       policy_with(R"({"allowedSourceAddressPrefixes":"*"})"),
       {port + ".allowedSourceAddressPrefixes"}},
      {"sources hold a number",
       policy_with(R"({"allowedSourceAddressPrefixes":["*",5]})"),
       {port + ".allowedSourceAddressPrefixes[1]"}},
      {"source array holds null",
       policy_with(R"({"allowedSourceAddressPrefix":[null]})"),
       {port + ".allowedSourceAddressPrefix[0]"}},
      {"several in both members",
       policy_with(
           R"({"allowedSourceAddressPrefix":["10.0.0.1","10.0.0.2"],"allowedSourceAddressPrefixes":["10.0.0.3"]})"),
       {port + ".allowedSourceAddressPrefix"}},
      {"two faults are two", policy_with(R"({"number":true,"protocol":1})"), {port + ".number", port + ".protocol"}},
      {"kind is a number", R"({"kind":1,"properties":{"virtualMachines":[]}})", {"kind"}},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto draft = http::decode_policy(row.body);
    CHECK_FALSE(draft.unreadable);
    CHECK(places(draft) == row.places);
  }
}

TEST_CASE("names in any case, numbers as text, unknown members: all read") {
  const auto draft = http::decode_policy(
      "{\r\n \"KIND\": \"Basic\", \"name\": \"x\", \"location\": \"y\", \"tags\": {\"a\": 1},\r\n"
      R"("Properties":{"requests":[{"requestor":"mallory"}],"provisioningState":"Failed","VIRTUALMACHINES":[
      {"ID":"/vm1","publicipaddress":"192.0.2.1","Ports":[
        {"NUMBER":"22","Protocol":"tcp","allowedsourceaddressprefix":"*","maxrequestaccessduration":"pt3h"},
        {"number":3389,"protocol":"*","maxRequestAccessDuration":"PT1H","ending":"cut","allowedSourceAddressPrefix":null}]}]}})");
  CHECK_FALSE(draft.unreadable);
  CHECK(draft.faults.empty());
  REQUIRE(draft.machines.size() == 1);
  CHECK(draft.kind == "Basic");
  CHECK(draft.machines[0].id == "/vm1");
  CHECK(draft.machines[0].public_ip_address == "192.0.2.1");
  REQUIRE(draft.machines[0].ports.size() == 2);
  const auto& ssh = draft.machines[0].ports[0];
  CHECK(ssh.number == "22");
  CHECK(ssh.protocol == "tcp");
  CHECK(ssh.max_duration == "pt3h");
  CHECK(ssh.source == "*");
  CHECK_FALSE(ssh.sources);
  const auto& rdp = draft.machines[0].ports[1];
  CHECK(rdp.number == "3389");
  CHECK(rdp.ending == "cut");
  CHECK_FALSE(rdp.source);
}

TEST_CASE("sources as Azure's clients send them") {
  struct Row {
    const char* name;
    const char* members;
    std::optional<std::string> source;
    std::optional<Texts> sources;
  };
  const auto row = GENERATE(values<Row>({
      {"none", R"("number":1)", std::nullopt, std::nullopt},
      {"one as text", R"("allowedSourceAddressPrefix":"10.0.0.0/8")", "10.0.0.0/8", std::nullopt},
      {"one in an array", R"("allowedSourceAddressPrefix":["*"])", "*", std::nullopt},
      {"two in an array", R"("allowedSourceAddressPrefix":["10.0.0.1","10.0.0.2"])", std::nullopt,
       Texts{"10.0.0.1", "10.0.0.2"}},
      {"an empty array is none", R"("allowedSourceAddressPrefix":[])", std::nullopt, std::nullopt},
      {"the plural", R"("allowedSourceAddressPrefixes":["10.0.0.1"])", std::nullopt, Texts{"10.0.0.1"}},
      {"the plural null beside one", R"("allowedSourceAddressPrefix":"*","allowedSourceAddressPrefixes":null)", "*",
       std::nullopt},
      {"the plural empty beside one", R"("allowedSourceAddressPrefix":"*","allowedSourceAddressPrefixes":[])", "*",
       Texts{}},
      {"joined by a blank is kept, for the core to refuse",
       R"("allowedSourceAddressPrefix":"10.0.0.0/8 192.168.0.0/16")", "10.0.0.0/8 192.168.0.0/16", std::nullopt},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto draft =
        http::decode_access(R"({"virtualMachines":[{"id":"vm","ports":[{)" + std::string(row.members) + "}]}]}");
    CHECK(draft.faults.empty());
    REQUIRE(draft.machines.size() == 1);
    REQUIRE(draft.machines[0].ports.size() == 1);
    CHECK(draft.machines[0].ports[0].source == row.source);
    CHECK(draft.machines[0].ports[0].sources == row.sources);
  }
}

TEST_CASE("bodies of a request for access") {
  SECTION("with all members") {
    const auto draft = http::decode_access(
        R"({"virtualMachines":[{"ID":"vm","ports":[{"number":"22","duration":"PT1H"},{"number":23,"endTimeUtc":"2030-01-01T00:00:00.0000000Z"}]}],"justification":"disk full"})");
    REQUIRE(draft.machines.size() == 1);
    CHECK(draft.machines[0].id == "vm");
    CHECK(draft.machines[0].ports[0].duration == "PT1H");
    CHECK(draft.machines[0].ports[1].end_time == "2030-01-01T00:00:00.0000000Z");
    CHECK(draft.justification == "disk full");
  }
  SECTION("an absent list of machines is malformed, not unreadable") {
    const auto draft = http::decode_access("{}");
    CHECK_FALSE(draft.unreadable);
    CHECK(draft.machines.empty());
  }
  SECTION("no object is unreadable") {
    CHECK(http::decode_access("[]").unreadable);
    CHECK(http::decode_access("").unreadable);
  }
  SECTION("a justification that is no text") {
    CHECK(places(http::decode_access(R"({"virtualMachines":[],"justification":["x"]})")) == Texts{"justification"});
  }
}
