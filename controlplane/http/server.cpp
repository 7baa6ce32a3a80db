// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/server.hpp"

#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <list>
#include <optional>

#include "controlplane/http/connection.hpp"
#include "controlplane/http/peer.hpp"
#include "controlplane/http/tls.hpp"
#include "controlplane/http/turn.hpp"

namespace postern::http {
namespace {

namespace asio = boost::asio;
using Stream = asio::generic::stream_protocol;
using Acceptor = asio::basic_socket_acceptor<Stream>;
using Clock = std::chrono::steady_clock;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds stopping_tick{20};
constexpr std::chrono::milliseconds accept_pause{200};  // when out of file descriptors

Stream protocol_of(const Listener& listener) {
  if (!listener.path().empty()) return {AF_UNIX, 0};
  return {listener.family() == core::Family::ipv4 ? AF_INET : AF_INET6, IPPROTO_TCP};
}

struct Accepting {
  Accepting(asio::io_context& io, Listener owned, TlsIdentity* identity)
      : listener(std::move(owned)), acceptor(io, protocol_of(listener), listener.release_fd()), tls(identity) {}

  Listener listener;  // keeps the path; the descriptor is the acceptor's
  Acceptor acceptor;
  TlsIdentity* tls;  // null: none is spoken
};

// Some of the connections that may make room, seen from the oldest on.
struct Crowd {
  std::size_t count = 0;
  Connection* oldest_unknown = nullptr;  // nobody known has had a request answered on it
  Connection* longest_idle = nullptr;

  void add(Connection& connection) {
    ++count;
    if (!oldest_unknown && !connection.identified) oldest_unknown = &connection;
    if (connection.waiting && (!longest_idle || connection.waiting_since < longest_idle->waiting_since))
      longest_idle = &connection;
  }
};

}  // namespace

struct Server::Parts {
  Parts(asio::io_context& context, TurnHandler handler, ServerLimits bounds)
      : io(context), turn(context, std::move(handler)), limits(bounds), ticker(context) {}

  asio::awaitable<void> accept(std::size_t index);
  asio::awaitable<void> keep_time();
  void take(Stream::socket socket, std::size_t listener);
  bool make_room(const Accepting& accepting, std::size_t index, const Peer& newcomer);
  bool make_room(const Crowd& crowd, std::size_t most);
  void admit(Stream::socket socket, const Accepting& accepting, std::size_t index, Peer peer);
  void dismiss_distrusted();
  void tell_of_room(Clock::time_point now);

