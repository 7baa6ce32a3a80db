// SPDX-License-Identifier: Apache-2.0
// How this host would send a packet to an address, and so whether the gate sees it: asked of the kernel (rtnetlink, no
// right needed), remembered until routes, rules or links change. Nobody waits for such news: they are looked for when
// somebody asks, at most once a second, so that a host that learns routes by the thousand costs nothing here.
#pragma once

#include <chrono>
#include <map>
#include <set>

#include "controlplane/core/ports.hpp"
#include "loader/fd.hpp"
#include "loader/instance.hpp"

namespace postern::dataplane {

class KernelRoutes {
 public:
  explicit KernelRoutes(loader::Instance instance) : instance_(std::move(instance)) {}

  core::Route to(const core::Prefix& address);

 private:
  using Time = std::chrono::steady_clock::time_point;
  void look();
  bool any_news();
  std::set<int> guarded_interfaces() const;  // in our network namespace; by index
  core::Route ask(const core::Prefix& address) const;

  loader::Instance instance_;
  std::map<core::Prefix, core::Route> known_;
  std::set<int> guarded_;
  loader::Fd news_;
  Time looked_{}, learnt_{};
};

}  // namespace postern::dataplane
