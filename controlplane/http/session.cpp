// SPDX-License-Identifier: Apache-2.0
// Bytes to HttpRequest (wire_request.hpp), HttpResponse to bytes. The stream is the socket or TLS over it; all
// else is the same for both.
#include <spdlog/spdlog.h>

#include <poll.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http.hpp>

#include "controlplane/core/address.hpp"
#include "controlplane/http/client_certificate.hpp"
#include "controlplane/http/connection.hpp"
#include "controlplane/http/turn.hpp"
#include "controlplane/http/wire_request.hpp"

namespace postern::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
using Parser = WireParser;
using Error = boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds farewell{1};  // for the peer to close TLS in its turn
constexpr std::size_t drain_bytes_max = std::size_t{8} << 20;

// The header, `body` and what follows it, each part while others are served too. To HTTP/1.0 without chunks: the
// connection's end is the body's, so one that breaks must end it by a reset.
template <class Stream>
asio::awaitable<bool> write_parts(Stream& stream, Connection& connection, const ServerLimits& limits,
                                  wire::response<wire::empty_body>& message, HttpResponse response, bool head) {
  const bool chunked = message.version() == 11;
  message.chunked(chunked);
  wire::response_serializer<wire::empty_body> header(message);
  if (const auto [error, bytes] = co_await wire::async_write_header(stream, header, as_result); error) co_return false;
  if (head) co_return true;
  BodyPart part{.text = std::move(response.body)};
  for (;;) {
    if (!connection.closing) connection.deadline = std::chrono::steady_clock::now() + limits.request;
    if (part.text.empty()) {
      co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    } else if (chunked) {
      const auto [error, bytes] = co_await asio::async_write(stream, wire::make_chunk(asio::const_buffer(part.text.data(), part.text.size())), as_result);
      if (error) co_return false;
    } else {
      const auto [error, bytes] = co_await asio::async_write(stream, asio::buffer(part.text), as_result);
      if (error) co_return false;
    }
    if (part.last) break;
    if (!connection.socket.is_open()) co_return false;
    auto next = response.parts();
    if (!next) {
      spdlog::error("An answer broke off. error=\"{}\"", next.error().message);
      Error ignored;
      connection.socket.set_option(asio::socket_base::linger(true, 0), ignored);
      connection.socket.close(ignored);
      co_return false;
    }
    part = *std::move(next);
  }
  if (!chunked) co_return true;
  const auto [error, bytes] = co_await asio::async_write(stream, wire::make_chunk_last(), as_result);
  co_return !error;
}

template <class Stream>
asio::awaitable<bool> write_response(Stream& stream, Connection& connection, const ServerLimits& limits,
                                     HttpResponse response, unsigned version, bool head, bool keep_alive,
                                     bool endless = false) {
  if (response.parts) {
    wire::response<wire::empty_body> message{static_cast<wire::status>(response.status), version};
    for (const auto& [name, value] : response.headers) message.insert(name, value);
    message.set(wire::field::content_type, response.content_type);
    message.keep_alive(keep_alive && version == 11);
    co_return co_await write_parts(stream, connection, limits, message, std::move(response), head);
  }
  wire::response<wire::string_body> message{static_cast<wire::status>(response.status), version};
  for (const auto& [name, value] : response.headers) message.insert(name, value);
  message.keep_alive(keep_alive);
  const bool no_body = response.status == 204;
  if (!response.body.empty()) message.set(wire::field::content_type, response.content_type);
  if (!no_body && !endless) message.content_length(response.body.size());
  if (!no_body && !head) message.body() = std::move(response.body);
  const auto [error, bytes] = co_await wire::async_write(stream, message, as_result);
  co_return !error;
}

// Who listens to a feed has nothing more to say: whatever comes from him, most of all the end, ends it.
bool has_spoken(Connection& connection) {
  pollfd peer{connection.socket.native_handle(), POLLIN | POLLRDHUP, 0};
  return poll(&peer, 1, 0) != 0;
}

template <class Stream>
asio::awaitable<void> write_feed(Stream& stream, Connection& connection, Feed& feed, const ServerLimits& limits) {
  using Clock = std::chrono::steady_clock;
  asio::steady_timer pause(co_await asio::this_coro::executor);
  auto silent_since = Clock::now();
  while (!connection.closing && connection.socket.is_open() && !has_spoken(connection)) {
    auto piece = feed.next();
    if (!piece) co_return;
    if (piece->empty() && Clock::now() - silent_since >= limits.feed_heartbeat) piece = feed.still_here();
    connection.deadline = Clock::now() + limits.feed_write;
    if (piece->empty()) {
      pause.expires_after(limits.feed_look);
      (void)co_await pause.async_wait(as_result);
      continue;
    }
    const auto [error, bytes] = co_await asio::async_write(stream, asio::buffer(*piece), as_result);
    if (error) co_return;
    silent_since = Clock::now();
  }
}

