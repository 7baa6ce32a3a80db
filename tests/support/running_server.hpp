// SPDX-License-Identifier: Apache-2.0
// An http::Server on a Unix socket and a loopback port of its own, on a thread of its own, for as long as it lives.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <functional>
#include <future>
#include <thread>

#include "controlplane/http/server.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/raw_client.hpp"

namespace postern::test {

class RunningServer {
 public:
  explicit RunningServer(http::RequestHandler handler, http::ServerLimits limits = {})
      : RunningServer(http::one_by_one(std::move(handler)), limits) {}
  explicit RunningServer(http::TurnHandler handler, http::ServerLimits limits = {})
      : folder_(made_folder()), server_(io_, std::move(handler), limits) {
    auto local = http::listen_unix(path(), std::nullopt);
    auto tcp = http::listen_tcp(core::parse_address("127.0.0.1").value(), 0);
    REQUIRE(local);
    REQUIRE(tcp);
    port_ = tcp->port();
    server_.add(*std::move(local));
    server_.add(*std::move(tcp));
    thread_ = std::thread([this] { io_.run(); });
  }
  ~RunningServer() {
    stop();
    thread_.join();
    std::filesystem::remove_all(folder_);
  }
  RunningServer(const RunningServer&) = delete;
  RunningServer& operator=(const RunningServer&) = delete;

  void stop() {
    boost::asio::post(io_, [this] { server_.stop([this] { stopped_.set_value(); }); });
  }
  std::future<void> stopped() { return stopped_.get_future(); }
  // On the server's thread; returns when it is done.
  void run(const std::function<void(http::Server&)>& act) {
    std::promise<void> done;
    boost::asio::post(io_, [&] {
      act(server_);
      done.set_value();
    });
    done.get_future().get();
  }
  std::size_t connections() {
    std::promise<std::size_t> answer;
    boost::asio::post(io_, [&] { answer.set_value(server_.connections()); });
    return answer.get_future().get();
  }
  // What was closed still counts for a moment.
  bool comes_down_to(std::size_t connections_max) {
    for (int i = 0; i < 3000; ++i) {
      if (connections() <= connections_max) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

  std::string path() const { return folder_ / "api.sock"; }
  std::uint16_t port() const { return port_; }
  std::string host() const { return "localhost:" + std::to_string(port_); }
  RawClient unix_client() const { return RawClient::to_unix(path()); }
  RawClient tcp_client() const { return RawClient::to_port(port_); }

 private:
  static std::filesystem::path made_folder() {
    std::string name = "/tmp/postern-http-test-XXXXXX";
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder");
    return name;
  }

  std::filesystem::path folder_;
  boost::asio::io_context io_;
  http::Server server_;
  std::promise<void> stopped_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace postern::test
