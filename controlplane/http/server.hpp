// SPDX-License-Identifier: Apache-2.0
// The HTTP server: accepts on its listeners, bounds connections and time, stops gracefully. One thread, the
// io_context's; the handler runs on it and must not block for long. Knows nothing of routes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "controlplane/http/endpoint.hpp"
#include "controlplane/http/message.hpp"

namespace postern::http {

class TlsIdentity;

struct ServerLimits {
  std::size_t body_bytes = std::size_t{1} << 20;
  std::uint32_t header_bytes = 32U << 10;
  std::size_t connections = 256;              // a listener; beyond, one makes room: see server.cpp
  std::size_t connections_a_source = 64;      // of those over TLS: from one IPv4 address or IPv6 /64
  std::chrono::milliseconds handshake{10'000};  // of TLS, from the accept to its end
  std::chrono::milliseconds idle{75'000};     // SDKs see a "socket hang up" if it is under 60 s
  std::chrono::milliseconds request{20'000};  // from the first byte of a request to its last; as long again to answer
  std::chrono::milliseconds feed_look{200};         // so often a feed is asked whether there is more
  std::chrono::milliseconds feed_heartbeat{15'000}; // so long after the last piece it says that it is still there
  std::chrono::milliseconds feed_write{60'000};     // so long a reader may be busy with what he was sent
  std::chrono::milliseconds stop_grace{5'000};
  std::chrono::milliseconds tick{500};         // how exactly the above are kept
  std::chrono::milliseconds room_log{60'000};  // at most so often the log says that there was no room
};

using RequestHandler = std::function<HttpResponse(const HttpRequest&, const Peer&)>;
// Of requests that wait at the same time (at most turn_max), each of another connection: the answers, in the same order.
using TurnHandler = std::function<std::vector<HttpResponse>(const std::vector<Arrival>&)>;
TurnHandler one_by_one(RequestHandler handler);

inline constexpr std::size_t turn_max = 256;

class Server {
 public:
  Server(boost::asio::io_context& io, TurnHandler handler, ServerLimits limits = {});
  ~Server();  // the io_context must not run any more, or have nothing of this server's left to do

  // Accepts from the next turn of the io_context on; with `tls` (which must outlive this) as it is at that time.
  void add(Listener listener, TlsIdentity* tls = nullptr);
  // Asks first: closes listeners and idle connections and lets answers finish; insists after stop_grace. Afterwards
  // nothing of the server keeps the io_context running, and `stopped` has been called.
  void stop(std::function<void()> stopped = {});
  std::size_t connections() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace postern::http
