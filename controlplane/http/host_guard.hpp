// SPDX-License-Identifier: Apache-2.0
// Keeps web pages out of the TCP listener: a Host that is not this server's (DNS rebinding) and an Origin that is
// not the same are refused. Over TLS the server's names are those in its certificate: a client that knows us by another has not
// verified it. The Unix socket needs none of this: no browser reaches it.
#pragma once

#include <string>

#include "controlplane/core/result.hpp"
#include "controlplane/http/message.hpp"

namespace postern::http {

// `public_url`: where clients find a front that passes on to us ("https://gate.example[:port]"), or empty.
core::Result<void> check_host(const HttpRequest& request, const Peer& peer, const std::string& public_url);

}  // namespace postern::http
