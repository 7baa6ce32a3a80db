// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error. std::expected is C++23, so this has its member names; exceptions are for broken
// invariants only. An Error carries a stable code, a sentence with the offending value, and every fault found.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace postern::core {

// The code of an answer. X(enumerator, spelling on the wire). The HTTP status of each is one table in http/.
#define POSTERN_ERROR_CODES(X)                                   \
  X(authentication_failed, "AuthenticationFailed")               \
  X(invalid_token, "InvalidAuthenticationToken")                 \
  X(expired_token, "ExpiredAuthenticationToken")                 \
  X(invalid_resource_type, "InvalidResourceType")                \
  X(method_not_allowed, "MethodNotAllowed")                      \
  X(missing_api_version, "MissingApiVersionParameter")           \
  X(invalid_api_version, "InvalidApiVersionParameter")           \
  X(authorization_failed, "AuthorizationFailed")                 \
  X(invalid_request_content, "InvalidRequestContent")            \
  X(invalid_policy_input, "InvalidPolicyInput")                  \
  X(invalid_initiate_input, "InvalidInitiateInput")              \
  X(invalid_machine_input, "InvalidMachineInput")                \
  X(invalid_input, "InvalidInput")                               \
  X(policy_not_found, "PolicyNotFound")                          \
  X(machine_not_found, "MachineNotFound")                        \
  X(grant_not_found, "GrantNotFound")                            \
  X(token_not_found, "TokenNotFound")                            \
  X(request_not_found, "RequestNotFound")                        \
  X(break_glass_not_found, "BreakGlassNotFound")                 \
  X(not_subset_of_policy, "AccessRequestNotSubsetOfPolicy")      \
  X(conflict, "Conflict")                                        \
  X(entity_too_large, "RequestEntityTooLarge")                   \
  X(too_many_requests, "TooManyRequests")                        \
  X(capacity_exhausted, "CapacityExhausted")                     \
  X(store_failed, "StoreFailed")                                 \
  X(gate_failed, "GateFailed")                                   \
  X(service_unavailable, "ServiceUnavailable")                   \
  X(internal, "InternalServerError")

enum class ErrorCode {
#define POSTERN_ERROR_ENUM(name, wire) name,
  POSTERN_ERROR_CODES(POSTERN_ERROR_ENUM)
#undef POSTERN_ERROR_ENUM
};

std::string_view wire_name(ErrorCode code);

// One thing that is wrong, and where: target is a path such as "properties.virtualMachines[0].ports[1].number".
struct Fault {
  std::string message;
  std::string target;
};

struct Error {
  ErrorCode code = ErrorCode::internal;
  std::string message;
  std::string target;
  std::vector<Fault> faults;  // all of them, when there are several or when they have places
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit by design
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

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
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT: implicit by design

  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace postern::core
