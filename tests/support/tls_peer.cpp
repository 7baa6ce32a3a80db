// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tls_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <stdexcept>

namespace postern::test {
namespace {

template <class T>
T* must(T* made) {
  if (!made) throw std::runtime_error(std::string("OpenSSL: ") + ERR_error_string(ERR_get_error(), nullptr));
  return made;
}

void must(int result) {
  if (result <= 0) throw std::runtime_error(std::string("OpenSSL: ") + ERR_error_string(ERR_get_error(), nullptr));
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Bio memory(const std::string& text) {
  return {must(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))), BIO_free};
}

std::string taken(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

Certificate read_certificate(const std::string& pem) {
  return {must(PEM_read_bio_X509(memory(pem).get(), nullptr, nullptr, nullptr)), X509_free};
}

Key read_key(const std::string& pem) {
  return {must(PEM_read_bio_PrivateKey(memory(pem).get(), nullptr, nullptr, nullptr)), EVP_PKEY_free};
}

void extend(X509* certificate, int what, const std::string& value) {
  X509_EXTENSION* extension = must(X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str()));
  must(X509_add_ext(certificate, extension, -1));
  X509_EXTENSION_free(extension);
}

// Signed by `signer`, or by itself.
Credentials make(const std::string& name, const std::string& names, long seconds, const Credentials* signer) {
  static long serial = 1;
  const Key key(must(EVP_EC_gen("P-256")), EVP_PKEY_free);
  const Certificate certificate(must(X509_new()), X509_free);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -172800);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), seconds);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  must(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0));
  if (names.empty()) {
    extend(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  } else {
    extend(certificate.get(), NID_subject_alt_name, names);
  }
  const Certificate issuer = signer ? read_certificate(signer->certificate) : Certificate(nullptr, X509_free);
  const Key signing = signer ? read_key(signer->key) : Key(nullptr, EVP_PKEY_free);
  X509_set_issuer_name(certificate.get(), signer ? X509_get_subject_name(issuer.get()) : subject);
  must(X509_sign(certificate.get(), signer ? signing.get() : key.get(), EVP_sha256()));
  const Bio certificate_pem(must(BIO_new(BIO_s_mem())), BIO_free);
  const Bio key_pem(must(BIO_new(BIO_s_mem())), BIO_free);
  must(PEM_write_bio_X509(certificate_pem.get(), certificate.get()));
  must(PEM_write_bio_PrivateKey(key_pem.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr));
  return {taken(certificate_pem), taken(key_pem)};
}

}  // namespace

Credentials make_authority(const std::string& name) {
  return make(name, "", 86400, nullptr);
}

Credentials issue(const Credentials& authority, const std::string& names, long seconds) {
  return make("a leaf", names, seconds, &authority);
}

TlsClient::TlsClient(std::uint16_t port, const TlsClientOptions& options)
    : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), context_(must(SSL_CTX_new(TLS_client_method()))) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const timeval patience{60, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) throw std::runtime_error("connect");
  SSL_CTX_set_security_level(context_, 0);  // so that it offers what the server must refuse
  SSL_CTX_set_max_proto_version(context_, options.newest);
  if (!options.authority.empty())
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), read_certificate(options.authority).get()));
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  if (!options.own.key.empty()) {
    must(SSL_CTX_use_certificate(context_, read_certificate(options.own.certificate).get()));
    must(SSL_CTX_use_PrivateKey(context_, read_key(options.own.key).get()));
  }
  ssl_ = must(SSL_new(context_));
  must(SSL_set1_host(ssl_, options.host.c_str()));
  SSL_set_fd(ssl_, fd_);
  if (SSL_connect(ssl_) != 1) {
    const std::string why = ERR_error_string(ERR_get_error(), nullptr);
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    close(fd_);
    throw std::runtime_error("handshake: " + why);
  }
}

TlsClient::~TlsClient() {
  SSL_shutdown(ssl_);
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  close(fd_);
}

bool TlsClient::send(std::string_view bytes) {
  ERR_clear_error();
  return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) > 0;
}

std::string TlsClient::exchange(std::string_view request) {
  if (!send(request)) return "";
  std::string answer;
  std::array<char, 65536> piece;
  while (true) {
    const std::size_t end = answer.find("\r\n\r\n");
    const std::size_t at = answer.find("Content-Length: ");
    std::size_t length = 0;
    if (at < end) std::from_chars(answer.data() + at + 16, answer.data() + answer.size(), length);
    if (end != std::string::npos && answer.size() >= end + 4 + length) return answer;
    const int got = SSL_read(ssl_, piece.data(), static_cast<int>(piece.size()));
    if (got <= 0) return answer;
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace postern::test
