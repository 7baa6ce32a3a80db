// SPDX-License-Identifier: Apache-2.0
// The other side of TLS for tests: a private CA's certificates, and a client that verifies them and speaks over loopback.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

namespace postern::test {

// PEM.
struct Credentials {
  std::string certificate, key;
};

Credentials make_authority(const std::string& name);
// For these names ("DNS:gate.example,IP:127.0.0.1"); `seconds` from now on, negative: it has expired.
Credentials issue(const Credentials& authority, const std::string& names, long seconds = 86400);

struct TlsClientOptions {
  std::string authority;  // PEM; whom the client trusts
  std::string host = "localhost";
  Credentials own = {};
  int newest = TLS1_3_VERSION;
};

class TlsClient {
 public:
  // Throws std::runtime_error if there is no connection or the handshake fails.
  TlsClient(std::uint16_t port, const TlsClientOptions& options);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // Sends, and reads until the answer's body is there or the peer ends; "" if it does without a word.
  std::string exchange(std::string_view request);
  bool send(std::string_view bytes);  // and reads nothing
  std::string version() const { return SSL_get_version(ssl_); }

 private:
  int fd_ = -1;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
};

}  // namespace postern::test
