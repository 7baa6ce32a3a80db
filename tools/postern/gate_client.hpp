// SPDX-License-Identifier: Apache-2.0
// The command line's way to posternd: one HTTP exchange after the other over the Unix socket or to a URL.
// Knows transport and the two error forms (RFC 9457, Azure's), nothing of what is asked.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "tools/postern/connection.hpp"

namespace postern::cli {

struct Answer {
  unsigned status = 0;
  nlohmann::json body;  // null if there was none
};

// One of a stream of Server-Sent Events.
struct ServerEvent {
  std::string id, name, data;
};

class GateClient {
 public:
  explicit GateClient(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

  // Target as it goes on the wire (see encoded()). Throws Failure: `unreachable` if there is no daemon or no whole
  // answer within 30 s, and for every status from 400 on with what the daemon said.
  Answer call(std::string_view method, const std::string& target, const nlohmann::json* body = nullptr) const;
  // Hands over the body piece by piece as it comes, of any length; throws like call(), also if it breaks off.
  void download(const std::string& target, const std::function<void(std::string_view)>& sink) const;
  nlohmann::json get(const std::string& target) const { return call("GET", target).body; }

  // Tells each event of the stream until the daemon ends it; goes on after `last_id` if that is not empty. Throws as call().
  void stream(const std::string& target, const std::string& last_id, const std::function<void(const ServerEvent&)>& tell) const;

  // Over the Unix socket and loopback the daemon cannot see where the caller sits.
  bool daemon_sees_no_address() const;

 private:
  Endpoint endpoint_;
};

// Percent-encodes one path segment or query value.
std::string encoded(std::string_view text);

}  // namespace postern::cli
