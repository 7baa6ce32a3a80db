// SPDX-License-Identifier: Apache-2.0
// The keys of the OIDC issuer as they are now: a file that is read again when it changes, or a URL that is fetched now and
// then, and at once (but seldom) for a key that nobody knew. What cannot be had anew stays in use for a day, and is warned of.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "controlplane/core/access.hpp"
#include "controlplane/daemon/config.hpp"
#include "controlplane/daemon/https_get.hpp"
#include "controlplane/http/oidc.hpp"

namespace postern::daemon {

class IssuerKeys {
 public:
  using Clock = std::chrono::steady_clock;
  using Fetch = std::function<void(HttpsGet::Done)>;
  static constexpr std::chrono::minutes refresh{10}, again{1};
  static constexpr std::chrono::hours kept{24};

  // From a file.
  explicit IssuerKeys(std::string path) : path_(std::move(path)) {}
  // From elsewhere: `fetch` is called when it is time, and tells once what it has.
  explicit IssuerKeys(Fetch fetch) : fetch_(std::move(fetch)) {}
  IssuerKeys(const IssuerKeys&) = delete;

  void look(Clock::time_point now);  // often
  void want() { wanted_ = true; }    // a token names a key that is not among them

  const http::KeySet* now(Clock::time_point now) const;  // null: none that may be used
  std::string warning() const;                           // empty: all is well

 private:
  void read_file(Clock::time_point now);
  void take(core::Result<std::string> got, Clock::time_point now);

  std::string path_;
  Fetch fetch_;
  std::optional<http::KeySet> keys_;
  Clock::time_point read_{};                // when they were last known to be so
  std::optional<Clock::time_point> tried_;  // to fetch
  std::string seen_, trouble_;
  bool wanted_ = false, under_way_ = false;
};

// Tokens judged by the keys as they are now.
class OidcLogin {
 public:
  OidcLogin(boost::asio::io_context& io, const OidcConfig& config, const core::Clock& clock, core::Gatekeeper& gatekeeper);

  void look();  // every second
  core::Result<core::Principal> principal_of(std::string_view token);
  void stop();

 private:
  http::OidcRules rules_;
  const core::Clock& clock_;
  core::Gatekeeper& gatekeeper_;
  std::optional<HttpsGet> get_;  // none: keys are in a file
  std::optional<IssuerKeys> keys_;
};

}  // namespace postern::daemon
