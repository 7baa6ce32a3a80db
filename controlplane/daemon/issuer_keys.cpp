// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/issuer_keys.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace postern::daemon {
namespace {

core::Error fault(std::string message) {
  return {core::ErrorCode::service_unavailable, std::move(message), "", {}};
}

core::Result<std::string> contents(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // a pipe must not hold us
  if (fd < 0) return fault("'" + path + "' cannot be read: " + std::strerror(errno) + ".");
  struct stat info {};
  const bool regular = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  std::string text;
  std::array<char, 16384> piece{};
  ssize_t got = regular ? 1 : -1;
  while (got > 0 && text.size() <= http::KeySet::bytes_max) {
    got = read(fd, piece.data(), piece.size());
    if (got > 0) text.append(piece.data(), static_cast<std::size_t>(got));
  }
  close(fd);
  if (!regular) return fault("'" + path + "' is no regular file.");
  if (got < 0) return fault("'" + path + "' cannot be read.");
  return text;
}

// Changes whenever the file is written, replaced or pointed elsewhere.
std::string look_at(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return "none";
  std::string seen;
  for (const auto number : {static_cast<long long>(info.st_dev), static_cast<long long>(info.st_ino), static_cast<long long>(info.st_size),
                            static_cast<long long>(info.st_mtim.tv_sec), static_cast<long long>(info.st_mtim.tv_nsec),
                            static_cast<long long>(info.st_ctim.tv_sec), static_cast<long long>(info.st_ctim.tv_nsec)})
    seen += std::to_string(number) + " ";
  return seen;
}

}  // namespace

void IssuerKeys::take(core::Result<std::string> got, Clock::time_point now) {
  auto keys = got ? http::KeySet::read(*got) : core::Result<http::KeySet>(got.error());
  if (keys) {
    if (!keys_ || !trouble_.empty()) spdlog::info("The keys of the OIDC issuer are in use. count={}", keys->size());
    keys_.emplace(*std::move(keys));
    read_ = now;
    trouble_.clear();
    return;
  }
  if (trouble_ != keys.error().message) spdlog::error("The keys of the OIDC issuer cannot be had. why=\"{}\"", keys.error().message);
  trouble_ = keys.error().message;
}

void IssuerKeys::read_file(Clock::time_point now) {
  std::string seen = look_at(path_);
  if (seen == seen_ && trouble_.empty() && keys_) {
    read_ = now;
    return;
  }
  seen_ = std::move(seen);
  take(contents(path_), now);
}

void IssuerKeys::look(Clock::time_point now) {
  if (!fetch_) return read_file(now);
  if (under_way_) return;
  const auto wait = wanted_ || !trouble_.empty() ? std::chrono::duration_cast<Clock::duration>(again) : std::chrono::duration_cast<Clock::duration>(refresh);
  if (tried_ && now - *tried_ < wait) return;
  tried_ = now;
  wanted_ = false;
  under_way_ = true;
  fetch_([this, now](core::Result<std::string> got) {
    under_way_ = false;
    take(std::move(got), now);
  });
}

const http::KeySet* IssuerKeys::now(Clock::time_point now) const {
  return keys_ && now - read_ <= kept ? &*keys_ : nullptr;
}

std::string IssuerKeys::warning() const {
  if (trouble_.empty()) return "";
  return "The keys of the OIDC issuer cannot be had, " + std::string(keys_ ? "those before stay in use for a day at most: " : "and nobody logs in by its tokens: ") +
         trouble_;
}

OidcLogin::OidcLogin(boost::asio::io_context& io, const OidcConfig& config, const core::Clock& clock, core::Gatekeeper& gatekeeper)
    : rules_(config.rules), clock_(clock), gatekeeper_(gatekeeper) {
  const auto url = parse_https_url(config.keys);
  if (url) {
    get_.emplace(io, *url, config.ca, http::KeySet::bytes_max);
    keys_.emplace([this](HttpsGet::Done done) { get_->start(std::move(done)); });
  } else {
    keys_.emplace(config.keys);
  }
}

void OidcLogin::look() {
  const auto now = IssuerKeys::Clock::now();
  if (get_) get_->look(now);
  keys_->look(now);
  gatekeeper_.warn("oidc", keys_->warning());
}

core::Result<core::Principal> OidcLogin::principal_of(std::string_view token) {
  const auto* keys = keys_->now(IssuerKeys::Clock::now());
  if (!keys) return fault("The keys of the OIDC issuer are not there, so that its tokens cannot be judged; the gate's own tokens log in.");
  auto judgement = http::judge_token(token, *keys, rules_, clock_.now().utc);
  if (judgement.unknown_key) keys_->want();
  return std::move(judgement.principal);
}

void OidcLogin::stop() {
  if (get_) get_->stop();
}

}  // namespace postern::daemon
