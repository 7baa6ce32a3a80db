// SPDX-License-Identifier: Apache-2.0
// The switches: in an emergency everything, or a subscription, only monitors, and nothing is forgotten over it.
#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::string_view global_name = "global";
constexpr std::size_t reason_bytes_max = 512;

std::string scope_of(std::string_view subscription) {
  return subscription.empty() ? "/" : "/subscriptions/" + std::string(subscription);
}

std::string whose(const Switch& each) {
  return each.subscription.empty() ? "of all policies" : "of subscription " + each.subscription;
}

std::string described(const Switch& each, std::size_t policies) {
  return "The switch " + whose(each) + " is " + (each.enforcing ? "on" : "off") + ": " + std::to_string(policies) +
         (each.enforcing ? " policies do again what their mode says." : " policies only monitor, whatever their mode says.") +
         (each.reason.empty() ? "" : " Because: " + in_quotes(each.reason) + ".");
}

}  // namespace

Result<std::vector<Switch>> Gatekeeper::list_switches(const Caller& caller) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::switch_read)) {
    if (auto error = p.refused_read(caller, "switch.list", actions::switch_read, "/")) return *error;
  }
  std::vector<Switch> switches;
  if (!p.ledger.switches().contains("")) switches.emplace_back();
  for (const auto& [key, each] : p.ledger.switches()) switches.push_back(each);
  std::erase_if(switches, [&](const Switch& each) {
    return !each.subscription.empty() && !p.allows(caller.principal, actions::switch_read, scope_of(each.subscription));
  });
  return switches;
}

Result<Switch> Gatekeeper::put_switch(const Caller& caller, std::string_view name, const SwitchDraft& draft) {
  auto& p = *parts_;
  const bool global = folded(name) == global_name;
  Decision decision{caller, "switch.put"};
  const auto scope = global || !is_subscription(name) ? "/" : scope_of(name);
  if (auto error = p.forbidden(caller, actions::switch_write, scope)) return p.refuse(decision, *error);
  if (draft.unreadable) return p.refuse(decision, {ErrorCode::invalid_request_content, *draft.unreadable, "", {}});
  Faults faults(draft.faults);
  if (!global && !is_subscription(name)) {
    faults.add("name", in_quotes(name) + R"( is neither "global" nor a subscription id (a GUID).)");
  }
  if (!draft.enforcing) faults.missing("enforcing");
  const auto reason = draft.reason.value_or("");
  if (reason.size() > reason_bytes_max || has_control_characters(reason)) {
    faults.add("reason", in_quotes(reason) + " is not a reason: at most " + std::to_string(reason_bytes_max) + " bytes of plain text.");
  } else if (reason.empty() && draft.enforcing == false) {
    faults.add("reason", "Say why nothing shall be enforced: whoever finds it off must know.");
  }
  if (faults.any()) return p.refuse(decision, faults.as_error(ErrorCode::invalid_input, "The switch was not put"));

  Switch put{global ? "" : folded(name), *draft.enforcing, reason, caller.principal.name, p.clock.now().utc};
  std::size_t policies = 0;
  for (const auto& [key, policy] : p.ledger.policies()) {
    policies += global || folded(policy.id.subscription) == put.subscription;
  }
  ChangeSet change;
  change.put_switches.push_back(put);
  change.audit.push_back(p.record(decision, Outcome::allowed, described(put, policies)));
  if (auto recorded = p.commit(change); !recorded) return recorded.error();
  if (auto error = p.not_in_force()) return *error;
  return put;
}

std::vector<std::string> Gatekeeper::switched_off() const {
  std::vector<std::string> sentences;
  for (const auto& [key, each] : parts_->ledger.switches()) {
    if (each.enforcing) continue;
    sentences.push_back("NOTHING IS ENFORCED: the switch " + whose(each) + " is off since " + format_time(each.since) +
                        ", by " + in_quotes(each.by) + " because " + in_quotes(each.reason) +
                        ". Its policies only monitor; `postern switch on" +
                        (each.subscription.empty() ? "" : " --subscription " + each.subscription) + "` ends that.");
  }
  return sentences;
}

}  // namespace postern::core
