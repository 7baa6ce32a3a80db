// SPDX-License-Identifier: Apache-2.0
// One connection to posternd: Unix socket, TCP, or TLS over it with the server's certificate checked. Blocking, with a
// timeout; knows nothing of HTTP. Failures to connect are thrown as Failure.
#pragma once

#include <openssl/types.h>

#include <cstddef>
#include <memory>
#include <string>

namespace postern::cli {

struct Endpoint {
  std::string socket;  // path of the Unix socket; used if `url` is empty
  std::string url;     // http://HOST:PORT, https://HOST:PORT
  std::string token;   // bearer token, may be empty
  std::string ca;      // PEM; whom to trust with https; empty: whom the system trusts
  std::string certificate, key;  // PEM; what to show with https; empty: nothing
};

struct Place {
  bool tls = false;
  std::string host, port;
  bool is_loopback() const;
  std::string authority() const;  // as in a Host header
};

Place place_of(const std::string& url);

class Connection {
 public:
  explicit Connection(const Endpoint& endpoint);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Bytes that were moved; 0: the other side has ended; -1: failed, with errno (EAGAIN: the time was up).
  std::ptrdiff_t read(void* data, std::size_t size);
  std::ptrdiff_t write(const void* data, std::size_t size);
  // What TLS says of why the other side ended: in TLS 1.3 it looks at our certificate after its own handshake is done.
  const std::string& refusal() const { return refusal_; }

 private:
  struct Tls;
  int fd_ = -1;
  std::unique_ptr<Tls> tls_;
  std::string refusal_;
};

}  // namespace postern::cli
