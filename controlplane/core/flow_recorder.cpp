// SPDX-License-Identifier: Apache-2.0
#include "controlplane/core/flow_recorder.hpp"

#include <algorithm>
#include <utility>

namespace postern::core {
namespace {

constexpr std::size_t tidied_a_time = 2'000;
constexpr std::uint64_t writes_between_tidying = 600;

const Machine* owner(const Ledger& ledger, const PacketEnd& end, std::uint8_t protocol) {
  if (!end.address) return nullptr;
  const Prefix exact{*end.address, static_cast<std::uint8_t>(end.address->family == Family::ipv4 ? 32 : 128)};
  const auto found = ledger.behind({exact, end.port, static_cast<Protocol>(protocol)});
  return found ? found->first : nullptr;
}

}  // namespace

FlowRecorder::FlowRecorder(FlowStore& store, const Clock& clock)
    : store_(store), clock_(clock), run_(static_cast<std::uint64_t>(clock.now().utc.time_since_epoch().count())) {}

void FlowRecorder::take(const FlowEvent& event, const Ledger& ledger) {
  // What is only seen leaves room for what happens.
  const bool only_seen = event.kind == FlowEvent::Kind::seen;
  if (held_.size() >= (only_seen ? flow_news_held / 2 : flow_news_held)) {
    ++counts_.flows_lost;
    ++losses_;
    unseen_ended_ = unseen_ended_ || only_seen;  // not every flow that is open was written
    return;
  }
  const Now now = clock_.now();
  const auto utc = [&now](BootTime time) { return now.utc - (now.boot - time); };
  // One that finished, or fell silent, is forgotten only after a while; it ended with its last packet.
  const bool by_itself = event.last != BootTime{} && event.end != "cut";
  FlowNews news{event, utc(by_itself ? event.last : event.time), utc(event.opened), clock_.boot_id(), "", false};
  if (const auto standing = ledger.standing().find(event.grant); standing != ledger.standing().end()) {
    news.standing = true;
    news.machine_id = standing->second.machine_id;
  } else if (const auto* machine = owner(ledger, event.machine, event.protocol)) {
    news.machine_id = machine->id;
  }
  held_.push_back(std::move(news));
}

void FlowRecorder::write(std::uint64_t walks) {
  // A new gate has new flow tables, and walks them from the beginning: what was open in the old ones is open no more.
  if (walks < walks_) {
    ++run_;
    unseen_ended_ = false;
  }
  walks_ = walks;
  if (!held_.empty()) {
    const auto end = held_.begin() + static_cast<std::ptrdiff_t>(std::min(held_.size(), flow_news_a_write));
    const std::vector<FlowNews> stretch(held_.begin(), end);
    if (!note(store_.write(stretch, run_))) return;
    counts_.flows_written += stretch.size();
    held_.erase(held_.begin(), end);
  }
  const Now now = clock_.now();
  if (walks_ > 0 && held_.empty() && !unseen_ended_) {
    const auto ended = store_.end_unseen(run_, now.utc, tidied_a_time);
    unseen_ended_ = ended && *ended < tidied_a_time;
  }
  if (!tidy_on_ && ++writes_ % writes_between_tidying != 0) return;
  const auto gone = store_.forget(now.utc - flow_records_kept_for, flow_records_kept, tidied_a_time);
  tidy_on_ = gone && *gone >= tidied_a_time;
}

bool FlowRecorder::note(const Result<void>& done) {
  trouble_ = done ? "" : done.error().message;
  return done.has_value();
}

std::uint64_t FlowRecorder::take_losses() {
  return trouble_.empty() && held_.size() < flow_news_held ? std::exchange(losses_, 0) : 0;
}

}  // namespace postern::core
