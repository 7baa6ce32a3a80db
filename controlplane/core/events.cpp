// SPDX-License-Identifier: Apache-2.0
#include "controlplane/core/events.hpp"

#include <algorithm>
#include <iterator>

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

std::vector<NumberedEvent> EventLog::recent(const EventQuery& query) const {
  const auto sooner = [](const NumberedEvent& a, const NumberedEvent& b) { return a.sequence < b.sequence; };
  std::vector<NumberedEvent> all;
  std::merge(drops_.begin(), drops_.end(), flows_.begin(), flows_.end(), std::back_inserter(all), sooner);
  const auto first = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.sequence > query.after; });
  all.erase(all.begin(), first);
  if (all.size() > query.limit) all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(query.limit));
  return all;
}

}  // namespace postern::core
