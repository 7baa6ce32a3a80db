// SPDX-License-Identifier: Apache-2.0
// Tells somebody by HTTP of each audit record: in order, at least once, one at a time, later and later while he does not
// answer. No request of ours waits for it, and nothing of it is held but a few records.
//
// POST, the record as JSON, with
//   X-Postern-Sequence: its number, by which a repeat is known
//   X-Postern-Timestamp: seconds since 1970
//   X-Postern-Signature: v1=HEX, HMAC-SHA256 with the secret over TIMESTAMP "." BODY
// Any status of 200 to 299 is taken for an answer; redirects are not followed.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "controlplane/daemon/audit_feed.hpp"
#include "controlplane/daemon/config.hpp"

namespace postern::daemon {

struct WebhookPace {
  std::chrono::milliseconds idle{1000};        // between two looks for records
  std::chrono::milliseconds first_pause{1000}; // after a failure; doubles …
  std::chrono::milliseconds last_pause{300'000};  // … up to this
  std::chrono::milliseconds answer{10'000};    // for connecting, and for each answer
};

class Webhook {
 public:
  Webhook(boost::asio::io_context& io, store::SqliteStore& store, const core::Clock& clock, WebhookTarget target,
          WebhookPace pace = {});
  ~Webhook();

  void start();
  void stop();
  const WebhookTarget& target() const { return target_; }
  const std::string& trouble() const { return trouble_; }  // why nothing arrives; empty: it does
  std::uint64_t delivered() const { return delivered_; }
  std::uint64_t failed() const { return failed_; }
  std::uint64_t waiting() { return feed_.waiting(); }

 private:
  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> pause(std::chrono::milliseconds time);
  // Delivers what it can; a sentence if not all.
  boost::asio::awaitable<std::string> deliver(const std::vector<core::AuditRecord>& records);
  template <class Stream>
  boost::asio::awaitable<std::string> tell(Stream& stream, const std::vector<core::AuditRecord>& records);

  boost::asio::io_context& io_;
  const core::Clock& clock_;
  WebhookTarget target_;
  WebhookPace pace_;
  AuditFeed feed_;
  boost::asio::steady_timer timer_;
  std::function<void()> abandon_;  // what is under way
  bool stopping_ = false;
  std::uint64_t delivered_ = 0, failed_ = 0;
  std::string trouble_;
};

std::string webhook_signature(const std::string& secret, const std::string& timestamp, const std::string& body);

}  // namespace postern::daemon
