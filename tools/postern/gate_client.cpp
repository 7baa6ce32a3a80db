// SPDX-License-Identifier: Apache-2.0
// The only file of the command line that includes Beast (slow to compile). Plain blocking sockets with a receive
// timeout, because Asio's synchronous reads have none.
#include "tools/postern/gate_client.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "tools/postern/failure.hpp"

namespace postern::cli {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using nlohmann::json;

constexpr timeval answer_timeout{30, 0};
constexpr std::uint64_t answer_bytes_max = 64ULL << 20;

// What Beast calls a SyncStream, over one connected socket.
class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &answer_timeout, sizeof answer_timeout);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &answer_timeout, sizeof answer_timeout);
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    const asio::mutable_buffer buffer = *asio::buffer_sequence_begin(buffers);
    const ssize_t got = ::recv(fd_, buffer.data(), buffer.size(), 0);
    if (got > 0) return static_cast<std::size_t>(got);
    error = got == 0 ? error_code(asio::error::eof) : error_code(errno, boost::system::system_category());
    return 0;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& error) {
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      const asio::const_buffer buffer = *it;
      if (buffer.size() == 0) continue;
      const ssize_t sent = ::send(fd_, buffer.data(), buffer.size(), MSG_NOSIGNAL);
      if (sent >= 0) return static_cast<std::size_t>(sent);
      error.assign(errno, boost::system::system_category());
      return 0;
    }
    return 0;
  }
  // The concept asks for throwing twins as well.
  template <class Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code error;
    const std::size_t got = read_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return got;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers) {
    error_code error;
    const std::size_t sent = write_some(buffers, error);
    if (error) throw boost::system::system_error(error);
    return sent;
  }

 private:
  int fd_;
};

[[noreturn]] void unreachable(const std::string& where, const std::string& why, const std::string& hint = {}) {
  throw Failure(Exit::unreachable, "cannot reach posternd at " + where + ": " + why, {}, hint);
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Failure(Exit::usage, "the socket path is too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) unreachable(path, std::strerror(errno));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = errno;
  ::close(fd);
  std::string hint;
  if (error == EACCES) hint = "you may not open the socket: run as root or join its group, or use --url with a token";
  if (error == ENOENT || error == ECONNREFUSED)
    hint = "is posternd running? --socket PATH or --url URL name another place";
  unreachable(path, std::strerror(error), hint);
}

struct HostAndPort {
  std::string host, port;
};

HostAndPort split_url(const std::string& url) {
  constexpr std::string_view scheme = "http://";
  std::string rest = url;
  if (!rest.starts_with(scheme)) throw Failure(Exit::usage, "the URL must begin with http://, not: " + url);
  rest.erase(0, scheme.size());
  if (rest.ends_with('/')) rest.pop_back();
  const auto colon = rest.rfind(':');
  const bool port_given = colon != std::string::npos && (rest.front() != '[' || rest[colon - 1] == ']');
  HostAndPort result{port_given ? rest.substr(0, colon) : rest, port_given ? rest.substr(colon + 1) : "80"};
  if (result.host.starts_with('[') && result.host.ends_with(']'))
    result.host = result.host.substr(1, result.host.size() - 2);
  if (result.host.empty() || result.host.find('/') != std::string::npos || result.port.empty())
    throw Failure(Exit::usage, "the URL must be http://HOST:PORT, not: " + url);
  return result;
}

int connect_url(const std::string& url) {
  const HostAndPort place = split_url(url);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(place.host.c_str(), place.port.c_str(), &hints, &found); error != 0)
    unreachable(url, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int fd = ::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
    if (fd < 0) continue;
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &answer_timeout, sizeof answer_timeout);
    if (::connect(fd, each->ai_addr, each->ai_addrlen) == 0) return fd;
    error = errno;
    ::close(fd);
  }
  unreachable(url, std::strerror(error), "is posternd running, and does its `listen` name this address?");
}

std::string member(const json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string first_of(const json& object, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (std::string text = member(object, name); !text.empty()) return text;
  return {};
}

Exit exit_for(unsigned status) {
  if (status == 401 || status == 403) return Exit::not_allowed;
  return status >= 500 ? Exit::gate_failed : Exit::refused;
}

// An Azure-compatible route wraps its error in {"error": …} with `details`; /v1 answers a problem with `errors`.
Failure failure_from(unsigned status, const json& body) {
  const bool wrapped = body.is_object() && body.contains("error") && body["error"].is_object();
  const json& error = wrapped ? body["error"] : body;
  std::string message = first_of(error, {"detail", "message", "title"});
  if (message.empty()) message = "HTTP status " + std::to_string(status);
  Failure failure(exit_for(status), message);
  failure.code = member(error, "code");
  for (const char* list : {"errors", "details"}) {
    if (!error.is_object() || !error.contains(list) || !error[list].is_array()) continue;
    for (const json& fault : error[list])
      failure.faults.push_back({first_of(fault, {"detail", "message"}), first_of(fault, {"target", "pointer"})});
  }
  if (failure.faults.empty())
    if (std::string target = first_of(error, {"target", "pointer"}); !target.empty())
      failure.faults.push_back({message, target});
  return failure;
}

http::request<http::string_body> request_for(const Endpoint& endpoint, std::string_view method,
                                             const std::string& target, const json* body) {
  http::request<http::string_body> request;
  request.version(11);
  request.method_string(method);
  request.target(target);
  const HostAndPort place = endpoint.url.empty() ? HostAndPort{"localhost", ""} : split_url(endpoint.url);
  const std::string host = place.host.find(':') == std::string::npos ? place.host : "[" + place.host + "]";
  request.set(http::field::host, place.port.empty() ? host : host + ":" + place.port);
  request.set(http::field::user_agent, "postern/" POSTERN_VERSION);
  request.set(http::field::accept, "application/json");
  request.set(http::field::connection, "close");
  if (!endpoint.token.empty()) request.set(http::field::authorization, "Bearer " + endpoint.token);
  if (body != nullptr) {
    request.set(http::field::content_type, "application/json");
    request.body() = body->dump();
  }
  request.prepare_payload();
  return request;
}

}  // namespace