// After a refusal the peer may still be sending: closing now would reset the connection and lose our answer. What comes is
// thrown away as it is, so TLS need not be read for it.
asio::awaitable<void> drain(Connection& connection) {
  Error ignored;
  connection.socket.shutdown(asio::socket_base::shutdown_send, ignored);
  std::array<char, 16384> waste;
  for (std::size_t total = 0; total < drain_bytes_max;) {
    const auto [error, bytes] = co_await connection.socket.async_read_some(asio::buffer(waste), as_result);
    if (error) break;
    total += bytes;
  }
}

// Header, then body, with the interim answer a careful client waits for in between.
template <class Stream>
asio::awaitable<Error> read_request(Stream& stream, beast::flat_buffer& buffer, Parser& parser) {
  const auto [header_error, header_bytes] = co_await wire::async_read_header(stream, buffer, parser, as_result);
  if (header_error || parser.is_done()) co_return header_error;
  if (beast::iequals(parser.get()[wire::field::expect], "100-continue")) {
    constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    const auto [error, bytes] = co_await asio::async_write(stream, asio::buffer(go_on), as_result);
    if (error) co_return error;
  }
  const auto [body_error, body_bytes] = co_await wire::async_read(stream, buffer, parser, as_result);
  co_return body_error;
}

// True: bytes of the next request are there.
template <class Stream>
asio::awaitable<bool> await_request(Stream& stream, Connection& connection, beast::flat_buffer& buffer, const ServerLimits& limits) {
  if (buffer.size() == 0) {
    connection.waiting = true;
    connection.waiting_since = std::chrono::steady_clock::now();
    connection.deadline = connection.waiting_since + limits.idle;
    const auto [error, bytes] = co_await stream.async_read_some(buffer.prepare(4096), as_result);
    buffer.commit(bytes);
    if (error) co_return false;
  }
  connection.waiting = false;
  connection.deadline = std::chrono::steady_clock::now() + limits.request;
  co_return true;
}

template <class Stream>
asio::awaitable<void> converse(Stream& stream, Connection& connection, const ServerLimits& limits,
                               Turn& turn) {
  beast::flat_buffer buffer;
  while (!connection.closing && co_await await_request(stream, connection, buffer, limits)) {
    Parser parser;
    set_limits(parser, limits);
    const Error error = co_await read_request(stream, buffer, parser);
    connection.deadline = std::chrono::steady_clock::now() + limits.request;
    if (error) {
      auto response = refusal_of(error, parser, limits);
      if (response && co_await write_response(stream, connection, limits, *std::move(response), 11, false, false))
        co_await drain(connection);
      break;
    }
    const unsigned version = parser.get().version();
    const bool head = parser.get().method() == wire::verb::head;
    const bool asked_to_keep = parser.get().keep_alive();
    if (!connection.socket.is_open()) break;  // made room for another: nobody would hear the answer
    const HttpRequest request = taken(parser);
    HttpResponse response = co_await turn.answer({request, connection.peer});
    connection.identified = connection.identified || response.identified;
    connection.deadline = std::chrono::steady_clock::now() + limits.request;
    const bool keep_alive = asked_to_keep && !response.close && !response.feed && !connection.closing && (version == 11 || !response.parts);
    const std::unique_ptr<Feed> feed = head ? nullptr : std::move(response.feed);
    if (feed) {
      const bool begun = co_await write_response(stream, connection, limits, std::move(response), version, false, false, true);
      if (begun) co_await write_feed(stream, connection, *feed, limits);
      break;
    }
    if (!co_await write_response(stream, connection, limits, std::move(response), version, head, keep_alive) || !keep_alive)
      break;
  }
}

}  // namespace

asio::awaitable<void> serve(Connection& connection, const ServerLimits& limits, Turn& turn) {
  if (!connection.tls) {
    co_await converse(connection.socket, connection, limits, turn);
    co_return;
  }
  const auto [error] = co_await connection.tls->async_handshake(asio::ssl::stream_base::server, as_result);
  if (error) {
    spdlog::debug("A TLS handshake failed. from={} error=\"{}\"", core::to_string(*connection.peer.address), error.message());
    co_return;
  }
  connection.peer.certificate = client_certificate(connection.tls->native_handle());
  co_await converse(*connection.tls, connection, limits, turn);
  connection.deadline = std::min(connection.deadline, std::chrono::steady_clock::now() + farewell);
  (void)co_await connection.tls->async_shutdown(as_result);
}

}  // namespace postern::http
