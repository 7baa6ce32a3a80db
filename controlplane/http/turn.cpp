// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/turn.hpp"

#include <algorithm>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

namespace postern::http {
namespace {

namespace asio = boost::asio;

// Rounds of the event loop: one is needed from a readable socket to the first bytes, two more to header and body.
constexpr unsigned quiet_rounds = 3;

}  // namespace

asio::awaitable<HttpResponse> Turn::answer(Arrival arrival) {
  Waiting self{arrival};
  waiting_.push_back(&self);
  if (waiting_.size() == 1) asio::post(io_, [this] { look(); });
  const auto wait = [&self](auto handler) {
    const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    self.resume = [shared] { std::move(*shared)(); };
  };
  co_await asio::async_initiate<decltype(asio::use_awaitable), void()>(wait, asio::use_awaitable);
  if (self.broken) std::rethrow_exception(self.broken);
  co_return std::move(self.response);
}

// Each post comes after what the loop finds readable meanwhile.
void Turn::look() {
  quiet_ = waiting_.size() > seen_ ? 0 : quiet_ + 1;
  seen_ = waiting_.size();
  if (quiet_ < quiet_rounds && seen_ < turn_max) {
    asio::post(io_, [this] { look(); });
  } else {
    close();
  }
}

void Turn::close() {
  const auto count = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), turn_max));
  const std::vector<Waiting*> group(waiting_.begin(), waiting_.begin() + count);
  waiting_.erase(waiting_.begin(), waiting_.begin() + count);
  seen_ = 0;
  quiet_ = 0;
  if (!waiting_.empty()) asio::post(io_, [this] { look(); });
  std::vector<Arrival> arrivals;
  for (const Waiting* each : group) arrivals.push_back(each->arrival);
  std::vector<HttpResponse> responses;
  std::exception_ptr broken;  // ends these connections, not the event loop
  try {
    responses = handler_(arrivals);
  } catch (...) {
    broken = std::current_exception();
  }
  for (std::size_t i = 0; i < group.size(); ++i) {
    group[i]->broken = broken;
    if (!broken) group[i]->response = std::move(responses[i]);
    asio::post(io_, std::move(group[i]->resume));
  }
}

}  // namespace postern::http
