// SPDX-License-Identifier: Apache-2.0
// The gatekeeper's side of the flow records: who may read them, and what status and audit say of those that were lost.
#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {

void Gatekeeper::keep_flows(FlowStore& store) {
  parts_->flow_recorder.emplace(store, parts_->clock);
}

void Gatekeeper::write_flows() {
  auto& p = *parts_;
  if (!p.started) return;
  p.write_token_uses();
  if (!p.flow_recorder) return;
  auto& recorder = *p.flow_recorder;
  recorder.write(p.dataplane.flow_walks());
  warn("flows", recorder.trouble().empty() ? ""
                                           : "Which connections open and close cannot be recorded now: " +
                                                 recorder.trouble());
  if (const auto lost = recorder.take_losses(); lost != 0) p.record_loss(lost, "since the store could not be written.");
  if (!recorder.looks_at_ring()) return;
  const auto status = p.dataplane.status();
  if (!status) return;
  for (const auto& tally : status->tallies) {
    if (tally.name != "flow_events_lost" || !recorder.ring_lost_more(tally.packets)) continue;
    p.record_loss(tally.packets, "counted since the gate began: its ring was full. Connections may be shown as open that are not, "
                                 "until posternd starts anew.");
  }
}

void Gatekeeper::Parts::record_loss(std::uint64_t count, const std::string& why) {
  const Caller self{{std::string(own_name), {}}, std::nullopt, "", ""};
  ChangeSet change;
  change.audit.push_back(record({self, "flows.lost"}, Outcome::failed,
                                std::to_string(count) + " openings and ends of connections were not recorded, " + why));
  insist(std::move(change));
}

void Gatekeeper::Parts::Hearing::take(const DropEvent& event) {
  parts.event_log.take(event);
}

void Gatekeeper::Parts::Hearing::take(const FlowEvent& event) {
  if (event.kind != FlowEvent::Kind::seen) parts.event_log.take(event);
  if (parts.flow_recorder) parts.flow_recorder->take(event, parts.ledger);
}

EventSink& Gatekeeper::event_log() {
  return parts_->hearing;
}

Result<std::vector<FlowRecord>> Gatekeeper::flows(const Caller& caller, const FlowQuery& query) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "audit.flows", actions::audit_read, "/")) return *error;
  if (!p.flow_recorder) return std::vector<FlowRecord>();
  return p.flow_recorder->store().flows(query);
}

void Gatekeeper::note_push(const std::string& to, const PushCount& count) {
  parts_->pushes[to] = count;
}

TrailCounts Gatekeeper::trail_counts() const {
  TrailCounts counts = parts_->flow_recorder ? parts_->flow_recorder->counts() : TrailCounts{};
  counts.pushes = parts_->pushes;
  return counts;
}

}  // namespace postern::core
