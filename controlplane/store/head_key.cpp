// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/head_key.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "controlplane/store/failure.hpp"

namespace postern::store {

namespace {

constexpr std::size_t public_key_bytes = 32, signature_bytes = 64, id_digits = 16;

using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
struct Close {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, Close>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

core::Error key_error(const std::filesystem::path& file, const std::string& what) {
  return store_error("the key that signs the audit's heads, " + file.string() + ", " + what);
}

}  // namespace

void HeadKey::Free::operator()(void* key) const {
  EVP_PKEY_free(static_cast<EVP_PKEY*>(key));
}

HeadKey::HeadKey(Key key) : key_(std::move(key)), public_key_(public_key_bytes, '\0') {
  std::size_t size = public_key_.size();
  if (EVP_PKEY_get_raw_public_key(static_cast<EVP_PKEY*>(key_.get()),
                                  reinterpret_cast<unsigned char*>(public_key_.data()), &size) != 1)
    throw std::runtime_error("OpenSSL could not tell the public key");
  id_ = key_id(public_key_);
}

// Under another name first, and synced: a half-written key would be found by every later start.
core::Result<HeadKey> HeadKey::make(const std::filesystem::path& file) {
  Key made(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (!made) return key_error(file, "could not be made by OpenSSL");
  const std::string fresh = file.string() + ".new";
  ::unlink(fresh.c_str());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return key_error(file, std::string("could not be made: ") + std::strerror(errno));
  File out(::fdopen(fd, "w"));
  if (!out) {
    ::close(fd);
    return key_error(file, "could not be made: out of memory");
  }
  const bool written = PEM_write_PrivateKey(out.get(), static_cast<EVP_PKEY*>(made.get()), nullptr, nullptr, 0, nullptr,
                                            nullptr) == 1 &&
                       std::fflush(out.get()) == 0 && ::fsync(fd) == 0;
  if (!written || ::rename(fresh.c_str(), file.c_str()) != 0) {
    const int error = errno;
    ::unlink(fresh.c_str());
    return key_error(file, std::string("could not be written: ") + std::strerror(error));
  }
  return HeadKey(std::move(made));
}

core::Result<HeadKey> HeadKey::load_or_make(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) return make(file);
  if (fd < 0) return key_error(file, std::string("could not be read: ") + std::strerror(errno));
  File in(::fdopen(fd, "r"));
  struct stat status{};
  if (!in || ::fstat(fd, &status) != 0) return key_error(file, "could not be read");
  if ((status.st_mode & 077) != 0) return key_error(file, "may be read by others: chmod 600 it, if it is still a secret");
  Key key(PEM_read_PrivateKey(in.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!key || EVP_PKEY_get_id(static_cast<EVP_PKEY*>(key.get())) != EVP_PKEY_ED25519)
    return key_error(file, "is no Ed25519 key in PEM form; take it away, and a new one is made");
  return HeadKey(std::move(key));
}

std::string HeadKey::sign(std::string_view text) const {
  const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  std::string signature(signature_bytes, '\0');
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, static_cast<EVP_PKEY*>(key_.get())) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, bytes_of(text),
                     text.size()) != 1)
    throw std::runtime_error("OpenSSL could not sign");
  return signature;
}

std::string key_id(std::string_view public_key) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(bytes_of(public_key), public_key.size(), digest.data());
  return hex({reinterpret_cast<const char*>(digest.data()), digest.size()}).substr(0, id_digits);
}

bool is_signed(std::string_view public_key, std::string_view text, std::string_view signature) {
  if (public_key.size() != public_key_bytes || signature.size() != signature_bytes) return false;
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(public_key), public_key.size()), &EVP_PKEY_free);
  const Context context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const bool good = key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
                    EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
  if (!good) ERR_clear_error();  // TLS, on this thread, would take it for its own
  return good;
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += {digits[byte >> 4], digits[byte & 15]};
  }
  return text;
}

std::string from_hex(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const auto high = digits.find(text[i]), low = digits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return "";
    bytes += static_cast<char>(high * 16 + low);
  }
  return text.size() % 2 == 0 ? bytes : "";
}

}  // namespace postern::store
