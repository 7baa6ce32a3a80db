// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/event_pump.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>

namespace postern::daemon {
namespace {

std::string text(const core::PacketEnd& end) {
  if (!end.address) return "?";
  const std::string address = core::to_string(*end.address);
  if (end.port == 0) return address;
  return (end.address->family == core::Family::ipv6 ? "[" + address + "]" : address) + ":" + std::to_string(end.port);
}

const char* text(core::FlowEvent::Kind kind) {
  using Kind = core::FlowEvent::Kind;
  return kind == Kind::opened ? "opened" : kind == Kind::closed ? "closed" : kind == Kind::moved ? "moved" : "seen";
}

}  // namespace

// A new gate has new rings; the descriptor of the old ones would stay readable for ever.
void EventPump::look() {
  if (stopped_) return;
  if (const auto now = dataplane_.openings(); now != opening_) {
    opening_ = now;
    waiting_ = false;
    boost::system::error_code ignored;
    rings_.close(ignored);
    const int lent = dataplane_.event_readiness();
    if (const int own = lent < 0 ? -1 : fcntl(lent, F_DUPFD_CLOEXEC, 0); own >= 0) rings_.assign(own);
  }
  drain();
  wait();
}

void EventPump::drain() {
  const auto read = dataplane_.read_events(*this);
  const std::string trouble = read ? "" : read.error().message;
  if (trouble != trouble_ && !trouble.empty()) spdlog::warn("The gate's events cannot be read. why=\"{}\"", trouble);
  trouble_ = trouble;
}

void EventPump::wait() {
  if (waiting_ || stopped_ || !rings_.is_open() || dataplane_.event_readiness() < 0 || !trouble_.empty()) return;
  waiting_ = true;
  rings_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this, of = opening_](auto error) {
    if (error || stopped_ || of != opening_) return;
    waiting_ = false;
    if (dataplane_.openings() != opening_) return;  // look() takes up the new ones
    drain();
    wait();
  });
}

void EventPump::stop() {
  stopped_ = true;
  boost::system::error_code ignored;
  rings_.close(ignored);
}

void EventPump::take(const core::DropEvent& event) {
  spdlog::debug("Dropped. reason={} passed_as={} source={} destination={} protocol={} interface={}", event.reason,
                event.passed_as, text(event.source), text(event.destination), event.protocol, event.interface);
  next_.take(event);
}

void EventPump::take(const core::FlowEvent& event) {
  spdlog::log(
      event.kind == core::FlowEvent::Kind::seen ? spdlog::level::debug : spdlog::level::info,
      "Flow {}. client={} machine={} protocol={} grant={} previous_grant={} end={} client_packets={} client_bytes={} "
      "machine_packets={} machine_bytes={}",
      text(event.kind), text(event.client), text(event.machine), event.protocol, event.grant, event.previous_grant,
      event.end, event.client_packets, event.client_bytes, event.machine_packets, event.machine_bytes);
  next_.take(event);
}

}  // namespace postern::daemon
