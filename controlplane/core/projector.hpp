// SPDX-License-Identifier: Apache-2.0
// Keeps the maps in step with the ledger. Owns what only the maps know: service ids, slots, and a mirror of what they
// hold. The ledger is the truth; after any failure the mirror is thrown away, the maps are read and compared whole.
#pragma once

#include <deque>
#include <unordered_map>

#include "controlplane/core/access.hpp"
#include "controlplane/core/ledger.hpp"
#include "controlplane/core/ports.hpp"

namespace postern::core {

inline constexpr std::size_t prefix_lengths_max = 16;  // of one service; each costs a look-up per new connection

class Projector {
 public:
  Projector(Dataplane& dataplane, const Settings& settings) : dataplane_(dataplane), settings_(settings) {}

  // Whether what the ledger's pending changes ask for has room (CapacityExhausted); nothing is written.
  Result<void> fits(const Ledger& ledger) const;
  // Brings the maps in step with the ledger's pending changes, or with all of it if the mirror is not to be trusted.
  // On failure (GateFailed) some of it may be in force; in_step() is false until a later call succeeds.
  Result<void> apply(Ledger& ledger);
  Result<void> repair(Ledger& ledger);
  bool in_step() const { return in_step_; }
  bool is_failsafe(const ServiceKey& key) const { return is_failsafe(key, settings_); }
  static bool is_failsafe(const ServiceKey& key, const Settings& settings);
  std::optional<ServiceKey> service_with(std::uint32_t id) const;
  // Whether the gate still has its record: without, the connections that it let in cannot be cut any more.
  bool has_record_of(std::uint64_t serial) const { return slots_.contains(serial) || retired_slots_.contains(serial); }
  // How a live grant was used, as far as the maps know.
  std::optional<GrantUse> use_of(std::uint64_t serial) const;

 private:
  // The slot of an ended grant. Flows may still name it: those of a grant that drained live on, whoever has the slot; those
  // of one that was cut must have been removed first, for with the record goes the word that they are cut.
  struct Retired {
    std::uint64_t serial = 0;
    std::uint32_t slot = 0;
    std::optional<std::uint64_t> cut_at;  // flow_walks() when it was cut, or may have been
  };
  struct Counts {
    std::size_t services_v4 = 0, services_v6 = 0, service_prefixes = 0, entries_v4 = 0, entries_v6 = 0;
    std::size_t& of(const ServiceKey& key);
    std::size_t& of(const EntryKey& key);
  };
  struct Difference {
    Projection held, desired;  // of the same keys
  };

  Difference difference(const Ledger& ledger, const Touched& touched);
  Projection everything(const Ledger& ledger);
  Result<void> execute(const Plan& plan);
  Result<void> write(const Plan& plan);
  void read_mirror(Projection maps, const Ledger& ledger);
  void take_ids();
  void take_slots(const Ledger& ledger);
  void let_go(const Ledger& ledger, const Touched& touched);
  void count(const Step& step);
  void count_all();
  std::optional<Error> too_many_lengths(const Ledger& ledger) const;
  std::optional<Error> no_room(const Ledger& ledger) const;

  std::uint32_t id_of(const ServiceKey& key);
  std::uint32_t slot_of(std::uint64_t serial);
  // Of a grant that is not live; `grant` null: the ledger has forgotten it.
  std::optional<std::uint32_t> slot_held_by(std::uint64_t serial, const Grant* grant) const;
  void retire(std::uint64_t serial, std::uint32_t slot);
  std::uint32_t unretire(std::deque<Retired>::const_iterator retired);
  void note_late_cut(std::uint64_t serial);
  bool is_reusable(const Retired& retired) const;
  ServiceEntry service_entry(const ServiceKey& key, const Service& service);
  Entry entry_of(const std::set<Claim>& claims);

  Dataplane& dataplane_;
  const Settings& settings_;
  bool in_step_ = false;
  Projection mirror_;
  Counts counts_;
  std::map<ServiceKey, std::uint32_t> ids_;
  std::uint32_t last_id_ = 0;
  std::deque<std::uint32_t> free_ids_;  // of services that went, oldest first
  std::unordered_map<std::uint64_t, std::uint32_t> slots_;  // of live grants
  std::uint32_t fresh_slot_ = 0;                            // never used in this mirror, from here on
  std::set<std::uint32_t> holes_;                           // vacant below it
  std::deque<Retired> retired_;                             // oldest first
  std::unordered_map<std::uint64_t, std::uint32_t> retired_slots_;  // by serial, as long as the record is there
};

}  // namespace postern::core
