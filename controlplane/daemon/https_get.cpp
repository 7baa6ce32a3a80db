// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/https_get.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace postern::daemon {
namespace {

namespace asio = boost::asio;
namespace wire = boost::beast::http;
using core::Result;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds patience{10};

core::Error fault(std::string message) {
  return {core::ErrorCode::service_unavailable, std::move(message), "", {}};
}

std::string verdict(SSL* ssl, const boost::system::error_code& error) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified == X509_V_OK) return error.message();
  return std::string("its certificate is not believed: ") + X509_verify_cert_error_string(verified);
}

}  // namespace

Result<HttpsUrl> parse_https_url(const std::string& url) {
  constexpr std::string_view scheme = "https://";
  const core::Error bad{core::ErrorCode::invalid_input, "'" + url + "' is no URL such as https://issuer.example/keys.", "", {}};
  if (!url.starts_with(scheme) || url.find_first_of(" \t\r\n#@") != std::string::npos) return bad;
  const std::string rest = url.substr(scheme.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  HttpsUrl parsed{rest.substr(0, slash), "443", slash == rest.size() ? "/" : rest.substr(slash)};
  const auto colon = parsed.host.rfind(':');
  if (colon != std::string::npos && !parsed.host.ends_with(']')) {
    parsed.port = parsed.host.substr(colon + 1);
    parsed.host.resize(colon);
  }
  if (parsed.host.starts_with('[') && parsed.host.ends_with(']')) parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
  if (parsed.host.empty() || parsed.port.empty() || parsed.port.size() > 5 || parsed.port.find_first_not_of("0123456789") != std::string::npos)
    return bad;
  return parsed;
}

void HttpsGet::start(Done done) {
  busy_ = true;
  late_ = false;
  deadline_ = std::chrono::steady_clock::now() + patience;
  asio::co_spawn(io_, run(std::move(done)), asio::detached);
}

asio::awaitable<void> HttpsGet::run(Done done) {
  Result<std::string> got = fault("the exchange broke.");
  try {
    got = co_await get();
  } catch (const std::exception& broken) {
    got = fault(std::string("the exchange broke: ") + broken.what() + ".");
  }
  busy_ = false;
  stream_.reset();
  context_.reset();
  if (late_) got = fault("no whole answer came within " + std::to_string(patience.count()) + " seconds.");
  done(std::move(got));
}

void HttpsGet::look(Time now) {
  if (!busy_ || now < deadline_) return;
  late_ = true;
  stop();
}

void HttpsGet::stop() {
  resolver_.cancel();
  boost::system::error_code ignored;
  if (stream_) stream_->next_layer().close(ignored);
}

asio::awaitable<Result<std::string>> HttpsGet::get() {
  const auto [unresolved, places] = co_await resolver_.async_resolve(url_.host, url_.port, as_result);
  if (unresolved || late_) co_return fault("'" + url_.host + "' is not found: " + unresolved.message() + ".");
  context_.emplace(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context_->native_handle(), TLS1_2_VERSION);
  boost::system::error_code error;
  if (ca_.empty()) {
    context_->set_default_verify_paths(error);
  } else {
    context_->load_verify_file(ca_, error);
  }
  if (error) co_return fault("the CA '" + ca_ + "' cannot be used: " + error.message() + ".");
  stream_.emplace(io_, *context_);
  Stream& stream = *stream_;
  stream.set_verify_mode(asio::ssl::verify_peer);
  stream.set_verify_callback(asio::ssl::host_name_verification(url_.host));
  boost::system::error_code no_address;
  asio::ip::make_address(url_.host, no_address);
  std::string name = url_.host;
  if (no_address) SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  const auto [unreached, reached] = co_await asio::async_connect(stream.next_layer(), places, as_result);
  if (unreached) co_return fault("'" + url_.host + "' cannot be reached: " + unreached.message() + ".");
  co_return co_await converse(stream);
}

asio::awaitable<Result<std::string>> HttpsGet::converse(Stream& stream) {
  const auto [refused] = co_await stream.async_handshake(asio::ssl::stream_base::client, as_result);
  if (refused) co_return fault("'" + url_.host + "' speaks no TLS that we trust: " + verdict(stream.native_handle(), refused) + ".");
  wire::request<wire::empty_body> request(wire::verb::get, url_.target, 11);
  const std::string host = url_.host.find(':') == std::string::npos ? url_.host : "[" + url_.host + "]";
  request.set(wire::field::host, url_.port == "443" ? host : host + ":" + url_.port);
  request.set(wire::field::user_agent, "posternd/" POSTERN_VERSION);
  request.set(wire::field::accept, "application/json, application/jwk-set+json");
  request.set(wire::field::connection, "close");
  const auto [unsent, sent] = co_await wire::async_write(stream, request, as_result);
  if (unsent) co_return fault("'" + url_.host + "' took no request: " + unsent.message() + ".");
  boost::beast::flat_buffer buffer;
  wire::response_parser<wire::string_body> parser;
  parser.body_limit(bytes_max_);
  const auto [unread, got] = co_await wire::async_read(stream, buffer, parser, as_result);
  if (unread) co_return fault("'" + url_.host + "' gave no whole answer: " + unread.message() + ".");
  if (parser.get().result() != wire::status::ok)
    co_return fault("'" + url_.host + "' answered with status " + std::to_string(parser.get().result_int()) + ", not 200.");
  co_return std::move(parser.get().body());
}

}  // namespace postern::daemon
