// SPDX-License-Identifier: Apache-2.0
// Settings that change while the gate is up: what is failsafe, where nameless things belong.
#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {
namespace {

const Caller& own_self() {
  static const Caller self{{std::string(own_name), {}}, std::nullopt, "", ""};
  return self;
}

}  // namespace

Result<void> Gatekeeper::reconfigure(Settings settings, std::string detail) {
  auto& p = *parts_;
  const Decision decision{own_self(), "config.reload"};
  if (p.projector.in_step() && settings.failsafe_sources.size() > p.dataplane.capacity().failsafe_sources) {
    return p.refuse(decision, {ErrorCode::capacity_exhausted,
                               "The gate has room for " + std::to_string(p.dataplane.capacity().failsafe_sources) +
                                   " failsafe sources, not for " + std::to_string(settings.failsafe_sources.size()) + ".",
                               "",
                               {}});
  }
  ChangeSet change;
  change.audit.push_back(p.record(decision, Outcome::allowed, std::move(detail)));
  if (auto recorded = p.commit(change); !recorded) return recorded;
  const Settings before = std::exchange(p.settings, std::move(settings));
  for (const auto& [key, service] : p.ledger.services().all())
    if (Projector::is_failsafe(key, before) != p.projector.is_failsafe(key)) p.ledger.services().touch_service(key);
  (void)p.put_in_force();  // ready() tells, sweep() tries again
  return {};
}

void Gatekeeper::refuse_configuration(std::string detail) {
  auto& p = *parts_;
  const Decision decision{own_self(), "config.reload"};
  (void)p.refuse(decision, {ErrorCode::invalid_input, std::move(detail), "", {}});
}

}  // namespace postern::core
