// SPDX-License-Identifier: Apache-2.0
// Events as they are told: what the gate saw, what became of grants, and who may see which.
#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"

namespace postern::core {
namespace {

constexpr std::size_t followed_at_once = 200;

std::string kind_of(const Grant* before, const Grant& grant) {
  const auto was = before ? std::optional(before->state) : std::nullopt;
  if (grant.state == GrantState::ended) return was == GrantState::ended ? "" : "grant.ended";
  if (grant.state != GrantState::live) return "";
  if (was != GrantState::live) return "grant.opened";
  return grant.end > before->end ? "grant.extended" : grant.end < before->end ? "grant.shortened" : "";
}

EventView view_of(NumberedEvent event, const Now& now) {
  const auto utc = [&now](BootTime time) { return now.utc - (now.boot - time); };
  EventView view{std::move(event), {}, {}};
  if (const auto* flow = std::get_if<FlowEvent>(&view.event.event)) {
    view.time = utc(flow->time);
    view.opened = utc(flow->opened);
  } else if (const auto* drop = std::get_if<DropEvent>(&view.event.event)) {
    view.time = utc(drop->time);
  } else {
    view.time = std::get<GrantEvent>(view.event.event).time;
  }
  return view;
}

}  // namespace

std::vector<GrantEvent> Gatekeeper::Parts::news_of(const ChangeSet& change) const {
  std::vector<GrantEvent> news;
  for (const auto& grant : change.put_grants) {
    const auto kind = kind_of(ledger.grant(grant.serial), grant);
    if (kind.empty()) continue;
    const auto own = std::find_if(change.put_requests.begin(), change.put_requests.end(),
                                  [&](const Request& request) { return request.id == grant.request; });
    news.push_back({clock.now().utc, kind, grant, own != change.put_requests.end() ? *own : ledger.request(grant.request)});
  }
  return news;
}

void Gatekeeper::Parts::tell(const std::vector<GrantEvent>& news) {
  for (const auto& event : news) event_log.take(event);
}

std::uint64_t Gatekeeper::last_event() const {
  return parts_->event_log.last();
}

std::string Gatekeeper::event_epoch() const {
  return parts_->event_epoch;
}

Result<EventPage> Gatekeeper::events(const Caller& caller, const EventQuery& query) {
  auto& p = *parts_;
  if (auto error = p.refused_read(caller, "gate.events", actions::gate_read, "/")) return *error;
  EventPage page{{}, p.event_log.totals(), p.event_log.last()};
  const Now now = p.clock.now();
  for (auto& numbered : p.event_log.recent(query))
    if (p.may_see(caller.principal, numbered, true)) page.events.push_back(view_of(std::move(numbered), now));
  return page;
}

Result<EventFeed> Gatekeeper::follow(const Caller& caller, std::uint64_t after) {
  auto& p = *parts_;
  const bool gate = p.allows(caller.principal, actions::gate_read, "/");
  if (!gate && !p.allows_anywhere(caller.principal, actions::policy_read)) {
    if (auto error = p.refused_read(caller, "gate.events", actions::gate_read, "/")) return *error;
  }
  const Now now = p.clock.now();
  auto next = p.event_log.following(after, followed_at_once);
  EventFeed feed{{}, next.empty() ? p.event_log.last() : next.back().sequence, p.event_log.lost_after(after)};
  for (auto& numbered : next)
    if (p.may_see(caller.principal, numbered, gate)) feed.events.push_back(view_of(std::move(numbered), now));
  return feed;
}

bool Gatekeeper::Parts::may_see(const Principal& principal, const NumberedEvent& numbered, bool gate) const {
  const auto* told = std::get_if<GrantEvent>(&numbered.event);
  if (!told) return gate;
  return allows(principal, actions::policy_read, told->request.policy.path()) ||
         allows(principal, actions::policy_read, told->grant.machine_id);
}

}  // namespace postern::core
