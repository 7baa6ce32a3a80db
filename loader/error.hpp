// SPDX-License-Identifier: Apache-2.0
// How the loader's parts report expected failures: one sentence for people that names the step, the object and the
// errno text, and the errno itself for callers that branch on it. The loader knows nothing of controlplane/.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace postern::loader {

struct LoaderError {
  std::string sentence;
  int errno_value = 0;  // positive; 0 if no system call failed
};

// "STEP: No such file or directory (ENOENT)". `errno_value` may be negative, as libbpf returns it.
LoaderError system_error(std::string_view step, int errno_value);

// A value or a LoaderError, with std::expected's member names.
template <class T>
class [[nodiscard]] LoaderResult {
 public:
  LoaderResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}            // NOLINT: implicit by design
  LoaderResult(LoaderError error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const LoaderError& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, LoaderError> state_;
};

template <>
class [[nodiscard]] LoaderResult<void> {
 public:
  LoaderResult() = default;
  LoaderResult(LoaderError error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  const LoaderError& error() const { return *error_; }

 private:
  std::optional<LoaderError> error_;
};

}  // namespace postern::loader
