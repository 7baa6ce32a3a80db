// SPDX-License-Identifier: Apache-2.0
// A request and an answer as values, free of any HTTP library: what the session reads and writes, and all that
// routes, handlers and tests see.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/core/address.hpp"
#include "controlplane/core/result.hpp"

namespace postern::http {

// Who is at the other end of a connection, as the kernel says.
struct UnixPeer {
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;  // supplementary ones
};

// What the certificate says that a client showed and the handshake verified.
struct ClientCertificate {
  std::vector<std::string> names = {};  // "CN=alice,O=Example": its whole subject; "email:…", "uri:…", "dns:…"
  std::string fault = {};               // why it names nobody ("it …"); empty: it does
  std::chrono::system_clock::time_point end = {};  // of its validity
};

struct Peer {
  std::optional<UnixPeer> local;         // set: came over the Unix socket
  std::optional<core::Address> address;  // set: came over TCP
  std::uint16_t server_port = 0;         // of the TCP listener
  bool tls = false;                      // came through the https listener
  std::vector<std::string> server_names; // with tls: names and addresses in the certificate shown, in lower case
  std::optional<ClientCertificate> certificate = {};
};

using Headers = std::vector<std::pair<std::string, std::string>>;  // names in lower case, in the order received

struct HttpRequest {
  std::string method;  // as sent
  std::string target;  // origin form, still percent-encoded
  Headers headers;
  std::string body;

  // All values of a field; a name given in lower case.
  std::vector<std::string_view> all(std::string_view name) const {
    std::vector<std::string_view> values;
    for (const auto& [key, value] : headers)
      if (key == name) values.emplace_back(value);
    return values;
  }
  std::optional<std::string_view> first(std::string_view name) const {
    for (const auto& [key, value] : headers)
      if (key == name) return value;
    return std::nullopt;
  }
};

// A piece of a body that is too long to be held whole, or to be made in one go.
struct BodyPart {
  std::string text;  // may be empty: nothing was found yet
  bool last = false;
};
// Called for each part after the one before was sent, with others' calls in between; a failure closes the connection before
// the body's end, so that the peer sees that it is not whole.
using BodyParts = std::function<core::Result<BodyPart>()>;

// A body without an end, asked for what comes next again and again until the peer goes.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual std::optional<std::string> next() = 0;   // empty: nothing now; none: the end
  virtual std::string still_here() const = 0;      // sent when there was nothing for a while
};

struct HttpResponse {
  int status = 200;
  std::string body;  // empty: no Content-Type either
  std::string content_type = "application/json";
  Headers headers;     // besides Content-Type and Content-Length
  bool close = false;  // end the connection after this answer
  BodyParts parts = {};  // follow `body`
  bool identified = false;  // the caller has shown who he is: his connection is not among the first to make room
  std::unique_ptr<Feed> feed = {};  // what comes after `body`; without Content-Length, and the connection ends with it
};

// A request that waits for its answer; both live until it is given.
struct Arrival {
  const HttpRequest& request;
  const Peer& peer;
};

}  // namespace postern::http
