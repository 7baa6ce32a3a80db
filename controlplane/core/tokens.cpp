// SPDX-License-Identifier: Apache-2.0
// Bearer tokens: told apart by the hash of their secret, which is shown once and never stored.
#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t lost_roles_told = 5;
constexpr std::size_t id_characters = 12;  // of the hash: public, for listing and erasing

// Where a draft would give rights, before anything is known to be well formed: what authorisation is asked for.
std::vector<std::string> scopes_of(const TokenDraft& draft) {
  const auto scope_of = [](const std::optional<std::string>& scope) {
    return scope && scope->starts_with("/") ? *scope : "/";
  };
  if (!draft.assignments || draft.assignments->empty()) return {scope_of(draft.scope)};
  std::vector<std::string> scopes;
  for (const auto& given : *draft.assignments) scopes.push_back(scope_of(given.scope));
  return scopes;
}

std::vector<std::string> scopes_of(const Token& token) {
  std::vector<std::string> scopes;
  for (const auto& assignment : token.principal.assignments) scopes.push_back(assignment.scope);
  if (scopes.empty()) scopes.push_back("/");
  return scopes;
}

std::string described(const std::vector<Assignment>& assignments) {
  std::vector<std::string> parts;
  for (const auto& assignment : assignments) parts.push_back(assignment.role + " over " + in_quotes(assignment.scope));
  return joined(parts);
}

}  // namespace

Result<Principal> Gatekeeper::authenticate(std::string_view token_secret) {
  auto& p = *parts_;
  const auto* token = p.ledger.token_by_hash(p.randomness.sha256_hex(token_secret));
  if (!token) return Error{ErrorCode::invalid_token, "The token is not known.", "", {}};
  if (token->expires && *token->expires <= p.latest_time()) {
    return Error{ErrorCode::expired_token, "The token was good until " + format_time(*token->expires) + ".", "", {}};
  }
  p.note_use(*token);
  return token->principal;
}

// A token is in reach of whoever has the right over all that it reaches itself.
std::optional<Error> Gatekeeper::Parts::out_of_reach(const Caller& caller, std::string_view action,
                                                     const std::vector<std::string>& scopes) const {
  for (const auto& scope : scopes)
    if (auto error = forbidden(caller, action, scope)) return error;
  return std::nullopt;
}

std::optional<Error> Gatekeeper::Parts::may_not_give(const Caller& caller,
                                                     const std::vector<Assignment>& assignments) const {
  for (const auto& given : assignments) {
    const auto* role = role_of(given);
    for (const auto action : actions::all) {
      if (!role || !role_allows(*role, action) || allows(caller.principal, action, given.scope)) continue;
      auto error = lacks(caller, action, given.scope);
      error.message += " Nobody can hand on what he does not hold himself.";
      return error;
    }
  }
  return std::nullopt;
}

// Where the issuer may arm break-glass, a token of his stands for its name.
std::vector<std::string> Gatekeeper::Parts::vouched_by(const Principal& issuer) const {
  std::vector<std::string> scopes;
  for (const auto& assignment : issuer.assignments) {
    const auto* role = role_of(assignment);
    if (role && role_allows(*role, actions::break_glass_write)) scopes.push_back(assignment.scope);
  }
  return scopes;
}

// What they grant is nothing; whoever wonders why finds it in the status.
std::vector<std::string> Gatekeeper::Parts::lost_roles() const {
  std::vector<std::string> sentences;
  for (const auto& [id, token] : ledger.tokens()) {
    if (token.expires && *token.expires <= latest_time()) continue;
    for (const auto& assignment : token.principal.assignments) {
      if (role_of(assignment)) continue;
      sentences.push_back("Token " + id + " of " + in_quotes(token.principal.name) + " has the role " +
                          in_quotes(assignment.role) + ", which does not exist any more: it grants nothing.");
    }
  }
  if (sentences.size() > lost_roles_told) {
    const auto more = sentences.size() - lost_roles_told;
    sentences.resize(lost_roles_told);
    sentences.push_back("Roles that do not exist any more stand in tokens " + std::to_string(more) + " more times.");
  }
  return sentences;
}

Result<std::vector<Token>> Gatekeeper::list_tokens(const Caller& caller) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::token_read)) {
    if (auto error = p.refused_read(caller, "token.list", actions::token_read, "/")) return *error;
  }
  std::vector<Token> tokens;
  for (const auto& [id, token] : p.ledger.tokens()) {
    if (!p.out_of_reach(caller, actions::token_read, scopes_of(token))) tokens.push_back(token);
  }
  return tokens;
}

Result<IssuedToken> Gatekeeper::issue_token(const Caller& caller, const TokenDraft& draft) {
  auto& p = *parts_;
  const Decision decision{caller, "token.issue"};
  if (auto error = p.out_of_reach(caller, actions::token_write, scopes_of(draft))) return p.refuse(decision, *error);
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  auto token = read_token(draft, p.clock.now().utc, p.settings.roles);
  if (!token) return p.refuse(decision, token.error());
  if (auto error = p.may_not_give(caller, token->principal.assignments)) return p.refuse(decision, *error);

  token->principal.vouched = p.vouched_by(caller.principal);
  const auto secret = p.randomness.token_secret();
  token->hash = p.randomness.sha256_hex(secret);
  token->id = token->hash.substr(0, id_characters);
  if (p.ledger.tokens().contains(token->id)) {
    return p.refuse(decision, {ErrorCode::internal, "The new token's id is taken; please try again.", "", {}});
  }
  ChangeSet change;
  change.put_tokens.push_back(*token);
  change.audit.push_back(p.record(decision, Outcome::allowed,
                                  "Token " + token->id + " for " + in_quotes(token->principal.name) + " as " +
                                      described(token->principal.assignments) +
                                      (token->expires ? " until " + format_time(*token->expires) : "") + "."));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  return IssuedToken{*std::move(token), secret};
}

Result<bool> Gatekeeper::erase_token(const Caller& caller, std::string_view id) {
  auto& p = *parts_;
  const Decision decision{caller, "token.erase"};
  const auto found = p.ledger.tokens().find(std::string(id));
  const bool exists = found != p.ledger.tokens().end();
  if (!p.allows_anywhere(caller.principal, actions::token_delete))
    return p.refuse(decision, p.lacks(caller, actions::token_delete, "/"));
  const auto beyond = exists ? p.out_of_reach(caller, actions::token_delete, scopes_of(found->second)) : std::nullopt;
  const bool outside = beyond.has_value();
  if (outside && !p.out_of_reach(caller, actions::token_read, scopes_of(found->second))) return p.refuse(decision, *beyond);
  // One that the caller may not see answers like one that there is not; the record knows better.
  ChangeSet change;
  const auto whose = exists ? " of " + in_quotes(found->second.principal.name) : "";
  if (exists && !outside) change.erase_tokens.push_back(found->first);
  change.audit.push_back(p.record(decision, outside ? Outcome::refused : Outcome::allowed,
                                  "Token " + in_quotes(id) + whose +
                                      (outside  ? " is outside of the caller's scope, and was said not to exist."
                                       : exists ? " erased."
                                                : " did not exist.")));
  if (outside) change.audit.back().code = std::string(wire_name(ErrorCode::authorization_failed));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  return exists && !outside;
}

}  // namespace postern::core
