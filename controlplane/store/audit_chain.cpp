// SPDX-License-Identifier: Apache-2.0
// Canonical encoding and SHA-256 of audit records.
#include "controlplane/store/audit_chain.hpp"

#include <openssl/sha.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace postern::store {

namespace {

void append_number(std::string& bytes, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>((value >> shift) & 0xff);
}

void append_field(std::string& bytes, std::string_view field) {
  append_number(bytes, field.size());
  bytes += field;
}

void append_field(std::string& bytes, std::uint64_t value) {
  append_number(bytes, 8);
  append_number(bytes, value);
}

std::string encoded(const core::AuditRecord& record) {
  std::string bytes = "postern-audit-1";
  append_field(bytes, record.sequence);
  append_field(bytes, static_cast<std::uint64_t>(record.time.time_since_epoch().count()));
  append_field(bytes, record.operation);
  append_field(bytes, static_cast<std::uint64_t>(record.outcome));
  append_field(bytes, record.principal);
  append_field(bytes, record.source);
  append_field(bytes, record.request_id);
  append_field(bytes, record.client_request_id);
  append_field(bytes, record.policy);
  std::string machines;
  for (const std::string& machine : record.machines) append_field(machines, machine);
  append_field(bytes, machines);
  append_number(bytes, record.grants.size() * 8);
  for (const std::uint64_t serial : record.grants) append_number(bytes, serial);
  append_field(bytes, record.code);
  append_field(bytes, record.detail);
  return bytes;
}

}  // namespace

Hash chained(const Hash& previous, const core::AuditRecord& record) {
  const std::string bytes = std::string(previous.begin(), previous.end()) + encoded(record);
  Hash hash;
  if (!SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data()))
    throw std::runtime_error("OpenSSL could not compute a SHA-256");
  return hash;
}

}  // namespace postern::store
