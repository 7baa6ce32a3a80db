// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/tls.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "controlplane/core/address.hpp"
#include "controlplane/core/model.hpp"

namespace postern::http {
namespace {

using core::Result;

constexpr off_t file_bytes_max = 1 << 20;
constexpr std::time_t warned_before_end = 14L * 24 * 3600;

// OpenSSL's objects, owned.
template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

core::Error fault(const std::string& what, const std::string& path, const std::string& why) {
  return {core::ErrorCode::invalid_input, "The " + what + " '" + path + "' " + why, "", {}};
}

// The latest of OpenSSL's complaints, in brackets; forgets them all.
std::string reason() {
  const unsigned long error = ERR_peek_last_error();
  ERR_clear_error();
  const char* text = error ? ERR_reason_error_string(error) : nullptr;
  return text ? " (" + std::string(text) + ")." : ".";
}

std::string octal(mode_t mode) {
  std::string text(4, '0');
  for (std::size_t i = 0; i < 4; ++i) text[3 - i] = static_cast<char>('0' + (mode >> (3 * i) & 7U));
  return text;
}

Result<std::string> contents(const std::string& what, const std::string& path, bool secret) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hold us
  if (fd < 0) return fault(what, path, "cannot be read: " + std::string(std::strerror(errno)) + ".");
  std::string text;
  std::string trouble;
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    trouble = "is not a file.";
  } else if (secret && (info.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
    trouble = "may be read or changed by others (mode " + octal(info.st_mode) + "); give it mode 0600, or 0640 and a group of its own.";
  } else if (info.st_size > file_bytes_max) {
    trouble = "is larger than a megabyte.";
  }
  std::array<char, 65536> piece;
  for (ssize_t got = 1; trouble.empty() && got > 0 && text.size() <= file_bytes_max;) {
    got = read(fd, piece.data(), piece.size());
    if (got > 0) text.append(piece.data(), static_cast<std::size_t>(got));
    if (got < 0) trouble = "cannot be read: " + std::string(std::strerror(errno)) + ".";
  }
  close(fd);
  if (!trouble.empty()) return fault(what, path, trouble);
  return text;
}

Bio memory(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

int no_passphrase(char*, int, int, void*) {
  return -1;
}

// Something begins after the last certificate, but not so far that OpenSSL would know it for one.
bool is_cut_off(const std::string& pem) {
  const auto line = pem.find('\n', std::min(pem.rfind("-----END "), pem.size()));
  return line != std::string::npos && pem.find("---", line) != std::string::npos;
}

Result<std::vector<Certificate>> certificates(const std::string& what, const std::string& path) {
  const auto pem = contents(what, path, false);
  if (!pem) return pem.error();
  std::vector<Certificate> found;
  const Bio bio = memory(*pem);
  ERR_clear_error();
  while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)) found.emplace_back(next);
  if (found.empty()) return fault(what, path, "is not a certificate in PEM form" + reason());
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE || is_cut_off(*pem))
    return fault(what, path, "has a damaged chain: its certificate " + std::to_string(found.size() + 1) + " cannot be read" + reason());
  ERR_clear_error();
  return found;
}

// Of whichever certificate the issuer stands there too, it must have signed it.
bool is_signed_in_turn(const std::vector<Certificate>& chain) {
  for (const auto& each : chain) {
    bool named = false, is_signed = false;
    for (const auto& issuer : chain) {
      if (issuer == each || X509_check_issued(issuer.get(), each.get()) != X509_V_OK) continue;
      named = true;
      is_signed = is_signed || X509_verify(each.get(), X509_get0_pubkey(issuer.get())) == 1;
    }
    ERR_clear_error();
    if (named && !is_signed) return false;
  }
  return true;
}

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const Names sans(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; sans && i < sk_GENERAL_NAME_num(sans.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(sans.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_IPADD) continue;
    const ASN1_STRING* value = name->type == GEN_DNS ? name->d.dNSName : name->d.iPAddress;
    const unsigned char* bytes = ASN1_STRING_get0_data(value);
    const auto size = static_cast<std::size_t>(ASN1_STRING_length(value));
    if (name->type == GEN_DNS) {
      names.push_back(core::folded(std::string(bytes, bytes + size)));
    } else if (size == 4 || size == 16) {
      core::Address address{size == 4 ? core::Family::ipv4 : core::Family::ipv6, {}};
      std::copy(bytes, bytes + size, address.bytes.begin());
      names.push_back(core::to_string(address));
    }
  }
  if (!names.empty()) return names;
  std::array<char, 256> common{};
  if (X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, common.data(), common.size()) > 0)
    names.push_back(core::folded(common.data()));
  return names;
}

// Certificate, chain and key into the context.
Result<void> show(SSL_CTX* context, const TlsFiles& files) {
  const auto chain = certificates("certificate", files.certificate);
  if (!chain) return chain.error();
  if (!is_signed_in_turn(*chain))
    return fault("certificate", files.certificate,
                 "has a damaged chain: a certificate in it is not signed by the one that is named as its issuer.");
  if (SSL_CTX_use_certificate(context, chain->front().get()) != 1)
    return fault("certificate", files.certificate, "cannot be used" + reason());
  for (std::size_t i = 1; i < chain->size(); ++i)
    if (SSL_CTX_add1_chain_cert(context, (*chain)[i].get()) != 1)
      return fault("certificate", files.certificate, "has a chain that cannot be used" + reason());

  const auto key_pem = contents("private key", files.key, true);
  if (!key_pem) return key_pem.error();
  const Key key(PEM_read_bio_PrivateKey(memory(*key_pem).get(), nullptr, no_passphrase, nullptr));
  if (!key && key_pem->find("ENCRYPTED") != std::string::npos)
    return fault("private key", files.key, "is locked with a passphrase, and there is nobody to ask for it.");
  if (!key) return fault("private key", files.key, "is not a private key in PEM form" + reason());
  if (X509_check_private_key(chain->front().get(), key.get()) != 1) {
    ERR_clear_error();
    return fault("private key", files.key, "does not belong to the certificate '" + files.certificate + "'.");
  }
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1)
    return fault("private key", files.key, "cannot be used" + reason());
  return {};
}

