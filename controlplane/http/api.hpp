// SPDX-License-Identifier: Apache-2.0
// The journey of one call: host checked, caller identified, route found, api-version checked, handled, headers and
// log line added. Synchronous, on the core's thread; never throws.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "controlplane/core/access.hpp"
#include "controlplane/http/identity.hpp"
#include "controlplane/http/message.hpp"

namespace postern::http {

struct ApiOptions {
  IdentityRules identity;
  std::string public_url;       // of a front, without trailing '/'; empty: none
  std::size_t page_size = 100;  // policies a page
};

// How many event streams there are, by whose they are.
struct StreamCount {
  std::map<std::string, std::size_t> of;
  std::size_t all = 0;
};

class Api {
 public:
  Api(core::Gatekeeper& gatekeeper, ApiOptions options) : gatekeeper_(gatekeeper), options_(std::move(options)) {}

  void set_options(ApiOptions options) { options_ = std::move(options); }

  HttpResponse handle(const HttpRequest& request, const Peer& peer);
  core::Result<core::Principal> identify(const HttpRequest& request, const Peer& peer) const;
  const std::shared_ptr<StreamCount>& streams() const { return streams_; }

 private:
  struct Told;  // what the log line says of the call
  HttpResponse answer(const HttpRequest& request, const Peer& peer, Told& told);

  core::Gatekeeper& gatekeeper_;
  ApiOptions options_;
  std::shared_ptr<StreamCount> streams_ = std::make_shared<StreamCount>();  // sessions that are given up count down after us
};

}  // namespace postern::http
