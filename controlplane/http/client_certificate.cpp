// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/client_certificate.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "controlplane/core/principal_name.hpp"

namespace postern::http {
namespace {

constexpr int names_max = 32;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

std::string text_of(const ASN1_STRING* string) {
  const unsigned char* bytes = ASN1_STRING_get0_data(string);
  return {bytes, bytes + ASN1_STRING_length(string)};
}

// As RFC 4514 writes it, special characters escaped: no value can pass for several.
std::string subject_of(X509_NAME* subject) {
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  constexpr unsigned long form = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (!bio || X509_NAME_print_ex(bio.get(), subject, 0, form) < 0) return "";
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

// The name is added, or the certificate's fault told.
void add(std::string kind, const std::string& name, ClientCertificate& found) {
  if (name.find('*') != std::string::npos) {
    found.fault = "it stands for many names, by a '*'";
  } else if (const auto fault = core::text_fault(name); !fault.empty()) {
    found.fault = "a name in it " + fault;
  } else if (name.size() <= core::outside_name_bytes_max) {
    found.names.push_back(std::move(kind) + name);
  }
}

void add_subject(X509* certificate, ClientCertificate& found) {
  X509_NAME* subject = X509_get_subject_name(certificate);
  int commons = 0;
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    commons += OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) == NID_commonName ? 1 : 0;
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
    const std::string value = size < 0 ? std::string(1, '\0') : std::string(utf8, utf8 + size);
    OPENSSL_free(utf8);
    if (const auto fault = core::text_fault(value); !fault.empty()) found.fault = "a part of its subject " + fault;
  }
  if (commons > 1) found.fault = "its subject has several common names";
  if (commons == 1 && found.fault.empty()) add("", subject_of(subject), found);
}

void add_alternatives(X509* certificate, ClientCertificate& found) {
  int critical = 0;
  const std::unique_ptr<GENERAL_NAMES, Free> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (!names && critical != -1) found.fault = "its alternative names cannot be read";
  if (names && sk_GENERAL_NAME_num(names.get()) > names_max) {
    found.fault = "it has more than " + std::to_string(names_max) + " alternative names";
    return;
  }
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_EMAIL) add("email:", text_of(name->d.rfc822Name), found);
    if (name->type == GEN_URI) add("uri:", text_of(name->d.uniformResourceIdentifier), found);
    if (name->type == GEN_DNS) add("dns:", text_of(name->d.dNSName), found);
  }
}

std::chrono::system_clock::time_point end_of(X509* certificate) {
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&end));
}

}  // namespace

ClientCertificate read_client_certificate(X509* certificate) {
  ClientCertificate found;
  found.end = end_of(certificate);
  add_subject(certificate, found);
  add_alternatives(certificate, found);
  if (!found.fault.empty()) found.names.clear();
  ERR_clear_error();
  return found;
}

std::optional<ClientCertificate> client_certificate(SSL* connection) {
  X509* certificate = SSL_get0_peer_certificate(connection);
  if (!certificate || SSL_get_verify_result(connection) != X509_V_OK) return std::nullopt;
  return read_client_certificate(certificate);
}

}  // namespace postern::http
