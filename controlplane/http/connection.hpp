// SPDX-License-Identifier: Apache-2.0
// One accepted connection as server and session share it: the session reads and writes, the server alone keeps time
// and closes. All on the io_context's one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <chrono>
#include <functional>
#include <optional>

#include "controlplane/http/message.hpp"
#include "controlplane/http/server.hpp"

namespace postern::http {

class Turn;

struct Connection {
  using Time = std::chrono::steady_clock::time_point;
  using Socket = boost::asio::generic::stream_protocol::socket;

  Socket socket;
  std::optional<boost::asio::ssl::stream<Socket&>> tls = {};  // over `socket`
  Peer peer;
  std::size_t listener = 0;  // which one accepted it
  std::size_t trust = 0;     // TlsIdentity::trust() then
  Time deadline{};           // the server closes the socket then
  bool waiting = true;       // before or between requests: may be closed for a newcomer
  Time waiting_since{};
  bool identified = false;  // a request of somebody known was answered
  bool closing = false;  // the answer under way is the last
};

// After the handshake, if there is TLS: reads and answers requests until the peer leaves, a deadline passes or the server stops. Does not throw.
boost::asio::awaitable<void> serve(Connection& connection, const ServerLimits& limits, Turn& turn);

}  // namespace postern::http
