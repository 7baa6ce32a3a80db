// SPDX-License-Identifier: Apache-2.0
// Collects what the gate tells of connections and writes it to the store now and then, a bounded stretch in each
// transaction. What finds no room while the store cannot be written is counted, and the audit says how many there were.
#pragma once

#include <deque>
#include <utility>

#include "controlplane/core/ledger.hpp"
#include "controlplane/core/ports.hpp"
#include "controlplane/core/trail.hpp"

namespace postern::core {

inline constexpr std::size_t flow_news_held = 50'000;    // not yet written
inline constexpr std::size_t flow_news_a_write = 4'000;  // in one transaction
inline constexpr std::uint64_t flow_records_kept = 500'000;
inline constexpr std::chrono::hours flow_records_kept_for{24 * 90};

class FlowRecorder {
 public:
  static constexpr std::uint64_t looks_between_asking = 60;

  FlowRecorder(FlowStore& store, const Clock& clock);

  void take(const FlowEvent& event, const Ledger& ledger);
  // To be called about once a second. `walks`: Dataplane::flow_walks(), by which it knows that every flow was seen.
  void write(std::uint64_t walks);
  // How many were lost since this was last asked; only once the store can be written again.
  std::uint64_t take_losses();
  // Whether it is time to ask the gate how many its ring had no room for; `total` being that, since the gate began: whether
  // there are more than when this was last told.
  bool looks_at_ring() { return looks_++ % looks_between_asking == 0; }
  bool ring_lost_more(std::uint64_t total) {
    const auto told = std::exchange(ring_lost_, total);
    return total > (told > total ? 0 : told);  // fewer: it began anew
  }

  const TrailCounts& counts() const { return counts_; }
  const std::string& trouble() const { return trouble_; }  // why nothing can be written now; empty: it can
  FlowStore& store() { return store_; }

 private:
  bool note(const Result<void>& done);

  FlowStore& store_;
  const Clock& clock_;
  std::deque<FlowNews> held_;
  TrailCounts counts_;
  std::uint64_t run_, walks_ = 0, losses_ = 0, writes_ = 0, looks_ = 0, ring_lost_ = 0;
  bool unseen_ended_ = false, tidy_on_ = false;
  std::string trouble_;
};

}  // namespace postern::core
