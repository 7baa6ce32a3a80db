// SPDX-License-Identifier: Apache-2.0
// What a client's certificate says of who it is. Whether to believe it is OpenSSL's, against tls_client_ca.
#pragma once

#include <openssl/types.h>

#include <optional>

#include "controlplane/http/message.hpp"

namespace postern::http {

// After the handshake; nothing if no certificate was shown, or it was not verified.
std::optional<ClientCertificate> client_certificate(SSL* connection);

ClientCertificate read_client_certificate(X509* certificate);

}  // namespace postern::http
