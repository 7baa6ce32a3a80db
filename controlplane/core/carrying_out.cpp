// SPDX-License-Identifier: Apache-2.0
// From a decided change to the store and the maps, in that order.
#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {

Result<void> Gatekeeper::Parts::commit(const ChangeSet& change) {
  const auto undo = ledger.apply(change);
  if (auto room = projector.fits(ledger); !room) {
    ledger.revert(undo);
    return room;
  }
  auto changes = postponed;
  changes.push_back(change);
  if (auto written = store.commit(changes); !written) {
    ledger.revert(undo);
    return Error{ErrorCode::store_failed,
                 "The change could not be recorded, so it was not made: " + written.error().message,
                 "",
                 {}};
  }
  postponed.clear();
  return {};
}

Result<void> Gatekeeper::Parts::put_in_force() {
  auto done = projector.apply(ledger);
  if (!done) retry_soon();
  return done;
}

void Gatekeeper::Parts::insist(ChangeSet change) {
  ledger.apply(change);
  postponed.push_back(std::move(change));
  if (!write_postponed()) retry_soon();
}

bool Gatekeeper::Parts::write_postponed() {
  if (postponed.empty()) return true;
  if (!store.commit(postponed)) return false;
  postponed.clear();
  return true;
}

void Gatekeeper::Parts::retry_soon() {
  retry_at = clock.now().boot + std::chrono::seconds(1);
}

}  // namespace postern::core
