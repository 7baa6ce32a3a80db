// SPDX-License-Identifier: Apache-2.0
// The journey of one call: host checked, caller identified and his calls counted, route found, api-version checked, handled,
// headers and log line added. Of calls that wait at the same time, requests for access are handled together, before the others.
// Synchronous, on the core's thread; never throws.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "controlplane/core/access.hpp"
#include "controlplane/http/identity.hpp"
#include "controlplane/http/message.hpp"
#include "controlplane/http/rate_limit.hpp"
#include "controlplane/http/routes.hpp"

namespace postern::http {

struct ApiOptions {
  IdentityRules identity;
  std::string public_url;       // of a front, without trailing '/'; empty: none
  std::size_t page_size = 100;  // policies a page
  // Of calls; root over the Unix socket has no limit. A source is an IPv4 address, a /64 of IPv6, a local user.
  Rate caller_rate = {};    // each known caller, and each source of health checks
  Rate stranger_rate = {};  // each source of calls that name nobody known
  RateLimit::Time (*now)() = std::chrono::steady_clock::now;
};

// How many event streams there are, by whose they are.
struct StreamCount {
  std::map<std::string, std::size_t> of;
  std::size_t all = 0;
};

class Api {
 public:
  Api(core::Gatekeeper& gatekeeper, ApiOptions options)
      : gatekeeper_(gatekeeper), options_(std::move(options)), callers_(options_.caller_rate), open_(options_.caller_rate), strangers_(options_.stranger_rate) {}

  // Judges tokens that look like a JWT; all others, and these too without it, are the gate's own.
  void set_access_tokens(Authenticate judge) { access_tokens_ = std::move(judge); }
  void set_options(ApiOptions options) {
    options_ = std::move(options);
    callers_.change(options_.caller_rate);
    open_.change(options_.caller_rate);
    strangers_.change(options_.stranger_rate);
  }

  HttpResponse handle(const HttpRequest& request, const Peer& peer);
  std::vector<HttpResponse> handle(const std::vector<Arrival>& arrivals);
  core::Result<core::Principal> identify(const HttpRequest& request, const Peer& peer) const;
  const std::shared_ptr<StreamCount>& streams() const { return streams_; }

 private:
  struct Journey;
  void prepare(Journey& journey);
  void admit_together(std::vector<Journey>& journeys);
  HttpResponse stranger(const core::Error& error, Journey& journey);
  std::string source(const HttpRequest& request, const Peer& peer) const;

  core::Gatekeeper& gatekeeper_;
  ApiOptions options_;
  std::shared_ptr<StreamCount> streams_ = std::make_shared<StreamCount>();  // sessions that are given up count down after us
  RateLimit callers_, open_, strangers_;
  CallCounts counts_;
  Authenticate access_tokens_;
};

}  // namespace postern::http
