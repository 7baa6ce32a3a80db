// SPDX-License-Identifier: Apache-2.0
#include "controlplane/core/events.hpp"

#include <algorithm>

namespace postern::core {

void EventLog::take(const DropEvent& event) {
  ++totals_.drops;
  keep(drops_, {++last_, event});
}

void EventLog::take(const FlowEvent& event) {
  ++(event.kind == FlowEvent::Kind::opened   ? totals_.opened
     : event.kind == FlowEvent::Kind::closed ? totals_.closed
                                             : totals_.moved);
  keep(flows_, {++last_, event});
}

void EventLog::keep(std::deque<NumberedEvent>& in, NumberedEvent event) {
  in.push_back(std::move(event));
  if (in.size() > kept_) in.pop_front();
}

void EventLog::take(const GrantEvent& event) {
  keep(grants_, {++last_, event});
}

std::vector<const NumberedEvent*> EventLog::all_after(std::uint64_t sequence) const {
  std::vector<const NumberedEvent*> all;
  if (sequence >= last_) return all;
  const auto later = [](std::uint64_t number, const NumberedEvent& each) { return number < each.sequence; };
  for (const auto* kind : {&drops_, &flows_, &grants_})
    for (auto each = std::upper_bound(kind->begin(), kind->end(), sequence, later); each != kind->end(); ++each) all.push_back(&*each);
  std::sort(all.begin(), all.end(), [](const auto* a, const auto* b) { return a->sequence < b->sequence; });
  return all;
}

namespace {

std::vector<NumberedEvent> copies(std::vector<const NumberedEvent*>::const_iterator first,
                                  std::vector<const NumberedEvent*>::const_iterator last) {
  std::vector<NumberedEvent> events;
  for (; first != last; ++first) events.push_back(**first);
  return events;
}

std::ptrdiff_t at_most(std::size_t count, std::size_t limit) {
  return static_cast<std::ptrdiff_t>(std::min(count, limit));
}

}  // namespace

std::vector<NumberedEvent> EventLog::recent(const EventQuery& query) const {
  const auto all = all_after(query.after);
  return copies(all.end() - at_most(all.size(), query.limit), all.end());
}

std::vector<NumberedEvent> EventLog::following(std::uint64_t after, std::size_t limit) const {
  const auto all = all_after(after);
  return copies(all.begin(), all.begin() + at_most(all.size(), limit));
}

std::uint64_t EventLog::lost_after(std::uint64_t sequence) const {
  return sequence >= last_ ? 0 : last_ - sequence - all_after(sequence).size();
}

}  // namespace postern::core
