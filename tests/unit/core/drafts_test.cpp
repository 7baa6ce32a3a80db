// SPDX-License-Identifier: Apache-2.0
// Bodies of policies and requests: every fault at once, each with its place; and what odd clients may send.
#include "controlplane/core/drafts.hpp"

#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const UtcTime now = parse_time("2030-01-02T03:00:00Z").value();

PortDraft good_rule() {
  PortDraft port;
  port.number = "22";
  port.protocol = "TCP";
  port.max_duration = "PT3H";
  return port;
}

PortDraft good_ask() {
  PortDraft port;
  port.number = "22";
  port.duration = "PT1H";
  port.source = "203.0.113.7";
  return port;
}

std::vector<std::string> targets(const Error& error) {
  std::vector<std::string> result;
  for (const auto& fault : error.faults) result.push_back(fault.target);
  return result;
}

Result<Policy> policy_of(const PortDraft& port) {
  PolicyDraft draft;
  draft.machines.push_back({machine_id("vm1"), std::nullopt, {port}});
  return read_policy(policy_id(), draft);
}

Result<AskedAccess> access_of(const PortDraft& port) {
  AccessDraft draft;
  draft.machines.push_back({machine_id("vm1"), std::nullopt, {port}});
  return read_access(draft, std::nullopt, now);
}

template <class Change>
PortDraft with(PortDraft port, Change change) {
  change(port);
  return port;
}

}  // namespace

