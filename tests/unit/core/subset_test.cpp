// SPDX-License-Identifier: Apache-2.0
// The subset rule and the roles, as tables.
#include "controlplane/core/subset.hpp"

#include "controlplane/core/actions.hpp"
#include "controlplane/core/text.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const UtcTime now = parse_time("2030-01-02T03:00:00Z").value();

Policy office_policy() {
  return read_policy(policy_id(), policy_draft({{"vm1",
                                                 {{"22", "TCP", {"203.0.113.0/24", "2001:db8::/32"}, "PT3H"},
                                                  {"3389", "*", {"*"}, "PT1H", "cut"}}}}))
      .value();
}

}  // namespace

TEST_CASE("a request lies inside its policy or not") {
  struct Row {
    const char* name;
    const char* machine;
    std::uint16_t port;
    const char* source;
    std::chrono::seconds length;
    const char* target;  // null: inside
    std::chrono::seconds granted;
  };
  const auto row = GENERATE(values<Row>({
      {"inside", "vm1", 22, "203.0.113.7", 1h, nullptr, 1h},
      {"the machine in other letters", "VM1", 22, "203.0.113.7", 1h, nullptr, 1h},
      {"another machine", "vm2", 22, "203.0.113.7", 1h, "virtualMachines[0].id", 0s},
      {"another port", "vm1", 23, "203.0.113.7", 1h, "virtualMachines[0].ports[0].number", 0s},
      {"the whole block", "vm1", 22, "203.0.113.0/24", 1h, nullptr, 1h},
      {"more than the block", "vm1", 22, "203.0.112.0/23", 1h, "virtualMachines[0].ports[0].allowedSourceAddressPrefix",
       0s},
      {"beside the block", "vm1", 22, "203.0.114.1", 1h, "virtualMachines[0].ports[0].allowedSourceAddressPrefix", 0s},
      {"the other block", "vm1", 22, "2001:db8:1::/48", 1h, nullptr, 1h},
      {"anywhere, of a rule with blocks", "vm1", 22, "*", 1h, "virtualMachines[0].ports[0].allowedSourceAddressPrefix",
       0s},
      {"anywhere, of a rule for anywhere", "vm1", 3389, "*", 1h, nullptr, 1h},
      {"all of IPv4, of a rule for anywhere", "vm1", 3389, "0.0.0.0/0", 1h, nullptr, 1h},
      {"exactly the longest", "vm1", 22, "203.0.113.7", 3h, nullptr, 3h},
      {"a second more: a clock that is ahead", "vm1", 22, "203.0.113.7", 3h + 1s, nullptr, 3h},
      {"a minute more", "vm1", 22, "203.0.113.7", 3h + 60s, nullptr, 3h},
      {"more than a minute more", "vm1", 22, "203.0.113.7", 3h + 61s, "virtualMachines[0].ports[0]", 0s},
      {"a year", "vm1", 22, "203.0.113.7", 8760h, "virtualMachines[0].ports[0]", 0s},
      {"a second", "vm1", 22, "203.0.113.7", 1s, nullptr, 1s},
  }));
  DYNAMIC_SECTION(row.name) {
    AskedAccess asked;
    asked.ports.push_back({machine_id(row.machine),
                           row.port,
                           {parse_source(row.source).value()},
                           now + row.length,
                           false,
                           "virtualMachines[0].ports[0]"});
    const auto grants = grants_inside(office_policy(), asked, now);
    REQUIRE(grants.has_value() == (row.target == nullptr));
    if (!grants) {
      CHECK(grants.error().code == ErrorCode::not_subset_of_policy);
      CHECK(grants.error().target == row.target);
      CHECK(grants.error().message.find("not a subset of policy '" + policy_id().path()) != std::string::npos);
      return;
    }
    CHECK(grants->at(0).end == now + row.granted);
    CHECK(grants->at(0).machine_id == machine_id("vm1"));
    CHECK(grants->at(0).ending == (row.port == 22 ? Ending::drain : Ending::cut));
    CHECK(grants->at(0).protocol == (row.port == 22 ? Protocol::tcp : Protocol::any));
  }
}

