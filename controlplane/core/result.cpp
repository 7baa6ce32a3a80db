// SPDX-License-Identifier: Apache-2.0
// Names of the error codes.
#include "controlplane/core/result.hpp"

namespace postern::core {

std::string_view wire_name(ErrorCode code) {
  switch (code) {
#define POSTERN_ERROR_CASE(name, wire) \
  case ErrorCode::name:                \
    return wire;
    POSTERN_ERROR_CODES(POSTERN_ERROR_CASE)
#undef POSTERN_ERROR_CASE
  }
  return "InternalServerError";
}

}  // namespace postern::core
