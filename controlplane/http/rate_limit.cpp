// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/rate_limit.hpp"

#include <algorithm>
#include <cmath>

namespace postern::http {
namespace {

constexpr std::chrono::seconds between_forgetting{1};  // looking at all buckets at each call would cost more than the calls

}  // namespace

double RateLimit::left(const Bucket& bucket, Time now) const {
  const std::chrono::duration<double> since = std::max(now - bucket.seen, Time::duration::zero());
  return std::min(rate_.burst, bucket.left + since.count() * rate_.a_second);
}

// A full bucket says no more than none.
void RateLimit::forget_full(Time now) {
  std::erase_if(buckets_, [&](const auto& entry) { return left(entry.second, now) >= rate_.burst; });
  forgot_ = now;
}

RateLimit::Bucket& RateLimit::bucket_of(std::string_view key, Time now) {
  const Bucket full{rate_.burst, now};
  if (const auto found = buckets_.find(key); found != buckets_.end()) return found->second;
  if (buckets_.size() >= keys_max && now - forgot_ >= between_forgetting) forget_full(now);
  if (buckets_.size() < keys_max) return buckets_.emplace(key, full).first->second;
  if (!shared_) shared_ = full;
  return *shared_;
}

std::optional<std::chrono::seconds> RateLimit::take(std::string_view key, Time now) {
  if (rate_.a_second <= 0) return std::nullopt;
  Bucket& bucket = bucket_of(key, now);
  bucket = {left(bucket, now), std::max(bucket.seen, now)};
  if (bucket.left >= 1) {
    bucket.left -= 1;
    return std::nullopt;
  }
  const double seconds = (1 - bucket.left) / rate_.a_second - 1e-6;  // less what adding fractions is off by
  return std::chrono::seconds(std::max(1L, std::lround(std::ceil(seconds))));
}

}  // namespace postern::http
