// SPDX-License-Identifier: Apache-2.0
// The hash chain over the audit: hash(n) = SHA-256(hash(n-1) ‖ encoding(n)), hash(0) = 32 zero bytes.
//
// encoding(n) is the text "postern-audit-1", then the fields in the order of core::AuditRecord, each as an 8-byte
// big-endian length and its bytes; numbers are 8 bytes big-endian (time: nanoseconds since 1970 UTC, two's complement;
// outcome: its number); the machines, each as a field, and the grants' serials one after the other in one field. No two
// records share an encoding.
#pragma once

#include <array>
#include <cstdint>

#include "controlplane/core/model.hpp"

namespace postern::store {

using Hash = std::array<std::uint8_t, 32>;

// `record.sequence` must be set. Throws std::runtime_error if OpenSSL gives no SHA-256.
Hash chained(const Hash& previous, const core::AuditRecord& record);

}  // namespace postern::store
