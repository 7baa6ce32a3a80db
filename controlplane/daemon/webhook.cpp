// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/webhook.hpp"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "controlplane/http/own_encode.hpp"

namespace postern::daemon {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t records_a_connection = 50;
constexpr std::uint32_t answer_header_max = 16U << 10;
constexpr std::uint64_t answer_body_max = 64U << 10;

core::Result<std::shared_ptr<asio::ssl::context>> tls_context(const WebhookTarget& target) {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  boost::system::error_code error;
  context->set_options(asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, error);
  if (target.ca.empty()) {
    context->set_default_verify_paths(error);
  } else {
    context->load_verify_file(target.ca, error);
  }
  if (error)
    return core::Error{core::ErrorCode::internal, "the certificates to check it by cannot be read: " + error.message(), "", {}};
  context->set_verify_mode(asio::ssl::verify_peer);
  context->set_verify_callback(asio::ssl::host_name_verification(target.host));
  return context;
}

}  // namespace

std::string webhook_signature(const std::string& secret, const std::string& timestamp, const std::string& body) {
  const std::string text = timestamp + "." + body;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (!HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
            reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size))
    throw std::runtime_error("OpenSSL could not compute an HMAC");
  return "v1=" + store::hex({reinterpret_cast<const char*>(digest), size});
}

Webhook::Webhook(asio::io_context& io, store::SqliteStore& store, const core::Clock& clock, WebhookTarget target,
                 WebhookPace pace)
    : io_(io),
      clock_(clock),
      target_(std::move(target)),
      pace_(pace),
      feed_(store, "webhook " + target_.url),
      timer_(io) {}

Webhook::~Webhook() = default;

void Webhook::start() {
  asio::co_spawn(io_, run(), [](const std::exception_ptr& broken) {
    if (broken) std::rethrow_exception(broken);  // leaves io_context::run, as with the timers
  });
}

void Webhook::stop() {
  stopping_ = true;
  timer_.cancel();
  if (abandon_) abandon_();
}

asio::awaitable<void> Webhook::pause(std::chrono::milliseconds time) {
  timer_.expires_after(time);
  co_await timer_.async_wait(as_result);
}

asio::awaitable<void> Webhook::run() {
  auto longer = pace_.first_pause;
  while (!stopping_) {
    const auto records = feed_.next(records_a_connection);
    std::string trouble = records ? "" : records.error().message;
    if (records && !records->empty()) trouble = co_await deliver(*records);
    abandon_ = nullptr;
    if (const auto saved = feed_.save(); !saved && trouble.empty()) trouble = saved.error().message;
    if (stopping_) co_return;
    if (trouble != trouble_ && !trouble.empty()) spdlog::warn("A webhook fails. to={} why=\"{}\"", target_.name(), trouble);
    if (trouble.empty() && !trouble_.empty()) spdlog::info("A webhook answers again. to={}", target_.name());
    trouble_ = trouble;
    if (!trouble.empty()) {
      ++failed_;
      co_await pause(longer);
      longer = std::min(2 * longer, pace_.last_pause);
    } else {
      longer = pace_.first_pause;
      if (records->empty()) co_await pause(pace_.idle);
    }
  }
}

asio::awaitable<std::string> Webhook::deliver(const std::vector<core::AuditRecord>& records) {
  asio::ip::tcp::resolver resolver(io_);
  abandon_ = [&resolver] { resolver.cancel(); };
  const auto [unknown, places] = co_await resolver.async_resolve(target_.host, target_.port, as_result);
  if (unknown) co_return "its name is not known: " + unknown.message();
  if (target_.tls) {
    const auto context = tls_context(target_);
    if (!context) co_return context.error().message;
    asio::ssl::stream<beast::tcp_stream> stream(io_, **context);
    auto& below = stream.next_layer();
    abandon_ = [&below] { below.close(); };
    if (stopping_) co_return "stopping";
    below.expires_after(pace_.answer);
    if (const auto [error, end] = co_await below.async_connect(places, as_result); error) co_return "cannot connect: " + error.message();
    // What SSL_set_tlsext_host_name() is, but for its cast.
    if (SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, target_.host.data()) != 1)
      co_return "its name cannot be sent";
    below.expires_after(pace_.answer);
    if (const auto [error] = co_await stream.async_handshake(asio::ssl::stream_base::client, as_result); error)
      co_return "TLS: " + error.message();
    auto trouble = co_await tell(stream, records);
    abandon_ = nullptr;
    co_return trouble;
  }
  beast::tcp_stream stream(io_);
  abandon_ = [&stream] { stream.close(); };
  if (stopping_) co_return "stopping";
  stream.expires_after(pace_.answer);
  if (const auto [error, end] = co_await stream.async_connect(places, as_result); error) co_return "cannot connect: " + error.message();
  auto trouble = co_await tell(stream, records);
  abandon_ = nullptr;
  co_return trouble;
}

template <class Stream>
asio::awaitable<std::string> Webhook::tell(Stream& stream, const std::vector<core::AuditRecord>& records) {
  beast::flat_buffer buffer;
  for (const core::AuditRecord& record : records) {
    if (stopping_) co_return "stopping";
    wire::request<wire::string_body> request{wire::verb::post, target_.path, 11};
    request.body() = http::to_text(http::encode_record(record));
    const std::string timestamp =
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(clock_.now().utc.time_since_epoch()).count());
    request.set(wire::field::host, target_.host_header());
    request.set(wire::field::user_agent, "postern/" POSTERN_VERSION);
    request.set(wire::field::content_type, "application/json");
    request.set("X-Postern-Sequence", std::to_string(record.sequence));
    request.set("X-Postern-Timestamp", timestamp);
    request.set("X-Postern-Signature", webhook_signature(target_.secret, timestamp, request.body()));
    request.prepare_payload();
    beast::get_lowest_layer(stream).expires_after(pace_.answer);
    if (const auto [error, sent] = co_await wire::async_write(stream, request, as_result); error)
      co_return "record " + std::to_string(record.sequence) + " could not be sent: " + error.message();
    wire::response_parser<wire::string_body> parser;
    parser.header_limit(answer_header_max);
    parser.body_limit(answer_body_max);
    if (const auto [error, got] = co_await wire::async_read(stream, buffer, parser, as_result); error)
      co_return "record " + std::to_string(record.sequence) + " was not answered: " + error.message();
    const unsigned status = parser.get().result_int();
    if (status < 200 || status > 299)
      co_return "record " + std::to_string(record.sequence) + " was answered with status " + std::to_string(status);
    feed_.done(record.sequence);
    ++delivered_;
    if (!parser.keep_alive()) break;
  }
  co_return "";
}

}  // namespace postern::daemon
