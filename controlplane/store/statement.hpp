// SPDX-License-Identifier: Apache-2.0
// One execution of a prepared statement: parameters are bound in order, columns read in order, and the statement is
// reset when the Run goes, also after a failure, so that it holds no lock.
#pragma once

#include <SQLiteCpp/Column.h>
#include <SQLiteCpp/Statement.h>

#include <cstdint>
#include <optional>
#include <string>

#include "controlplane/core/time.hpp"
#include "controlplane/store/failure.hpp"

namespace postern::store {

class Run {
 public:
  explicit Run(SQLite::Statement& statement) : statement_(statement) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() { statement_.tryReset(); }

  // The text is not copied: it must live as long as the Run.
  Run& text(const std::string& value) { return statement_.bindNoCopy(++parameter_, value), *this; }
  Run& text(std::string&& value) { return statement_.bind(++parameter_, value), *this; }
  Run& number(std::uint64_t value) { return statement_.bind(++parameter_, static_cast<std::int64_t>(value)), *this; }
  Run& time(core::UtcTime value) {
    return statement_.bind(++parameter_, static_cast<std::int64_t>(value.time_since_epoch().count())), *this;
  }
  Run& time(const std::optional<core::UtcTime>& value) {
    return value ? time(*value) : (statement_.bind(++parameter_), *this);
  }
  Run& boot_time(core::BootTime value) {
    return statement_.bind(++parameter_, static_cast<std::int64_t>(value.time_since_epoch().count())), *this;
  }
  template <class Enum>
  Run& choice(Enum value) {
    return statement_.bind(++parameter_, static_cast<std::int64_t>(value)), *this;
  }
  Run& bytes(const void* data, int size) { return statement_.bind(++parameter_, data, size), *this; }

  void execute() { statement_.exec(); }

  bool next() {
    column_ = 0;
    return statement_.executeStep();
  }
  std::string text() { return statement_.getColumn(column_++).getString(); }
  std::uint64_t number() { return static_cast<std::uint64_t>(statement_.getColumn(column_++).getInt64()); }
  core::UtcTime time() { return core::UtcTime(std::chrono::nanoseconds(statement_.getColumn(column_++).getInt64())); }
  std::optional<core::UtcTime> optional_time() {
    const SQLite::Column column = statement_.getColumn(column_++);
    if (column.isNull()) return std::nullopt;
    return core::UtcTime(std::chrono::nanoseconds(column.getInt64()));
  }
  core::BootTime boot_time() {
    return core::BootTime(std::chrono::nanoseconds(statement_.getColumn(column_++).getInt64()));
  }
  // An enumerator whose number is at most `last`'s.
  template <class Enum>
  Enum enumerator(Enum last) {
    const std::int64_t value = statement_.getColumn(column_++).getInt64();
    if (value < 0 || value > static_cast<std::int64_t>(last))
      throw CorruptRow("a row holds the unknown number " + std::to_string(value));
    return static_cast<Enum>(value);
  }

 private:
  SQLite::Statement& statement_;
  int parameter_ = 0, column_ = 0;
};

}  // namespace postern::store
