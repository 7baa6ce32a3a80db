// SPDX-License-Identifier: Apache-2.0
// The journey of one call: host checked, caller identified, route found, api-version checked, handled, headers and
// log line added. Synchronous, on the core's thread; never throws.
#pragma once

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

class Api {
 public:
  Api(core::Gatekeeper& gatekeeper, ApiOptions options) : gatekeeper_(gatekeeper), options_(std::move(options)) {}

  void set_options(ApiOptions options) { options_ = std::move(options); }

  HttpResponse handle(const HttpRequest& request, const Peer& peer);

 private:
  struct Told;  // what the log line says of the call
  HttpResponse answer(const HttpRequest& request, const Peer& peer, Told& told);

  core::Gatekeeper& gatekeeper_;
  ApiOptions options_;
};

}  // namespace postern::http
