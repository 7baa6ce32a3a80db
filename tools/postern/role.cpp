// SPDX-License-Identifier: Apache-2.0
// postern role: which roles there are, and the least that lets somebody in to given machines.
#include <algorithm>
#include <iostream>

#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

constexpr const char* least_role = "requester";  // ask, and read what may be asked for

std::string text_or_dash(const json& object, const char* name) {
  const std::string text = text_of(object, name);
  return text.empty() ? "-" : text;
}

json role_named(const Desk& desk, const std::string& name) {
  const auto same = [](char a, char b) { return std::tolower(a) == std::tolower(b); };
  for (const json& role : desk.gate.get("/v1/roles").value("roles", json::array())) {
    const std::string each = text_of(role, "name");
    if (std::equal(each.begin(), each.end(), name.begin(), name.end(), same)) return role;
  }
  throw Failure(Exit::refused, "there is no role \"" + name + "\"; `postern role list` shows them");
}

}  // namespace

RoleVerbs::RoleVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group = app.add_subcommand("role", "Roles: list, show, the least one for a machine")->require_subcommand(1);

  CLI::App* verb = group->add_subcommand("list", "All roles, built in and from the configuration's `roles`");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { list(desk); }; });

  verb = group->add_subcommand("show", "What a role may do");
  verb->add_option("ROLE", name_, "Its name")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { show(desk); }; });

  verb = group->add_subcommand("least-privilege",
                               "The role that lets somebody ask for these machines and nothing more, as JSON for the\n"
                               "configuration; or a token with it");
  verb->add_option("MACHINE", machines_, "Machines, by name or id")->required();
  verb->add_flag("--policies", over_policies_, "Over the policies that name them: for all machines of those");
  verb->add_option("--principal", principal_, "Who: a local user, or the name that the token's requests will show");
  verb->add_flag("--token", token_, "Make a token for the principal instead; its secret is shown once");
  verb->add_option("--for", duration_, "How long the token is good: 12h, 30d; without end if left out");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { least_privilege(desk); }; });
}

void RoleVerbs::list(const Desk& desk) const {
  const json body = desk.gate.get("/v1/roles");
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  for (const json& role : body.value("roles", json::array()))
    rows.push_back({text_of(role, "name"), role.value("builtIn", false) ? "built in" : "configuration",
                    text_or_dash(role, "notActions"), text_of(role, "actions")});
  desk.out.table({"ROLE", "FROM", "BUT NOT", "MAY"}, rows, "No roles.");
}

void RoleVerbs::show(const Desk& desk) const {
  const json role = role_named(desk, name_);
  if (desk.out.json()) return desk.out.document(role);
  for (const json& action : role.value("actions", json::array())) desk.out.line("may      " + action.get<std::string>());
  for (const json& action : role.value("notActions", json::array())) desk.out.line("but not  " + action.get<std::string>());
}

json RoleVerbs::least_assignments(const Desk& desk) const {
  std::vector<std::string> scopes;
  for (const std::string& name : machines_) {
    const json machine = desk.gate.get("/v1/machines/" + encoded(name));
    const json policies = machine.value("policies", json::array());
    if (policies.empty())
      throw Failure(Exit::refused, "no policy names " + text_of(machine, "name") + ", so there is nothing to ask for");
    if (!over_policies_) scopes.push_back(text_of(machine, "id"));
    for (const json& policy : policies)
      if (over_policies_) scopes.push_back(policy.get<std::string>());
  }
  std::sort(scopes.begin(), scopes.end());
  scopes.erase(std::unique(scopes.begin(), scopes.end()), scopes.end());
  json assignments = json::array();
  for (const std::string& scope : scopes) assignments.push_back({{"role", least_role}, {"scope", scope}});
  return assignments;
}

void RoleVerbs::least_privilege(const Desk& desk) const {
  if (token_ && principal_.empty()) throw Failure(Exit::usage, "say whose token it is: --principal NAME");
  if (!token_ && !duration_.empty()) throw Failure(Exit::usage, "--for is of a token: add --token");
  const json assignments = least_assignments(desk);
  if (!token_) {
    const std::string who = principal_.empty() ? "NAME" : principal_;
    return std::cout << json{{"users", {{who, assignments}}}}.dump(2) << '\n', void();
  }
  json body = {{"principal", principal_}, {"assignments", assignments}};
  if (!duration_.empty()) body["duration"] = iso_duration(duration_);
  const Answer answer = desk.gate.call("POST", "/v1/tokens", &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.note("Token " + text_of(answer.body, "id") + " of " + principal_ + ", for " +
                std::to_string(assignments.size()) + (over_policies_ ? " policies" : " machines") +
                ". It is shown only now:");
  desk.out.line(text_of(answer.body, "secret"));
}

}  // namespace postern::cli
