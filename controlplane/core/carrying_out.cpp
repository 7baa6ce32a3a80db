// SPDX-License-Identifier: Apache-2.0
// From a decided change to the store and the maps, in that order.
#include <algorithm>
#include <iterator>

#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {
namespace {

// What only ends something needs no room, and must not be refused for want of it.
bool needs_room(const ChangeSet& change) {
  return !change.put_machines.empty() || !change.put_policies.empty() ||
         std::any_of(change.put_grants.begin(), change.put_grants.end(),
                     [](const Grant& grant) { return grant.state == GrantState::live; });
}

// A forward of one machine may be an address of another. Guarded for both, whoever is let in to one would be in the
// other.
Result<void> told_apart(const Services& services) {
  for (const auto& key : services.touched().services) {
    const auto* service = services.find(key);
    if (!service || service->owners < 2) continue;
    return Error{ErrorCode::conflict,
                 to_string(key.address) + " port " + std::to_string(key.port) +
                     " would lead to two machines: it is guarded for one as its address, for another as its forward.",
                 "",
                 {}};
  }
  return {};
}

// A forward that is guarded stands before a block that is: it would take its address out of another machine's hands.
Result<void> outside_of_blocks(const Ledger& ledger) {
  const auto guarded = [&](const ServiceKey& key) {
    const auto* service = ledger.services().find(key);
    return service && service->owners > 0;
  };
  for (const auto& [id, machine] : ledger.machines()) {
    for (const auto& forward : machine.forwards) {
      const Prefix own{forward.address, static_cast<std::uint8_t>(forward.address.family == Family::ipv4 ? 32 : 128)};
      if (!guarded({own, forward.port, forward.protocol})) continue;
      for (const auto& [other_id, other] : ledger.machines()) {
        for (const auto& block : other.addresses) {
          if (id == other_id || block == own || !block.contains(own)) continue;
          if (!guarded({block, forward.port, forward.protocol})) continue;
          return Error{ErrorCode::conflict,
                       to_string(own) + " port " + std::to_string(forward.port) +
                           " leads to one machine as its forward, but lies in " + to_string(block) +
                           ", which is guarded for another.",
                       "",
                       {}};
        }
      }
    }
  }
  return {};
}

Error not_recorded(const Error& why) {
  return {
      ErrorCode::store_failed, "The change could not be recorded, so it was not made: " + why.message, "", {}};
}

}  // namespace

Result<void> Gatekeeper::Parts::commit(const ChangeSet& change) {
  auto news = news_of(change);
  auto undo = ledger.apply(change);
  if (together) {
    together->changes.push_back(change);
    together->undos.push_back(std::move(undo));
    std::move(news.begin(), news.end(), std::back_inserter(together->news));
    return {};
  }
  if (needs_room(change)) {
    auto possible = told_apart(ledger.services());
    if (possible && !(change.put_machines.empty() && change.put_policies.empty())) possible = outside_of_blocks(ledger);
    if (possible) possible = projector.fits(ledger);
    if (!possible) {
      ledger.revert(undo);
      return possible;
    }
  }
  auto changes = postponed;
  changes.push_back(change);
  if (auto written = store.commit(changes); !written) {
    ledger.revert(undo);
    return not_recorded(written.error());
  }
  postponed.clear();
  tell(news);
  return {};
}

// All of them or none. Those that were gathered are requests for access: machines and policies are what they were.
Result<void> Gatekeeper::Parts::commit(const Together& group) {
  auto possible = told_apart(ledger.services());
  if (possible) possible = projector.fits(ledger);
  auto changes = postponed;
  changes.insert(changes.end(), group.changes.begin(), group.changes.end());
  if (possible) possible = store.commit(changes);
  if (possible) {
    postponed.clear();
    tell(group.news);
  } else {
    undo(group);
  }
  return possible;
}

Result<void> Gatekeeper::Parts::put_in_force() {
  if (together) return {};
  auto done = projector.apply(ledger);
  if (!done) retry_soon();
  gate_trouble = done ? "" : done.error().message;
  return done;
}

std::optional<Error> Gatekeeper::Parts::not_in_force() {
  auto done = put_in_force();
  if (done) return std::nullopt;
  return Error{
      ErrorCode::gate_failed,
      "The change is recorded, but not yet in force; this is tried again every second. " + done.error().message,
      "",
      {}};
}

// Asked before anything is opened: while the maps are out of reach nothing is, and their room cannot be counted.
std::optional<Error> Gatekeeper::Parts::gate_away() {
  if (projector.in_step()) return std::nullopt;
  auto reached = put_in_force();
  if (reached) return std::nullopt;
  return reached.error();
}

void Gatekeeper::Parts::insist(ChangeSet change) {
  insist(std::vector<ChangeSet>{std::move(change)});
}

void Gatekeeper::Parts::insist(std::vector<ChangeSet> changes) {
  for (auto& change : changes) {
    const auto news = news_of(change);
    ledger.apply(change);
    tell(news);
    postponed.push_back(std::move(change));
  }
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
