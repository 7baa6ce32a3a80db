// SPDX-License-Identifier: Apache-2.0
// Gathers the requests that wait at the same time, so that they can be handled as one: a turn ends as soon as no further
// request can be read. Nobody waits for a clock. All on the io_context's one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <functional>
#include <vector>

#include "controlplane/http/server.hpp"

namespace postern::http {

class Turn {
 public:
  Turn(boost::asio::io_context& io, TurnHandler handler) : io_(io), handler_(std::move(handler)) {}

  boost::asio::awaitable<HttpResponse> answer(Arrival arrival);

 private:
  struct Waiting {
    Arrival arrival;
    HttpResponse response = {};
    std::exception_ptr broken = {};
    std::function<void()> resume = {};
  };
  void look();
  void close();

  boost::asio::io_context& io_;
  TurnHandler handler_;
  std::vector<Waiting*> waiting_;  // each lives in the frame of its answer()
  std::size_t seen_ = 0;           // of them, when last looked
  unsigned quiet_ = 0;             // so often nobody had come
};

}  // namespace postern::http
