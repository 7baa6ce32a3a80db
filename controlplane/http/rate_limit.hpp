// SPDX-License-Identifier: Apache-2.0
// Token buckets by key: how much one caller may ask for in a while. Bounded in memory whatever keys come; knows neither
// callers nor clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace postern::http {

struct Rate {
  double a_second = 0;  // 0: no limit
  double burst = 0;     // what a bucket holds: at least 1
};

class RateLimit {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t keys_max = 4096;  // who comes beyond shares one bucket with all others who do

  explicit RateLimit(Rate rate) : rate_(rate) {}

  // Takes one; or says after how many whole seconds there will be one.
  std::optional<std::chrono::seconds> take(std::string_view key, Time now);
  void change(Rate rate) { rate_ = rate; }  // what was used up stays so
  std::size_t keys() const { return buckets_.size(); }

 private:
  struct Bucket {
    double left = 0;
    Time seen{};
  };
  double left(const Bucket& bucket, Time now) const;
  Bucket& bucket_of(std::string_view key, Time now);
  void forget_full(Time now);

  Rate rate_;
  std::map<std::string, Bucket, std::less<>> buckets_;
  std::optional<Bucket> shared_;
  Time forgot_{};
};

}  // namespace postern::http
