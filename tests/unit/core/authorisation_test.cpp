// SPDX-License-Identifier: Apache-2.0
// Who may do what, as a table written out from docs/azure-api.md and docs/api.md, not computed: every role, built in or
// not, with every action, in every kind of scope, over every kind of resource.
#include <array>

#include "controlplane/core/actions.hpp"
#include "tests/unit/core/gate_world.hpp"

using namespace postern::core;
using namespace postern::tests;

namespace {

const std::string jit = "Microsoft.Security/locations/jitNetworkAccessPolicies/";

// In the order of the columns below.
constexpr std::array columns{
    actions::policy_read,  actions::policy_write,   actions::policy_delete, actions::policy_initiate, actions::policy_revoke,
    actions::policy_approve, actions::machine_read, actions::machine_write, actions::machine_delete,  actions::token_read,
    actions::token_write,  actions::token_delete,   actions::gate_read,     actions::audit_read,      actions::role_read,
    actions::break_glass_read, actions::break_glass_write, actions::break_glass_delete, actions::break_glass_review,
    actions::switch_read,  actions::switch_write};

struct RoleRow {
  Role role;
  const char* may;  // x: yes
};

// clang-format off
const std::vector<RoleRow> role_rows{
    // policies: read write delete initiate revoke approve · machines: rwd · tokens: rwd · gate, audit, roles: read ·
    // break-glass: read arm disarm review · switches: read write
    {{"reader", {}, {}},    "x..... x.. ... x.x .... x."},
    {{"requester", {}, {}}, "x..x.. x.. ... ... .... .."},
    {{"approver", {}, {}},  "x....x x.. ... ... .... .."},
    {{"operator", {}, {}},  "x..xx. x.. ... xxx x... x."},
    {{"admin", {}, {}},     "xxxxxx xxx xxx xxx xxxx xx"},
    {{"auditor", {}, {}},   "x..... x.. x.. xxx x..x x."},
    {{"no such role", {}, {}}, "...... ... ... ... .... .."},
    // Azure's documented role of a requester: X/*/read grants X/read.
    {{"azure requester", {jit + "initiate/action", jit + "*/read", "Microsoft.Compute/virtualMachines/read",
                          "Microsoft.Network/networkInterfaces/*/read"}, {}}, "x..x.. ... ... ... .... .."},
    {{"only read is found below", {jit + "*/write", jit + "*/delete", jit + "*/initiate/action"}, {}}, "...... ... ... ... .... .."},
    {{"all reads", {"*/read"}, {}},                       "x..... x.. x.. xxx x... x."},
    {{"all of Azure's", {"Microsoft.Security/*"}, {}},    "xxxxxx ... ... ... .... .."},
    {{"all of ours", {"postern/*"}, {}},                  "...... xxx xxx xxx xxxx xx"},
    {{"shouted", {"MICROSOFT.SECURITY/LOCATIONS/JITNETWORKACCESSPOLICIES/INITIATE/ACTION"}, {}}, "...x.. ... ... ... .... .."},
    {{"without a star", {"Microsoft.Security/locations/jitNetworkAccessPolicies", "Postern"}, {}}, "...... ... ... ... .... .."},
    {{"cut short", {jit + "rea", jit + "initiate", "ostern/*"}, {}}, "...... ... ... ... .... .."},
    {{"ends in action", {"*action"}, {}},                 "...xxx ... ... ... ...x .."},
    {{"stars inside", {"*/jit*Policies/re*"}, {}},        "x...x. ... ... ... .... .."},
    {{"all but changing", {"*"}, {"*/write", "*/DELETE"}}, "x..xxx x.. x.. xxx x..x x."},
    {{"all but reading policies", {"*"}, {jit + "*/read"}}, ".xxxxx xxx xxx xxx xxxx xx"},
    {{"all but approving", {jit + "*"}, {jit + "APPROVE/*"}}, "xxxxx. ... ... ... .... .."},
    {{"nothing left", {"*"}, {"*"}},                      "...... ... ... ... .... .."},
    {{"takes what it never had", {jit + "read"}, {"Postern/*"}}, "x..... ... ... ... .... .."},
    {{"empty", {""}, {}},                                 "...... ... ... ... .... .."},
};

const std::string sub = "/subscriptions/11111111-2222-3333-4444-555555555555", rg1 = sub + "/resourceGroups/rg1",
                  rg10 = sub + "/resourceGroups/rg10";
std::string policy(const std::string& group, const std::string& name, const std::string& location = "west") {
  return group + "/providers/Microsoft.Security/locations/" + location + "/jitNetworkAccessPolicies/" + name;
}
std::string machine(const std::string& group, const std::string& name) {
  return group + "/providers/Microsoft.Compute/virtualMachines/" + name;
}
std::string shouted(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

const std::vector<std::string> resources{
    "/", sub, rg1, policy(rg1, "p"), machine(rg1, "vm1"),                       // the gate, and what lies in one group
    shouted(policy(rg1, "p")), shouted(machine(rg1, "vm1")),                    // in other letters
    policy(rg1, "p2"), policy(rg1, "p", "west2"), machine(rg1, "vm10"),         // beside, with a common beginning
    policy(rg1, "p/x"),                                                         // a name with a slash
    rg10, policy(rg10, "p"), machine(rg10, "vm1"),                              // the other group
    policy("/subscriptions/11111111-2222-3333-4444-555555555556/resourceGroups/rg1", "p"), "",  // elsewhere, nowhere
};

struct ScopeRow {
  std::string scope;
  const char* covers;  // of the resources, in their order
};
const std::vector<ScopeRow> scope_rows{
    {"/",                              "xxxxx xx xxx x xxx xx"},
    {"//",                             "xxxxx xx xxx x xxx xx"},
    {"",                               "..... .. ... . ... .."},
    {"*",                              "..... .. ... . ... .."},
    {"/*",                             "..... .. ... . ... .."},
    {sub,                              ".xxxx xx xxx x xxx .."},
    {sub + "/",                        ".xxxx xx xxx x xxx .."},
    {shouted(sub),                     ".xxxx xx xxx x xxx .."},
    {sub.substr(0, sub.size() - 1),    "..... .. ... . ... .."},
    {sub.substr(1),                    "..... .. ... . ... .."},
    {rg1,                              "..xxx xx xxx x ... .."},
    {rg1 + "/",                        "..xxx xx xxx x ... .."},
    {shouted(rg1),                     "..xxx xx xxx x ... .."},
    {rg1 + "*",                        "..... .. ... . ... .."},
    {rg10,                             "..... .. ... . xxx .."},
    {sub + "/resourceGroups/rg",       "..... .. ... . ... .."},
    {policy(rg1, "p"),                 "...x. x. ... x ... .."},
    {policy(rg1, "p") + "/",           "...x. x. ... x ... .."},
    {shouted(policy(rg1, "p")),        "...x. x. ... x ... .."},
    {machine(rg1, "vm1"),              "....x .x ... . ... .."},
    {shouted(machine(rg1, "vm1")),     "....x .x ... . ... .."},
    {machine(rg1, "vm"),               "..... .. ... . ... .."},
    {machine(rg1, "vm1") + "/x",       "..... .. ... . ... .."},
    {" " + rg1,                        "..... .. ... . ... .."},
    {rg1 + "/../rg10",                 "..... .. ... . ... .."},
};
// clang-format on

std::vector<bool> cells(std::string_view text) {
  std::vector<bool> values;
  for (const char c : text)
    if (c != ' ') values.push_back(c == 'x');
  return values;
}

std::vector<Role> own_roles() {
  std::vector<Role> roles;
  for (const auto& row : role_rows)
    if (!row.role.actions.empty()) roles.push_back(row.role);
  return roles;
}

}  // namespace

TEST_CASE("the table of rights names every action there is") {
  CHECK(columns.size() == actions::all.size());
  for (const auto action : actions::all) {
    INFO(action << " needs a column in this test");
    CHECK(std::find(columns.begin(), columns.end(), action) != columns.end());
  }
  for (const auto& role : built_in_roles()) {
    INFO(role.name << " needs a row in this test");
    CHECK(std::any_of(role_rows.begin(), role_rows.end(), [&](const auto& row) { return row.role.name == role.name; }));
  }
}

TEST_CASE("every role with every action in every scope over every resource") {
  const auto roles = own_roles();
  std::size_t tested = 0;
  std::vector<std::string> wrong;
  for (const auto& role : role_rows) {
    const auto may = cells(role.may);
    REQUIRE(may.size() == columns.size());
    for (const auto& scope : scope_rows) {
      const auto covers = cells(scope.covers);
      REQUIRE(covers.size() == resources.size());
      const Principal who{"kim", {{role.role.name, scope.scope}}};
      for (std::size_t a = 0; a < columns.size(); ++a) {
        for (std::size_t r = 0; r < resources.size(); ++r, ++tested) {
          if (allowed(who, columns[a], resources[r], roles) != (may[a] && covers[r]))
            wrong.push_back(role.role.name + ": " + std::string(columns[a]) + " in " + scope.scope + " over " + resources[r]);
        }
      }
    }
  }
  if (!wrong.empty()) FAIL_CHECK(wrong.size() << " of " << tested << " cells are wrong, the first: " << wrong.front());
  CHECK(tested == role_rows.size() * scope_rows.size() * columns.size() * resources.size());
  CHECK(tested >= 170000);
}

// Rights add up; a notAction of one assignment takes nothing from another, and scopes do not mix.
TEST_CASE("two assignments give what each gives, and no more") {
  const auto roles = own_roles();
  std::size_t tested = 0;
  std::vector<std::string> wrong;
  for (const auto& first : role_rows) {
    for (const auto& second : role_rows) {
      const auto one = cells(first.may), other = cells(second.may);
      const Principal who{"kim", {{first.role.name, rg1}, {second.role.name, machine(rg10, "vm1")}}};
      for (std::size_t a = 0; a < columns.size(); ++a, tested += 2) {
        if (allowed(who, columns[a], policy(rg1, "p"), roles) != one[a] ||
            allowed(who, columns[a], machine(rg10, "vm1"), roles) != other[a])
          wrong.push_back(first.role.name + " and " + second.role.name + ": " + std::string(columns[a]));
      }
    }
  }
  if (!wrong.empty()) FAIL_CHECK(wrong.size() << " of " << tested << " cells are wrong, the first: " << wrong.front());
}
