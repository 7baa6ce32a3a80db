// SPDX-License-Identifier: Apache-2.0
// Takes what the gate tells off its rings as soon as it is there, tells the log, and hands it on. One that keeps flows for
// the auditor would be a second sink here.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <string>

#include "controlplane/core/events.hpp"
#include "controlplane/dataplane/map_dataplane.hpp"

namespace postern::daemon {

class EventPump : private core::EventSink {
 public:
  EventPump(boost::asio::io_context& io, dataplane::MapDataplane& dataplane, core::EventSink& next)
      : dataplane_(dataplane), next_(next), rings_(io) {}

  void look();  // to be called now and then: takes up the rings of a gate that came meanwhile
  void stop();

 private:
  void take(const core::DropEvent& event) override;
  void take(const core::FlowEvent& event) override;
  void drain();
  void wait();

  dataplane::MapDataplane& dataplane_;
  core::EventSink& next_;
  boost::asio::posix::stream_descriptor rings_;
  std::uint64_t opening_ = 0;  // of the maps whose rings are waited for
  bool waiting_ = false, stopped_ = false;
  std::string trouble_;
};

}  // namespace postern::daemon
