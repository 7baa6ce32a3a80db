// SPDX-License-Identifier: Apache-2.0
// The only file of the command line that includes Beast (slow to compile). Over blocking sockets with a timeout, because
// Asio's synchronous reads have none.
#include "tools/postern/gate_client.hpp"

#include <cerrno>

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

constexpr std::uint64_t answer_bytes_max = 64ULL << 20;

// A connection as what Beast calls a SyncStream.
class Stream {
 public:
  explicit Stream(Connection& connection) : connection_(connection) {}

  template <class Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    const asio::mutable_buffer buffer = *asio::buffer_sequence_begin(buffers);
    const auto got = connection_.read(buffer.data(), buffer.size());
    if (got > 0) return static_cast<std::size_t>(got);
    error = got == 0 ? error_code(asio::error::eof) : error_code(errno, boost::system::system_category());
    return 0;
  }
  template <class Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& error) {
    for (auto it = asio::buffer_sequence_begin(buffers); it != asio::buffer_sequence_end(buffers); ++it) {
      const asio::const_buffer buffer = *it;
      if (buffer.size() == 0) continue;
      const auto sent = connection_.write(buffer.data(), buffer.size());
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
  Connection& connection_;
};

[[noreturn]] void unreachable(const std::string& where, const std::string& why, const std::string& hint = {}) {
  throw Failure(Exit::unreachable, "cannot reach posternd at " + where + ": " + why, {}, hint);
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
  request.set(http::field::host, endpoint.url.empty() ? "localhost" : place_of(endpoint.url).authority());
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
  Connection connection(endpoint_);
  Stream stream(connection);

  error_code error;
  http::write(stream, request, error);  // a refused upload may still have been answered: read on
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(answer_bytes_max);
  error_code read_error;
  http::read(stream, buffer, parser, read_error);
  if (read_error) {
    const bool late = read_error.value() == EAGAIN && read_error.category() == boost::system::system_category();
    if (!connection.refusal().empty()) unreachable(where, connection.refusal(), "does it want a client certificate (--cert, --key)?");
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
  Connection connection(endpoint_);
  Stream wire(connection);
  error_code error;
  http::write(wire, request, error);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  http::read_header(wire, buffer, parser, error);
  if (error) unreachable(where, error.message());
  const unsigned status = parser.get().result_int();
  std::string refusal;
  EventReader reader(tell);
  std::array<char, 8192> piece;
  while (!parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    http::read_some(wire, buffer, parser, error);
    const std::string_view bytes(piece.data(), piece.size() - parser.get().body().size);
    if (status >= 400) refusal += bytes;
    if (status < 400) reader.take(bytes);
    if (error && error != http::error::need_buffer) break;
  }
  if (status >= 400) throw failure_from(status, json::parse(refusal, nullptr, false));
}

void GateClient::download(const std::string& target, const std::function<void(std::string_view)>& sink) const {
  const std::string where = endpoint_.url.empty() ? endpoint_.socket : endpoint_.url;
  Connection connection(endpoint_);
  Stream wire(connection);
  error_code error;
  http::write(wire, request_for(endpoint_, "GET", target, nullptr), error);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  parser.body_limit(boost::none);
  error = {};
  http::read_header(wire, buffer, parser, error);
  const bool wanted = !error && parser.get().result_int() < 400;
  std::string refusal;
  std::array<char, 65536> piece;
  while (!error && !parser.is_done()) {
    parser.get().body().data = piece.data();
    parser.get().body().size = piece.size();
    http::read(wire, buffer, parser, error);
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
  return place_of(endpoint_.url).is_loopback();
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