  asio::io_context& io;
  Turn turn;
  ServerLimits limits;
  asio::steady_timer ticker;
  std::list<Accepting> listeners;
  std::list<Connection> connections;
  std::function<void()> stopped;
  bool ticking = false, stopping = false;
  std::size_t made_room = 0, turned_away = 0;  // connections, since the log last said so
  std::optional<Clock::time_point> told_of_room;
};

// Under the bound, or somebody goes: first whoever has longest not shown who he is, so that half a request or handshake
// holds no place; else the connection that is idle longest. None of them: false.
bool Server::Parts::make_room(const Crowd& crowd, std::size_t most) {
  if (crowd.count < most) return true;
  Connection* leaving = crowd.oldest_unknown ? crowd.oldest_unknown : crowd.longest_idle;
  if (!leaving) return false;
  leaving->closing = true;
  boost::system::error_code ignored;
  leaving->socket.close(ignored);
  ++made_room;
  return true;
}

// Listeners do not take each other's places. Without TLS all are of this host, and addresses tell nobody apart.
bool Server::Parts::make_room(const Accepting& accepting, std::size_t index, const Peer& newcomer) {
  Crowd all, neighbours;
  for (Connection& connection : connections) {
    if (connection.listener != index || connection.closing) continue;
    all.add(connection);
    if (accepting.tls && one_source(*connection.peer.address, *newcomer.address)) neighbours.add(connection);
  }
  if (neighbours.count >= limits.connections_a_source) return make_room(neighbours, limits.connections_a_source);
  return make_room(all, limits.connections);
}

void Server::Parts::take(Stream::socket socket, std::size_t index) {
  const auto& accepting = *std::next(listeners.begin(), static_cast<std::ptrdiff_t>(index));
  const bool local = !accepting.listener.path().empty();
  const int fd = socket.native_handle();
  const int on = 1;
  if (!local) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  Peer peer = local ? unix_peer(fd) : tcp_peer(fd, accepting.listener.port());
  if (make_room(accepting, index, peer)) {
    admit(std::move(socket), accepting, index, std::move(peer));
  } else {
    ++turned_away;
  }
}

// Whom a client CA let in that is another one now: as at the stop, an answer under way is finished, a feed ends.
void Server::Parts::dismiss_distrusted() {
  for (Connection& connection : connections) {
    const TlsIdentity* tls = std::next(listeners.begin(), static_cast<std::ptrdiff_t>(connection.listener))->tls;
    if (connection.closing || !tls || tls->trust() == connection.trust) continue;
    connection.closing = true;
    boost::system::error_code ignored;
    if (connection.waiting) connection.socket.close(ignored);
  }
}

void Server::Parts::tell_of_room(Clock::time_point now) {
  if (made_room + turned_away == 0 || (told_of_room && now - *told_of_room < limits.room_log)) return;
  spdlog::warn("Connections were closed to make room. made_room={} turned_away={} limit={} limit_a_source={}", made_room,
               turned_away, limits.connections, limits.connections_a_source);
  made_room = turned_away = 0;
  told_of_room = now;
}

void Server::Parts::admit(Stream::socket socket, const Accepting& accepting, std::size_t index, Peer peer) {
  const auto now = Clock::now();
  connections.push_back({.socket = std::move(socket),
                         .peer = std::move(peer),
                         .listener = index,
                         .deadline = now + (accepting.tls ? limits.handshake : limits.idle),
                         .waiting_since = now});
  const auto self = std::prev(connections.end());
  if (accepting.tls) {
    self->tls.emplace(self->socket, accepting.tls->context());
    self->trust = accepting.tls->trust();
    self->peer.tls = true;
    self->peer.server_names = accepting.tls->names();
  }
  asio::co_spawn(io, serve(*self, limits, turn), [this, self](const std::exception_ptr& broken) {
    if (broken) spdlog::error("A connection ended by an exception.");
    connections.erase(self);
  });
}

asio::awaitable<void> Server::Parts::accept(std::size_t index) {
  Acceptor& acceptor = std::next(listeners.begin(), static_cast<std::ptrdiff_t>(index))->acceptor;
  asio::steady_timer pause(io);
  while (!stopping) {
    auto [error, socket] = co_await acceptor.async_accept(as_result);
    if (error == asio::error::operation_aborted || stopping) co_return;
    if (error) {
      spdlog::warn("A connection could not be accepted. error=\"{}\"", error.message());
      pause.expires_after(accept_pause);
      co_await pause.async_wait(as_result);
    } else {
      take(std::move(socket), index);
    }
  }
}

// Closes what is past its deadline. One timer for all: a connection costs no timer of its own.
asio::awaitable<void> Server::Parts::keep_time() {
  while (!stopping || !connections.empty()) {
    ticker.expires_after(stopping ? std::min(limits.tick, stopping_tick) : limits.tick);
    co_await ticker.async_wait(as_result);
    const auto now = Clock::now();
    tell_of_room(now);
    dismiss_distrusted();
    for (Connection& connection : connections) {
      if (now < connection.deadline) continue;
      boost::system::error_code ignored;
      connection.socket.close(ignored);
    }
  }
  if (stopped) stopped();
}

TurnHandler one_by_one(RequestHandler handler) {
  return [handler = std::move(handler)](const std::vector<Arrival>& arrivals) {
    std::vector<HttpResponse> responses;
    for (const Arrival& arrival : arrivals) responses.push_back(handler(arrival.request, arrival.peer));
    return responses;
  };
}

Server::Server(asio::io_context& io, TurnHandler handler, ServerLimits limits)
    : parts_(std::make_unique<Parts>(io, std::move(handler), limits)) {}

Server::~Server() = default;

void Server::add(Listener listener, TlsIdentity* tls) {
  parts_->listeners.emplace_back(parts_->io, std::move(listener), tls);
  asio::co_spawn(parts_->io, parts_->accept(parts_->listeners.size() - 1), asio::detached);
  if (std::exchange(parts_->ticking, true)) return;
  asio::co_spawn(parts_->io, parts_->keep_time(), asio::detached);
}

void Server::stop(std::function<void()> stopped) {
  if (std::exchange(parts_->stopping, true)) return;
  parts_->stopped = std::move(stopped);
  boost::system::error_code ignored;
  for (Accepting& accepting : parts_->listeners) {
    accepting.listener.remove_file();
    accepting.acceptor.close(ignored);
  }
  const auto last = Clock::now() + parts_->limits.stop_grace;
  for (Connection& connection : parts_->connections) {
    connection.closing = true;
    connection.deadline = std::min(connection.deadline, last);
    if (connection.waiting) connection.socket.close(ignored);
  }
  parts_->ticker.cancel();
}

std::size_t Server::connections() const {
  return parts_->connections.size();
}

}  // namespace postern::http
