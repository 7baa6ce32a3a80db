// SPDX-License-Identifier: Apache-2.0
// postern token: bearer tokens for programs and people without a seat on the gateway. A secret is shown once.
#include "tools/postern/verbs.hpp"
#include "tools/postern/words.hpp"

namespace postern::cli {
namespace {

using nlohmann::json;

std::string roles_of(const json& token) {
  std::string text;
  for (const json& each : token.value("assignments", json::array()))
    text += (text.empty() ? "" : ", ") + text_of(each, "role") + " on " + text_of(each, "scope");
  return text;
}

}  // namespace

TokenVerbs::TokenVerbs(CLI::App& app, Verb& chosen) {
  CLI::App* group = app.add_subcommand("token", "Bearer tokens: create, list, revoke")->require_subcommand(1);

  CLI::App* verb = group->add_subcommand("create", "Make a token; its secret is shown once and stored hashed");
  verb->add_option("WHO", principal_, "Name that requests and the audit will show")->required();
  verb->add_option("--role", role_, "One that `postern role list` shows")->capture_default_str();
  verb->add_option("--scope", scope_, "Resource id it is limited to; everything if left out");
  verb->add_option("--for", duration_, "How long it is good: 12h, 30d; without end if left out");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { create(desk); }; });

  verb = group->add_subcommand("list", "All tokens, without their secrets");
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { list(desk); }; });

  verb = group->add_subcommand("revoke", "Make a token worthless at once");
  verb->add_option("ID", id_, "Id that `postern token list` shows")->required();
  verb->callback([this, &chosen] { chosen = [this](const Desk& desk) { revoke(desk); }; });
}

void TokenVerbs::create(const Desk& desk) const {
  json body = {{"principal", principal_}, {"role", role_}};
  if (!scope_.empty()) body["scope"] = scope_;
  if (!duration_.empty()) body["duration"] = iso_duration(duration_);
  const Answer answer = desk.gate.call("POST", "/v1/tokens", &body);
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.note("Token " + text_of(answer.body, "id") + " of " + principal_ + " (" + role_ +
                "). It is shown only now:");
  desk.out.line(text_of(answer.body, "secret"));
}

void TokenVerbs::list(const Desk& desk) const {
  const json body = desk.gate.get("/v1/tokens");
  if (desk.out.json()) return desk.out.document(body);
  std::vector<Row> rows;
  for (const json& token : body.value("tokens", json::array())) {
    const std::string expires = text_of(token, "expiresUtc");
    rows.push_back({text_of(token, "id"), text_of(token, "principal"), roles_of(token),
                    local_time(text_of(token, "createdUtc")), expires.empty() ? "never" : local_time(expires)});
  }
  desk.out.table({"TOKEN", "WHO", "MAY", "MADE", "ENDS"}, rows, "No tokens.");
}

void TokenVerbs::revoke(const Desk& desk) const {
  const Answer answer = desk.gate.call("DELETE", "/v1/tokens/" + encoded(id_));
  if (desk.out.json()) return desk.out.document(answer.body);
  desk.out.line("Token " + id_ + " is worthless now.");
}

}  // namespace postern::cli
