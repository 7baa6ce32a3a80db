// SPDX-License-Identifier: Apache-2.0
// GET /v1/events/stream: events as they happen, in the form of Server-Sent Events. No stream has a buffer of its own: it holds a
// place in the gatekeeper's log, and who reads too slowly is told how many were lost to him. Who the caller is, and what he may
// see, is asked anew before each piece: a stream ends with its token.
#include "controlplane/http/api.hpp"
#include "controlplane/http/handlers.hpp"
#include "controlplane/http/own_decode.hpp"
#include "controlplane/http/own_encode.hpp"

namespace postern::http::own {
namespace {

constexpr std::size_t streams_of_one = 8, streams_max = 64;

// One of the streams that are counted, as long as it lives.
class Seat {
 public:
  Seat(std::shared_ptr<StreamCount> count, std::string who) : count_(std::move(count)), who_(std::move(who)) {
    ++count_->all;
    ++count_->of[who_];
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
  ~Seat() {
    --count_->all;
    if (--count_->of[who_] == 0) count_->of.erase(who_);
  }

 private:
  std::shared_ptr<StreamCount> count_;
  std::string who_;
};

class EventFeed : public Feed {
 public:
  EventFeed(const Call& call, std::uint64_t after)
      : gatekeeper_(call.gatekeeper),
        api_(call.api),
        request_(call.request),
        peer_(call.peer),
        caller_(call.caller),
        seat_(call.api.streams(), call.caller.principal.name),
        after_(after) {}

  std::optional<std::string> next() override {
    auto principal = api_.identify(request_, peer_);
    if (!principal || principal->name != caller_.principal.name) return std::nullopt;
    caller_.principal = *std::move(principal);
    const auto feed = gatekeeper_.follow(caller_, after_);
    if (!feed) return std::nullopt;
    after_ = feed->last;
    std::string text;
    if (feed->lost > 0) text += "event: lost\ndata: " + to_text(Json{{"lost", feed->lost}}) + "\n\n";
    for (const core::EventView& view : feed->events) {
      const Json event = encode_event(view);
      text += "id: " + gatekeeper_.event_epoch() + "." + std::to_string(view.event.sequence) + "\nevent: " +
              event["kind"].get<std::string>() + "\ndata: " + to_text(event) + "\n\n";
    }
    return text;
  }
  std::string still_here() const override { return ": still here\n\n"; }

 private:
  core::Gatekeeper& gatekeeper_;
  const Api& api_;
  HttpRequest request_;
  Peer peer_;
  core::Caller caller_;
  Seat seat_;
  std::uint64_t after_;
};

core::Error crowded(const std::string& whose, std::size_t most) {
  return {core::ErrorCode::too_many_requests,
          "There are " + std::to_string(most) + " event streams " + whose + " already; end one first.", "", {}};
}

}  // namespace

HttpResponse stream_events(Call& call) {
  const auto begin = decode_stream_begin(call.target, call.request, call.gatekeeper.event_epoch());
  if (!begin) return error_response(begin.error(), Dialect::own);
  const std::uint64_t last = call.gatekeeper.last_event();
  const auto seen = call.gatekeeper.follow(call.caller, last);  // whether he may at all
  if (!seen) return error_response(seen.error(), Dialect::own);
  const StreamCount& streams = *call.api.streams();
  const auto own = streams.of.find(call.caller.principal.name);
  if (own != streams.of.end() && own->second >= streams_of_one)
    return error_response(crowded("of '" + call.caller.principal.name + "'", streams_of_one), Dialect::own);
  if (streams.all >= streams_max) return error_response(crowded("in all", streams_max), Dialect::own);
  HttpResponse response;
  response.content_type = "text/event-stream";
  response.body = begin->anew ? "retry: 2000\nevent: reset\ndata: {}\n\n" : "retry: 2000\n\n";
  response.feed = std::make_unique<EventFeed>(call, std::min(begin->after.value_or(last), last));
  return response;
}

}  // namespace postern::http::own