Answer GateClient::call(std::string_view method, const std::string& target, const json* body) const {
  const std::string where = endpoint_.url.empty() ? endpoint_.socket : endpoint_.url;
  const auto request = request_for(endpoint_, method, target, body);
  Connection connection(endpoint_.url.empty() ? connect_unix(endpoint_.socket) : connect_url(endpoint_.url));

  error_code error;
  http::write(connection, request, error);  // a refused upload may still have been answered: read on
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(answer_bytes_max);
  error_code read_error;
  http::read(connection, buffer, parser, read_error);
  if (read_error) {
    const bool late = read_error.value() == EAGAIN && read_error.category() == boost::system::system_category();
    unreachable(where, late ? "no answer within 30 seconds" : read_error.message(),
                "whether it was done is not known: `postern grants` and `postern audit` show it");
  }

  Answer answer{parser.get().result_int(), nullptr};
  if (!parser.get().body().empty()) answer.body = json::parse(parser.get().body(), nullptr, false);
  if (answer.status >= 400) throw failure_from(answer.status, answer.body);
  if (answer.body.is_discarded()) unreachable(where, "what answered there is not posternd (no JSON)");
  return answer;
}

namespace {

// Lines as they come, into events.
class EventReader {
 public:
  explicit EventReader(const std::function<void(const ServerEvent&)>& tell) : tell_(tell) {}

  void take(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        line_ += c;
        continue;
      }
      take_line();
      line_.clear();
    }
  }

 private:
  void take_line() {
    if (line_.empty()) {
      if (!event_.data.empty()) tell_(event_);
      event_ = {};
    }
    if (line_.starts_with("id: ")) event_.id = line_.substr(4);
    if (line_.starts_with("event: ")) event_.name = line_.substr(7);
    if (line_.starts_with("data: ")) event_.data += line_.substr(6);
  }

  const std::function<void(const ServerEvent&)>& tell_;
  std::string line_;
  ServerEvent event_;
};

}  // namespace

void GateClient::stream(const std::string& target, const std::string& last_id,
                        const std::function<void(const ServerEvent&)>& tell) const {
  const std::string where = endpoint_.url.empty() ? endpoint_.socket : endpoint_.url;
  auto request = request_for(endpoint_, "GET", target, nullptr);
  request.set(http::field::accept, "text/event-stream");
  if (!last_id.empty()) request.set("Last-Event-ID", last_id);
  Connection connection(endpoint_.url.empty() ? connect_unix(endpoint_.socket) : connect_url(endpoint_.url));
  error_code error;
  http::write(connection, request, error);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  http::read_header(connection, buffer, parser, error);
  if (error) unreachable(where, error.message());
  const unsigned status = parser.get().result_int();
  std::string refusal;
  EventReader reader(tell);
  std::array<char, 8192> piece;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    http::read_some(connection, buffer, parser, error);
    const std::string_view bytes(piece.data(), piece.size() - parser.get().body().size);
    if (status >= 400) refusal += bytes;
    if (status < 400) reader.take(bytes);
    if (error && error != http::error::need_buffer) break;
  }
  if (status >= 400) throw failure_from(status, json::parse(refusal, nullptr, false));
}

void GateClient::download(const std::string& target, const std::function<void(std::string_view)>& sink) const {
  const std::string where = endpoint_.url.empty() ? endpoint_.socket : endpoint_.url;
  Connection connection(endpoint_.url.empty() ? connect_unix(endpoint_.socket) : connect_url(endpoint_.url));
  error_code error;
  http::write(connection, request_for(endpoint_, "GET", target, nullptr), error);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  error = {};
  http::read_header(connection, buffer, parser, error);
  const bool wanted = !error && parser.get().result_int() < 400;
  std::string refusal;
  std::array<char, 65536> piece;
  while (!error && !parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    http::read(connection, buffer, parser, error);
    if (error == http::error::need_buffer) error = {};
    const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
    if (wanted) {
      sink(got);
    } else if (refusal.size() < answer_bytes_max) {
      refusal += got;
    }
  }
  if (error) unreachable(where, "the answer broke off: " + error.message(), "what came is not all there is");
  if (!wanted) throw failure_from(parser.get().result_int(), json::parse(refusal, nullptr, false));
}

bool GateClient::daemon_sees_no_address() const {
  if (endpoint_.url.empty()) return true;
  const std::string host = split_url(endpoint_.url).host;
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string encoded(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string result;
  for (const char c : text) {
    if (plain.find(c) != std::string_view::npos) {
      result += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    result += {'%', digits[byte >> 4], digits[byte & 15]};
  }
  return result;
}

}  // namespace postern::cli