TEST_CASE("a rule's members, one odd at a time") {
  struct Row {
    const char* name;
    void (*change)(PortDraft& port);
    const char* target;  // null: accepted
  };
  const auto row = GENERATE(values<Row>({
      {"as it should be", [](PortDraft&) {}, nullptr},
      {"port 1", [](PortDraft& p) { p.number = "1"; }, nullptr},
      {"port 65535", [](PortDraft& p) { p.number = "65535"; }, nullptr},
      {"port 0", [](PortDraft& p) { p.number = "0"; }, "number"},
      {"port 65536", [](PortDraft& p) { p.number = "65536"; }, "number"},
      {"DHCP", [](PortDraft& p) { p.number = "67", p.protocol = "UDP"; }, "number"},
      {"DHCPv6 among all protocols", [](PortDraft& p) { p.number = "546", p.protocol = "*"; }, "number"},
      {"TCP to a port of DHCP", [](PortDraft& p) { p.number = "68"; }, nullptr},
      {"a negative port", [](PortDraft& p) { p.number = "-1"; }, "number"},
      {"a port with a fraction", [](PortDraft& p) { p.number = "22.0"; }, "number"},
      {"a huge port", [](PortDraft& p) { p.number = "18446744073709551638"; }, "number"},
      {"an empty port", [](PortDraft& p) { p.number = ""; }, "number"},
      {"no port", [](PortDraft& p) { p.number.reset(); }, "number"},
      {"tcp", [](PortDraft& p) { p.protocol = "tcp"; }, nullptr},
      {"Udp", [](PortDraft& p) { p.protocol = "Udp"; }, nullptr},
      {"*", [](PortDraft& p) { p.protocol = "*"; }, nullptr},
      {"ICMP", [](PortDraft& p) { p.protocol = "ICMP"; }, "protocol"},
      {"an empty protocol", [](PortDraft& p) { p.protocol = ""; }, "protocol"},
      {"no protocol", [](PortDraft& p) { p.protocol.reset(); }, "protocol"},
      {"five minutes", [](PortDraft& p) { p.max_duration = "PT5M"; }, nullptr},
      {"a day", [](PortDraft& p) { p.max_duration = "p1d"; }, nullptr},
      {"less than five minutes", [](PortDraft& p) { p.max_duration = "PT4M59S"; }, "maxRequestAccessDuration"},
      {"more than a day", [](PortDraft& p) { p.max_duration = "PT24H1S"; }, "maxRequestAccessDuration"},
      {"a week", [](PortDraft& p) { p.max_duration = "P1W"; }, "maxRequestAccessDuration"},
      {"no duration", [](PortDraft& p) { p.max_duration.reset(); }, "maxRequestAccessDuration"},
      {"an empty list of sources", [](PortDraft& p) { p.sources.emplace(); }, nullptr},
      {"a source and an empty list", [](PortDraft& p) { p.source = "*", p.sources.emplace(); }, nullptr},
      {"a source and a list", [](PortDraft& p) { p.source = "*", p.sources = {{"*"}}; },
       "allowedSourceAddressPrefixes"},
      {"a bad source", [](PortDraft& p) { p.source = "10.0.0"; }, "allowedSourceAddressPrefix"},
      {"an empty source", [](PortDraft& p) { p.source = ""; }, "allowedSourceAddressPrefix"},
      {"a bad source in the list",
       [](PortDraft& p) {
         p.sources = {{"10.0.0.1", "x"}};
       },
       "allowedSourceAddressPrefixes[1]"},
      {"cut", [](PortDraft& p) { p.ending = "Cut"; }, nullptr},
      {"another ending", [](PortDraft& p) { p.ending = "slam"; }, "ending"},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto policy = policy_of(with(good_rule(), row.change));
    REQUIRE(policy.has_value() == (row.target == nullptr));
    if (policy) return;
    CHECK(policy.error().code == ErrorCode::invalid_policy_input);
    CHECK(targets(policy.error()) ==
          std::vector<std::string>{std::string("properties.virtualMachines[0].ports[0].") + row.target});
  }
}

TEST_CASE("sources as clients send them") {
  CHECK(policy_of(good_rule())->machines[0].ports[0].sources == std::vector<Source>{Source{}});  // none: any
  const auto joined = policy_of(with(good_rule(), [](PortDraft& p) { p.source = "10.0.0.0/8 192.168.0.0/16"; }));
  REQUIRE_FALSE(joined);  // PowerShell
  CHECK(joined.error().message.find("allowedSourceAddressPrefixes") != std::string::npos);
}

TEST_CASE("all faults of a policy at once, each in its place, none twice") {
  PolicyDraft draft;
  draft.faults.push_back({"Is no number.", "properties.virtualMachines[0].ports[0].number"});
  auto typed_wrong = good_rule();
  typed_wrong.number.reset();
  auto bad = good_rule();
  bad.protocol = "SCTP";
  bad.max_duration = "PT1M";
  draft.machines.push_back({machine_id("vm1"), std::nullopt, {typed_wrong, bad, good_rule(), good_rule()}});
  draft.machines.push_back({"/subscriptions/x", std::nullopt, {}});
  draft.machines.push_back({folded(machine_id("VM1")), std::nullopt, {good_rule()}});
  draft.machines.push_back({std::nullopt, std::nullopt, {good_rule()}});
  draft.machines.push_back({machine_id(std::string(56 - 7 + 1, 'x')), std::nullopt, {good_rule()}});
  const auto policy = read_policy(policy_id(), draft);
  REQUIRE_FALSE(policy);
  CHECK(targets(policy.error()) == std::vector<std::string>{
                                       "properties.virtualMachines[0].ports[0].number",
                                       "properties.virtualMachines[0].ports[1].protocol",
                                       "properties.virtualMachines[0].ports[1].maxRequestAccessDuration",
                                       "properties.virtualMachines[0].ports[3].number",
                                       "properties.virtualMachines[1].id",
                                       "properties.virtualMachines[1].ports",
                                       "properties.virtualMachines[2].id",
                                       "properties.virtualMachines[3].id",
                                       "properties.virtualMachines[4].id",
                                   });
}

TEST_CASE("policy and machine names") {
  const auto named = [](const std::string& policy, const std::string& machine) {
    PolicyDraft draft;
    draft.machines.push_back({machine_id(machine), std::nullopt, {good_rule()}});
    return read_policy(policy_id(policy), draft).has_value();
  };
  CHECK(named("default", std::string(49, 'x')));  // 56 together
  CHECK_FALSE(named("default", std::string(50, 'x')));
  CHECK(named("p\xc3\xa9", "vm"));
  for (const auto* bad :
       {"", "a/b", "a\\b", "a?b", "a#b", "a%b", "a<b", "a>b", "a&b", "a\"b", "a'b", "a:b", "a\nb", "a\xc2\x85"}) {
    INFO(bad);
    CHECK_FALSE(named(bad, "vm"));
  }
  auto id = policy_id();
  id.subscription = "mine";
  id.resource_group = "a b";
  const auto policy = read_policy(id, {});
  CHECK(targets(policy.error()) == std::vector<std::string>{"subscriptionId", "resourceGroupName"});
}

TEST_CASE("a request's members, one odd at a time") {
  struct Row {
    const char* name;
    void (*change)(PortDraft& port);
    const char* target;  // null: accepted
  };
  const auto row = GENERATE(values<Row>({
      {"as it should be", [](PortDraft&) {}, nullptr},
      {"an end time", [](PortDraft& p) { p.duration.reset(), p.end_time = "2030-01-02T04:00:00.1234567Z"; }, nullptr},
      {"an end time and a duration", [](PortDraft& p) { p.end_time = "2030-01-02T04:00:00Z"; }, ""},
      {"neither", [](PortDraft& p) { p.duration.reset(); }, ".endTimeUtc"},
      {"an end now", [](PortDraft& p) { p.duration.reset(), p.end_time = "2030-01-02T03:00:00Z"; }, ".endTimeUtc"},
      {"an end in the past", [](PortDraft& p) { p.duration.reset(), p.end_time = "2030-01-02T02:59:59Z"; },
       ".endTimeUtc"},
      {"an end in the past of another zone",
       [](PortDraft& p) { p.duration.reset(), p.end_time = "2030-01-02T04:30:00+02:00"; }, ".endTimeUtc"},
      {"an end that is no time", [](PortDraft& p) { p.duration.reset(), p.end_time = "soon"; }, ".endTimeUtc"},
      {"a duration of nothing", [](PortDraft& p) { p.duration = "PT0S"; }, ".duration"},
      {"a second", [](PortDraft& p) { p.duration = "PT1S"; }, nullptr},
      {"the longest duration that can be written", [](PortDraft& p) { p.duration = "P999999999D"; }, nullptr},
      {"a duration that is none", [](PortDraft& p) { p.duration = "1h"; }, ".duration"},
      {"no port", [](PortDraft& p) { p.number.reset(); }, ".number"},
      {"port 0", [](PortDraft& p) { p.number = "0"; }, ".number"},
      {"a bad source", [](PortDraft& p) { p.source = "home"; }, ".allowedSourceAddressPrefix"},
      {"no source, and none to fill in", [](PortDraft& p) { p.source.reset(); }, ".allowedSourceAddressPrefix"},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto asked = access_of(with(good_ask(), row.change));
    REQUIRE(asked.has_value() == (row.target == nullptr));
    if (asked) return;
    CHECK(asked.error().code == ErrorCode::invalid_initiate_input);
    CHECK(targets(asked.error()) == std::vector<std::string>{std::string("virtualMachines[0].ports[0]") + row.target});
  }
}

TEST_CASE("all faults of a request at once") {
  AccessDraft draft;
  draft.justification = std::string(1025, 'x') + "\n";
  draft.machines.push_back({machine_id("vm1"), std::nullopt, {good_ask(), good_ask()}});
  draft.machines.push_back({std::nullopt, std::nullopt, {}});
  CHECK(targets(read_access(draft, std::nullopt, now).error()) ==
        std::vector<std::string>{"justification", "justification", "virtualMachines[0].ports[1].number",
                                 "virtualMachines[1].id", "virtualMachines[1].ports"});
  CHECK(targets(read_access({}, std::nullopt, now).error()) == std::vector<std::string>{"virtualMachines"});
  AccessDraft fine;
  fine.machines.push_back({machine_id("vm1"), std::nullopt, {good_ask()}});
  for (int i = 0; i < 1024; ++i)
    fine.justification = fine.justification.value_or("") + "\xc3\xbc";  // characters, not bytes
  CHECK(read_access(fine, std::nullopt, now));
}

TEST_CASE("quoted text is cut whole and carries no control characters") {
  const auto refused = access_of(with(
      good_ask(), [](PortDraft& p) { p.source = std::string(79, 'x') + "\xc3\xbc\x1b[31m" + std::string(1000, 'y'); }));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.size() < 300);
  CHECK(refused.error().message.find('\x1b') == std::string::npos);
  CHECK(refused.error().message.find("x\xc3…") == std::string::npos);
}