std::string fingerprint(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  return {digest.data(), digest.data() + size};
}

// A number that is another one for other authorities.
Result<std::size_t> ask_clients(SSL_CTX* context, const std::string& path) {
  const auto authorities = certificates("client CA", path);
  if (!authorities) return authorities.error();
  std::string all;
  for (const auto& authority : *authorities) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1)
      return fault("client CA", path, "cannot be used" + reason());
    all += fingerprint(authority.get());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return std::hash<std::string>{}(all);
}

void harden(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");  // of TLS 1.2; those of 1.3 are all good
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);  // an idle connection holds no buffers
  constexpr std::array<unsigned char, 7> name{'p', 'o', 's', 't', 'e', 'r', 'n'};
  SSL_CTX_set_session_id_context(context, name.data(), name.size());  // else sessions with client certificates fail
}

std::time_t end_of(X509* certificate) {
  std::tm end{};
  return ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1 ? timegm(&end) : 0;
}

// Of the certificate and its chain, whichever ends first.
std::time_t end_of(SSL_CTX* context) {
  std::time_t end = end_of(SSL_CTX_get0_certificate(context));
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(context, &chain);
  for (int i = 0; i < sk_X509_num(chain); ++i) end = std::min(end, end_of(sk_X509_value(chain, i)));
  return end;
}

std::string shown(std::time_t time) {
  std::array<char, 32> text{};
  std::tm parts{};
  gmtime_r(&time, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

// Changes whenever a file is written, replaced or pointed elsewhere.
std::string look(const TlsFiles& files) {
  std::string seen;
  for (const std::string* path : {&files.certificate, &files.key, &files.client_ca}) {
    struct stat info {};
    if (path->empty()) continue;
    if (stat(path->c_str(), &info) != 0) info = {};
    for (const auto number : {static_cast<long long>(info.st_dev), static_cast<long long>(info.st_ino),
                              static_cast<long long>(info.st_size), static_cast<long long>(info.st_mtim.tv_sec),
                              static_cast<long long>(info.st_mtim.tv_nsec), static_cast<long long>(info.st_ctim.tv_sec),
                              static_cast<long long>(info.st_ctim.tv_nsec)})
      seen += std::to_string(number) + " ";
  }
  return seen;
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

}  // namespace

Result<TlsIdentity::Loaded> TlsIdentity::read(const TlsFiles& files) {
  Loaded loaded{boost::asio::ssl::context(boost::asio::ssl::context::tls_server), {}, 0, 0};
  SSL_CTX* context = loaded.context.native_handle();
  harden(context);
  if (const auto shown = show(context, files); !shown) return shown.error();
  if (!files.client_ca.empty()) {
    const auto asked = ask_clients(context, files.client_ca);
    if (!asked) return asked.error();
    loaded.trust = *asked;
  }
  loaded.names = names_of(SSL_CTX_get0_certificate(context));
  loaded.end = end_of(context);
  return loaded;
}

void TlsIdentity::use(Loaded loaded) {
  loaded_ = std::move(loaded);
  spdlog::info("The certificate is in use. names={} until={}", listed(loaded_.names), shown(loaded_.end));
  tell_of_end();
}

std::string TlsIdentity::end_warning() const {
  const auto now = std::time(nullptr);
  if (now + warned_before_end < loaded_.end) return "";
  if (now < loaded_.end) return "The certificate of https ends at " + shown(loaded_.end) + "; then clients refuse it.";
  return "The certificate of https ended at " + shown(loaded_.end) + "; clients refuse it.";
}

void TlsIdentity::tell_of_end() {
  auto sentence = end_warning();
  if (sentence == told_end_) return;
  if (!sentence.empty()) spdlog::warn("{}", sentence);
  told_end_ = std::move(sentence);
}

std::string TlsIdentity::warning() const {
  if (trouble_.empty()) return end_warning();
  const auto end = end_warning();
  return "The certificate of https could not be read again, the one before stays in use: " + trouble_ + (end.empty() ? "" : " " + end);
}

Result<TlsIdentity> TlsIdentity::load(TlsFiles files) {
  std::string seen = look(files);  // before reading: what changes in between is then seen as new
  auto loaded = read(files);
  if (!loaded) return loaded.error();
  TlsIdentity identity(std::move(files), std::move(seen), {boost::asio::ssl::context(boost::asio::ssl::context::tls_server), {}, 0, 0});
  identity.use(*std::move(loaded));
  return identity;
}

void TlsIdentity::refresh(bool asked) {
  std::string seen = look(files_);
  if (seen == seen_ && trouble_.empty() && !asked) return tell_of_end();
  auto loaded = read(files_);
  const std::string trouble = loaded ? "" : loaded.error().message;
  if (!loaded && (asked || trouble != trouble_))
    spdlog::error("The certificate was not read again; the one before stays in use. why=\"{}\"", trouble);
  trouble_ = trouble;
  if (!loaded) return tell_of_end();
  seen_ = std::move(seen);
  use(*std::move(loaded));
}

}  // namespace postern::http
