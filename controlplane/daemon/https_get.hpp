// SPDX-License-Identifier: Apache-2.0
// Fetches one small document over https, with the server's certificate checked, on the daemon's own thread and without
// holding it up. One at a time; follows no redirection.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "controlplane/core/result.hpp"

namespace postern::daemon {

struct HttpsUrl {
  std::string host, port, target;
};
core::Result<HttpsUrl> parse_https_url(const std::string& url);

class HttpsGet {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Done = std::function<void(core::Result<std::string>)>;

  // `ca`: PEM file; empty: whom the system trusts. Must outlive the running of `io`.
  HttpsGet(boost::asio::io_context& io, HttpsUrl url, std::string ca, std::size_t bytes_max)
      : io_(io), url_(std::move(url)), ca_(std::move(ca)), bytes_max_(bytes_max), resolver_(io) {}

  bool busy() const { return busy_; }
  void start(Done done);  // not while busy
  void look(Time now);    // gives up what has taken too long
  void stop();

 private:
  using Stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;
  boost::asio::awaitable<void> run(Done done);
  boost::asio::awaitable<core::Result<std::string>> get();
  boost::asio::awaitable<core::Result<std::string>> converse(Stream& stream);

  boost::asio::io_context& io_;
  HttpsUrl url_;
  std::string ca_;
  std::size_t bytes_max_;
  boost::asio::ip::tcp::resolver resolver_;
  std::optional<boost::asio::ssl::context> context_;  // of the one under way
  std::optional<Stream> stream_;
  Time deadline_{};
  bool busy_ = false, late_ = false;
};

}  // namespace postern::daemon
