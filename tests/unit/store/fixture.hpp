// SPDX-License-Identifier: Apache-2.0
// A clock that stands still, and sample decisions for the store's tests.
#pragma once

#include <SQLiteCpp/Database.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

#include "controlplane/store/sqlite_store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temp_folder.hpp"

namespace postern::store_test {

using test::TempFolder;

class StandingClock final : public core::Clock {
 public:
  core::Now now() const override { return {utc, {}}; }
  std::string boot_id() const override { return "boot"; }
  core::UtcTime utc{std::chrono::hours(24 * 365 * 56)};
};

inline const StandingClock& standing_clock() {
  static const StandingClock clock;
  return clock;
}

inline std::unique_ptr<store::SqliteStore> open_store(const std::filesystem::path& file,
                                                      const core::Clock& clock = standing_clock()) {
  auto opened = store::SqliteStore::open(file, clock);
  if (!opened) throw std::runtime_error(opened.error().message);
  return *std::move(opened);
}

inline core::Source source(const char* text) {
  return *core::parse_source(text);
}

inline core::Request sample_request(std::uint64_t id, const std::string& policy = "p1") {
  core::Request request;
  request.id = id;
  request.policy = {"sub", "Group", "local", policy};
  request.policy_generation = 7;
  request.start = core::UtcTime(std::chrono::nanoseconds(1234567890123456789));
  request.requestor = "alice";
  request.justification = "disk \"full\", again";
  request.client_request_id = "client-1";
  request.body_digest = "digest";
  return request;
}

inline core::Grant sample_grant(std::uint64_t serial, std::uint64_t request) {
  core::Grant grant;
  grant.serial = serial;
  grant.request = request;
  grant.machine_id = "/subscriptions/sub/resourceGroups/Group/providers/x/virtualMachines/VM1";
  grant.port = 22;
  grant.sources = {source("192.0.2.0/24"), source("2001:db8::1")};
  grant.ending = core::Ending::cut;
  grant.start = core::UtcTime(std::chrono::nanoseconds(1234567890123456789));
  grant.end = grant.start + std::chrono::hours(3);
  grant.boot_id = "boot";
  grant.boot_start = core::BootTime(std::chrono::nanoseconds(42));
  return grant;
}

inline core::AuditRecord sample_record(std::uint64_t serial) {
  core::AuditRecord record;
  record.time = core::UtcTime(std::chrono::nanoseconds(1234567890123456789));
  record.operation = "access.initiate";
  record.principal = "alice";
  record.source = "192.0.2.7";
  record.request_id = "request-1";
  record.client_request_id = "client-1";
  record.policy = "/subscriptions/sub/policies/p1";
  record.machines = {"/subscriptions/sub/virtualMachines/VM1", "/subscriptions/sub/virtualMachines/VM3"};
  record.grants = {serial};
  record.detail = "opened";
  return record;
}

// Request, grant and audit record number `n`: what one `initiate` commits.
inline core::ChangeSet sample_decision(std::uint64_t n) {
  core::ChangeSet change;
  change.put_requests = {sample_request(n)};
  change.put_grants = {sample_grant(n, n)};
  change.audit = {sample_record(n)};
  return change;
}

// Every decision in the store is whole: as many requests, grants and audit records, and the chain holds.
inline std::uint64_t whole_decisions(core::Store& store) {
  const auto loaded = store.load();
  REQUIRE(loaded);
  const auto records = store.verify_audit();
  INFO((records ? std::string() : records.error().message));
  REQUIRE(records);
  CHECK(loaded->requests.size() == *records);
  CHECK(loaded->grants.size() == *records);
  CHECK(loaded->last_serial == *records);
  return *records;
}

// A second connection, as somebody with the sqlite3 shell has it.
inline void meddle(const std::filesystem::path& file, const std::string& sql) {
  SQLite::Database(file.string(), SQLite::OPEN_READWRITE).exec(sql);
}

}  // namespace postern::store_test
