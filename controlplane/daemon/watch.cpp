// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/watch.hpp"

#include <spdlog/spdlog.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>

namespace postern::daemon {
namespace {

namespace asio = boost::asio;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::nanoseconds longest_sleep = std::chrono::seconds{1};
constexpr std::chrono::nanoseconds offset_tolerance = std::chrono::milliseconds{100};

std::chrono::nanoseconds offset_of(const core::Now& now) {
  return now.utc.time_since_epoch() - now.boot.time_since_epoch();
}

// Set so far ahead that it never fires: it is there to be cancelled when the clock is set.
bool arm(int fd) {
  itimerspec far_away{};
  far_away.it_value.tv_sec = static_cast<time_t>(INT32_MAX) * 8;
  return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far_away, nullptr) == 0;
}

}  // namespace

void Watch::spawn(asio::awaitable<void> work, const char* name) {
  asio::co_spawn(io_, std::move(work), [name](const std::exception_ptr& broken) {
    if (!broken) return;
    spdlog::critical("A timer ended by an exception. timer={}", name);
    std::rethrow_exception(broken);  // leaves io_context::run: a daemon that no longer sweeps must not look alive
  });
}

void Watch::deadlines(std::function<std::optional<core::BootTime>()> next, std::function<void()> sweep) {
  spawn(run_deadlines(timers_.emplace_back(io_), std::move(next), std::move(sweep)), "deadlines");
}

void Watch::every(std::chrono::milliseconds period, std::function<void()> act) {
  spawn(run_every(timers_.emplace_back(io_), period, std::move(act)), "every");
}

void Watch::clock(std::function<void()> changed) {
  const int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd >= 0) step_timer_.assign(fd);
  if (fd >= 0 && arm(fd)) {
    spawn(run_clock_steps(changed), "clock");
  } else {
    spdlog::warn("Steps of the clock are noticed once a second only. errno={}", errno);
  }
  // A step is told at once; the slow check also finds what no timer reports.
  every(std::chrono::duration_cast<std::chrono::milliseconds>(longest_sleep),
        [this, changed, before = offset_of(clock_.now())]() mutable {
          const auto offset = offset_of(clock_.now());
          if (std::chrono::abs(offset - before) < offset_tolerance) return;
          before = offset;
          changed();
        });
}

void Watch::addresses(std::function<void()> changed) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (fd >= 0) address_news_.assign(fd);
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&groups), sizeof groups) == 0) {
    spawn(run_addresses(changed), "addresses");
  } else {
    spdlog::warn("Changes of this host's addresses are noticed once a second only. errno={}", errno);
  }
  every(std::chrono::duration_cast<std::chrono::milliseconds>(longest_sleep), changed);
}

asio::awaitable<void> Watch::run_deadlines(Timer& timer, std::function<std::optional<core::BootTime>()> next,
                                           std::function<void()> sweep) {
  bool swept_in_vain = false;  // still due after a sweep (the gate is away): once a second is enough
  while (!stopping_) {
    std::chrono::nanoseconds wait = longest_sleep;
    if (const auto deadline = next(); deadline && !swept_in_vain)
      wait = std::clamp<std::chrono::nanoseconds>(*deadline - clock_.now().boot, std::chrono::nanoseconds{0},
                                                  longest_sleep);
    timer.expires_after(wait);
    co_await timer.async_wait(as_result);
    if (stopping_) co_return;
    sweep();
    const auto deadline = next();
    swept_in_vain = deadline && *deadline <= clock_.now().boot;
  }
}

asio::awaitable<void> Watch::run_every(Timer& timer, std::chrono::milliseconds period, std::function<void()> act) {
  while (!stopping_) {
    timer.expires_after(period);
    co_await timer.async_wait(as_result);
    if (!stopping_) act();
  }
}

// What the messages say does not matter, and neither do lost ones: whoever is called reads all addresses.
asio::awaitable<void> Watch::run_addresses(std::function<void()> changed) {
  std::array<char, 8192> ignored{};
  while (!stopping_) {
    const auto [error] = co_await address_news_.async_wait(asio::posix::stream_descriptor::wait_read, as_result);
    if (error || stopping_) co_return;
    while (recv(address_news_.native_handle(), ignored.data(), ignored.size(), 0) >= 0 || errno == ENOBUFS) {
    }
    changed();
  }
}

asio::awaitable<void> Watch::run_clock_steps(std::function<void()> changed) {
  while (!stopping_) {
    const auto [error] = co_await step_timer_.async_wait(asio::posix::stream_descriptor::wait_read, as_result);
    if (error || stopping_) co_return;
    std::uint64_t expirations = 0;
    const int fd = step_timer_.native_handle();
    const bool stepped = read(fd, &expirations, sizeof expirations) < 0 && errno == ECANCELED;
    if (stepped) changed();
    if (!arm(fd)) co_return;
  }
}

void Watch::links(std::function<void()> changed) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_LINK | RTMGRP_TC;
  if (fd >= 0) links_.assign(fd);
  if (fd >= 0 && bind(fd, reinterpret_cast<const sockaddr*>(&groups), sizeof groups) == 0) {
    spawn(run_links(std::move(changed)), "links");
  } else {
    spdlog::warn("Changes of interfaces are noticed once a second only. errno={}", errno);
  }
}

asio::awaitable<void> Watch::run_links(std::function<void()> changed) {
  std::array<char, 16384> message{};
  while (!stopping_) {
    const auto [error] = co_await links_.async_wait(asio::posix::stream_descriptor::wait_read, as_result);
    if (error || stopping_) co_return;
    // What it says is not read: whoever is told looks for himself. ENOBUFS: some were lost, so look as well.
    const int fd = links_.native_handle();
    while (recv(fd, message.data(), message.size(), 0) > 0 || errno == ENOBUFS) {
    }
    changed();
  }
}

void Watch::stop() {
  stopping_ = true;
  boost::system::error_code ignored;
  step_timer_.close(ignored);
  address_news_.close(ignored);
  links_.close(ignored);
  for (Timer& timer : timers_) timer.cancel();
}

}  // namespace postern::daemon
