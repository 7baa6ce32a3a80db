// SPDX-License-Identifier: Apache-2.0
// Bearer tokens: told apart by the hash of their secret, which is shown once and never stored.
#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t id_characters = 12;  // of the hash: public, for listing and erasing

std::string scope_of(const TokenDraft& draft) {
  return draft.scope && draft.scope->starts_with("/") ? *draft.scope : "/";
}

std::string scope_of(const Token& token) {
  return token.principal.assignments.empty() ? "/" : token.principal.assignments.front().scope;
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

Result<std::vector<Token>> Gatekeeper::list_tokens(const Caller& caller) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::token_read)) {
    if (auto error = p.refused_read(caller, "token.list", actions::token_read, "/")) return *error;
  }
  std::vector<Token> tokens;
  for (const auto& [id, token] : p.ledger.tokens()) {
    if (p.allows(caller.principal, actions::token_read, scope_of(token))) tokens.push_back(token);
  }
  return tokens;
}

// Nobody can give a right beyond the scope in which he may issue tokens.
Result<IssuedToken> Gatekeeper::issue_token(const Caller& caller, const TokenDraft& draft) {
  auto& p = *parts_;
  const Decision decision{caller, "token.issue"};
  if (auto error = p.forbidden(caller, actions::token_write, scope_of(draft))) return p.refuse(decision, *error);
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  auto token = read_token(draft, p.clock.now().utc);
  if (!token) return p.refuse(decision, token.error());

  const auto secret = p.randomness.token_secret();
  token->hash = p.randomness.sha256_hex(secret);
  token->id = token->hash.substr(0, id_characters);
  if (p.ledger.tokens().contains(token->id)) {
    return p.refuse(decision, {ErrorCode::internal, "The new token's id is taken; please try again.", "", {}});
  }
  const auto& assignment = token->principal.assignments.front();
  ChangeSet change;
  change.put_tokens.push_back(*token);
  change.audit.push_back(p.record(decision, Outcome::allowed,
                                  "Token " + token->id + " for " + in_quotes(token->principal.name) + " as " +
                                      assignment.role + " over " + in_quotes(assignment.scope) +
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
  const bool outside = exists && !p.allows(caller.principal, actions::token_delete, scope_of(found->second));
  if (outside && p.allows(caller.principal, actions::token_read, scope_of(found->second)))
    return p.refuse(decision, p.lacks(caller, actions::token_delete, scope_of(found->second)));
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
