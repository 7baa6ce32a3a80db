// SPDX-License-Identifier: Apache-2.0
#include "tools/postern/connection.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "tools/postern/failure.hpp"

namespace postern::cli {
namespace {

constexpr timeval answer_timeout{30, 0};

[[noreturn]] void unreachable(const std::string& where, const std::string& why, const std::string& hint = {}) {
  throw Failure(Exit::unreachable, "cannot reach posternd at " + where + ": " + why, {}, hint);
}

int connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Failure(Exit::usage, "the socket path is too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) unreachable(path, std::strerror(errno));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = errno;
  ::close(fd);
  std::string hint;
  if (error == EACCES) hint = "you may not open the socket: run as root or join its group, or use --url with a token";
  if (error == ENOENT || error == ECONNREFUSED)
    hint = "is posternd running? --socket PATH or --url URL name another place";
  unreachable(path, std::strerror(error), hint);
}

int connect_place(const Place& place, const std::string& url) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(place.host.c_str(), place.port.c_str(), &hints, &found); error != 0)
    unreachable(url, ::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const int fd = ::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol);
    if (fd < 0) continue;
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &answer_timeout, sizeof answer_timeout);
    if (::connect(fd, each->ai_addr, each->ai_addrlen) == 0) return fd;
    error = errno;
    ::close(fd);
  }
  const std::string option = place.tls ? "listen_https" : "listen";
  unreachable(url, std::strerror(error), "is posternd running, and does its `" + option + "` name this address?");
}

std::string reason() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = error != 0 ? ERR_reason_error_string(error) : nullptr;
  return text != nullptr ? text : "no reason was given";
}

bool is_address(const std::string& host) {
  in6_addr buffer;
  return ::inet_pton(AF_INET, host.c_str(), &buffer) == 1 || ::inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

[[noreturn]] void unusable(const std::string& what, const std::string& path) {
  throw Failure(Exit::usage, "the " + what + " cannot be used: " + path + ": " + reason());
}

}  // namespace

bool Place::is_loopback() const {
  return host == "localhost" || host == "::1" || (host.starts_with("127.") && is_address(host));
}

std::string Place::authority() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

Place place_of(const std::string& url) {
  Place place;
  place.tls = url.starts_with("https://");
  if (!place.tls && !url.starts_with("http://"))
    throw Failure(Exit::usage, "the URL must begin with https:// or http://, not: " + url);
  std::string rest = url.substr(url.find("://") + 3);
  if (rest.ends_with('/')) rest.pop_back();
  const auto colon = rest.rfind(':');
  const bool port_given = colon != std::string::npos && (rest.front() != '[' || rest[colon - 1] == ']');
  place.host = port_given ? rest.substr(0, colon) : rest;
  place.port = port_given ? rest.substr(colon + 1) : place.tls ? "443" : "80";
  if (place.host.starts_with('[') && place.host.ends_with(']')) place.host = place.host.substr(1, place.host.size() - 2);
  if (place.host.empty() || place.host.find_first_of("/@?#") != std::string::npos ||
      place.port.find_first_not_of("0123456789") != std::string::npos || place.port.empty())
    throw Failure(Exit::usage, "the URL must be https://HOST:PORT or http://HOST:PORT, not: " + url);
  return place;
}

struct Connection::Tls {
  ~Tls() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  Tls() = default;
  Tls(const Tls&) = delete;
  Tls& operator=(const Tls&) = delete;

  void prepare(const Endpoint& endpoint);
  void shake_hands(int fd, const Place& place, const std::string& url);

  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* ssl = nullptr;
};

// Everything that the files may be wrong with is told before anything is sent.
void Connection::Tls::prepare(const Endpoint& endpoint) {
  std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  if (endpoint.ca.empty()) SSL_CTX_set_default_verify_paths(context);
  if (!endpoint.ca.empty() && SSL_CTX_load_verify_file(context, endpoint.ca.c_str()) != 1) unusable("CA", endpoint.ca);
  if (endpoint.certificate.empty()) return;
  if (SSL_CTX_use_certificate_chain_file(context, endpoint.certificate.c_str()) != 1)
    unusable("certificate", endpoint.certificate);
  const std::string& key = endpoint.key.empty() ? endpoint.certificate : endpoint.key;
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) unusable("private key", key);
}

void Connection::Tls::shake_hands(int fd, const Place& place, const std::string& url) {
  ssl = SSL_new(context);
  const bool named = !is_address(place.host);
  std::string name = place.host;
  const bool set = named ? SSL_set1_host(ssl, name.c_str()) == 1 &&
                               SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) == 1
                         : X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), place.host.c_str()) == 1;
  if (!set || SSL_set_fd(ssl, fd) != 1) unreachable(url, reason());
  ERR_clear_error();
  if (SSL_connect(ssl) == 1) return;
  const int error = errno;
  if (const long verdict = SSL_get_verify_result(ssl); verdict != X509_V_OK)
    unreachable(url, std::string("its certificate is not believed: ") + X509_verify_cert_error_string(verdict),
                "--ca FILE names whom to trust, and the URL's host must be a name in the certificate");
  const bool told = ERR_peek_last_error() != 0;
  unreachable(url, told ? reason() : error == EAGAIN ? "no TLS handshake within 30 seconds" : "the connection ended in the TLS handshake",
              "does it speak https there, and want a client certificate (--cert, --key)?");
}

Connection::Connection(const Endpoint& endpoint) {
  if (endpoint.url.empty()) {
    fd_ = connect_unix(endpoint.socket);
  } else {
    const Place place = place_of(endpoint.url);
    if (place.tls) {
      tls_ = std::make_unique<Tls>();
      tls_->prepare(endpoint);
    }
    if (!place.tls && !endpoint.token.empty() && !place.is_loopback())
      throw Failure(Exit::usage, "a token is not sent over http to another host; use https: " + endpoint.url);
    fd_ = connect_place(place, endpoint.url);
  }
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &answer_timeout, sizeof answer_timeout);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &answer_timeout, sizeof answer_timeout);
  if (!tls_) return;
  try {
    tls_->shake_hands(fd_, place_of(endpoint.url), endpoint.url);
  } catch (const Failure&) {
    ::close(fd_);  // nobody destroys what was not made
    throw;
  }
}

Connection::~Connection() {
  if (tls_) SSL_shutdown(tls_->ssl);
  ::close(fd_);
}

std::ptrdiff_t Connection::read(void* data, std::size_t size) {
  if (!tls_) return ::recv(fd_, data, size, 0);
  ERR_clear_error();
  errno = 0;
  const int got = SSL_read(tls_->ssl, data, static_cast<int>(size));
  if (got > 0) return got;
  const int error = SSL_get_error(tls_->ssl, got);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_SSL) refusal_ = reason();
  if (error == SSL_ERROR_WANT_READ) errno = EAGAIN;
  if (errno == 0) errno = ECONNRESET;
  return -1;
}

std::ptrdiff_t Connection::write(const void* data, std::size_t size) {
  if (!tls_) return ::send(fd_, data, size, MSG_NOSIGNAL);
  ERR_clear_error();
  errno = 0;
  const int sent = SSL_write(tls_->ssl, data, static_cast<int>(size));
  if (sent > 0) return sent;
  if (SSL_get_error(tls_->ssl, sent) == SSL_ERROR_WANT_WRITE) errno = EAGAIN;
  if (errno == 0) errno = ECONNRESET;
  return -1;
}

}  // namespace postern::cli