TEST_CASE("actions match without case, * spans slashes, X/*/read grants X/read") {
  struct Row {
    std::vector<std::string> actions, not_actions;
    std::string_view action;
    bool allowed;
  };
  const std::string base = "Microsoft.Security/locations/jitNetworkAccessPolicies/";
  const auto row = GENERATE_COPY(values<Row>({
      {{"*"}, {}, actions::policy_initiate, true},
      {{"*/read"}, {}, actions::policy_read, true},
      {{"*/read"}, {}, actions::policy_initiate, false},
      {{base + "*/read"}, {}, actions::policy_read, true},
      {{base + "*/read"}, {}, actions::policy_write, false},
      {{base + "*"}, {}, actions::policy_initiate, true},
      {{folded(base) + "INITIATE/ACTION"}, {}, actions::policy_initiate, true},
      {{base + "initiate"}, {}, actions::policy_initiate, false},
      {{base + "initiate/action/more"}, {}, actions::policy_initiate, false},
      {{"Microsoft.Security/*"}, {}, actions::policy_delete, true},
      {{"Microsoft.Compute/*"}, {}, actions::policy_read, false},
      {{"*"}, {base + "delete"}, actions::policy_delete, false},
      {{"*"}, {base + "delete"}, actions::policy_write, true},
      {{"*"}, {"*"}, actions::policy_read, false},
      {{}, {}, actions::policy_read, false},
      {{""}, {}, actions::policy_read, false},
  }));
  CAPTURE(row.actions, row.not_actions, row.action);
  CHECK(role_allows({"test", row.actions, row.not_actions}, row.action) == row.allowed);
}

TEST_CASE("the built-in roles") {
  const auto allowed = [](std::string_view role, std::string_view action) {
    for (const auto& each : built_in_roles()) {
      if (each.name == role) return role_allows(each, action);
    }
    return false;
  };
  using namespace actions;
  for (const auto* role : {"reader", "requester", "approver", "operator", "admin", "auditor"})
    CHECK(allowed(role, policy_read));
  for (const auto* role : {"reader", "approver", "auditor"}) CHECK_FALSE(allowed(role, policy_initiate));
  for (const auto* role : {"requester", "operator", "admin"}) CHECK(allowed(role, policy_initiate));
  for (const auto* role : {"reader", "requester", "approver", "operator", "auditor"}) {
    for (const auto action : {policy_write, policy_delete, machine_write, machine_delete, token_write, token_delete}) {
      CHECK_FALSE(allowed(role, action));
    }
  }
  CHECK_FALSE(allowed("requester", policy_revoke));
  CHECK_FALSE(allowed("requester", policy_approve));
  CHECK_FALSE(allowed("approver", policy_revoke));
  CHECK_FALSE(allowed("operator", policy_approve));
  CHECK_FALSE(allowed("reader", audit_read));
  CHECK(allowed("auditor", audit_read));
}

TEST_CASE("scopes end at a slash") {
  CHECK(scope_covers("/", "/subscriptions/a"));
  CHECK(scope_covers("/subscriptions/A", "/subscriptions/a/resourceGroups/g"));
  CHECK(scope_covers("/subscriptions/a/", "/subscriptions/a"));
  CHECK_FALSE(scope_covers("/subscriptions/a", "/subscriptions/ab"));
  CHECK_FALSE(scope_covers("/subscriptions/ab", "/subscriptions/a"));
  CHECK_FALSE(scope_covers("", "/subscriptions/a"));
  CHECK_FALSE(scope_covers("subscriptions/a", "/subscriptions/a"));
}

TEST_CASE("texts are compared without regard to case") {
  CHECK(same_folded("", ""));
  CHECK(same_folded("/A/vM-1", "/a/Vm-1"));
  CHECK_FALSE(same_folded("/a/vm1", "/a/vm2"));
  CHECK_FALSE(same_folded("vm1", "vm11"));
  CHECK_FALSE(same_folded("b/vm1", "a/vm1"));
  CHECK_FALSE(same_folded("[", "{"));  // 0x20 apart, but no letters
}
