// SPDX-License-Identifier: Apache-2.0
// The daemon's timers, as coroutines that end when `stop` is called. They know when, never what: each gets what it
// calls as a function.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>

#include "controlplane/core/ports.hpp"

namespace postern::daemon {

class Watch {
 public:
  Watch(boost::asio::io_context& io, const core::Clock& clock)
      : io_(io), clock_(clock), step_timer_(io), address_news_(io), links_(io) {}

  // Calls `sweep` at each deadline and at least once a second.
  void deadlines(std::function<std::optional<core::BootTime>()> next, std::function<void()> sweep);
  // Calls `changed` when the wall clock is set (told by the kernel) or its distance from the boot clock has moved
  // (a suspend, a restored snapshot, slewing: asked once a second).
  void clock(std::function<void()> changed);
  // Calls `changed` when an address of this host came or went.
  void addresses(std::function<void()> changed);
  // Calls `changed` when the kernel tells that an interface or its tc filters changed. It does not tell of everything
  // (a bpf_link that is detached), so whoever must know asks now and then as well.
  void links(std::function<void()> changed);
  void every(std::chrono::milliseconds period, std::function<void()> act);
  void stop();
  bool stopped() const { return stopping_; }

 private:
  using Timer = boost::asio::steady_timer;
  boost::asio::awaitable<void> run_deadlines(Timer& timer, std::function<std::optional<core::BootTime>()> next,
                                             std::function<void()> sweep);
  boost::asio::awaitable<void> run_every(Timer& timer, std::chrono::milliseconds period, std::function<void()> act);
  boost::asio::awaitable<void> run_addresses(std::function<void()> changed);
  boost::asio::awaitable<void> run_clock_steps(std::function<void()> changed);
  boost::asio::awaitable<void> run_links(std::function<void()> changed);
  void spawn(boost::asio::awaitable<void> work, const char* name);

  boost::asio::io_context& io_;
  const core::Clock& clock_;
  std::list<Timer> timers_;
  boost::asio::posix::stream_descriptor step_timer_, address_news_, links_;
  bool stopping_ = false;
};

}  // namespace postern::daemon
