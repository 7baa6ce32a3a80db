// SPDX-License-Identifier: Apache-2.0
// Sentences for SQLite's result codes.
#include "controlplane/store/failure.hpp"

#include <sqlite3.h>

namespace postern::store {

namespace {

std::string reason(const SQLite::Exception& failure) {
  switch (failure.getErrorCode() & 0xff) {
    case SQLITE_FULL:
      return "the disk is full";
    case SQLITE_READONLY:
      return "the file or its folder is read-only";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another process holds a lock on it";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "it is damaged or no database of Postern";
    case SQLITE_IOERR:
      return std::string("the disk reported an error (") + sqlite3_errstr(failure.getExtendedErrorCode()) + ")";
    case SQLITE_CANTOPEN:
      return "it or a file beside it cannot be opened";
    default:
      return failure.what();
  }
}

}  // namespace

core::Error store_error(std::string sentence) {
  return {core::ErrorCode::store_failed, std::move(sentence), "", {}};
}

core::Error describe(const std::exception& failure, const std::filesystem::path& file, std::string_view step) {
  const auto* sqlite = dynamic_cast<const SQLite::Exception*>(&failure);
  return store_error("the store " + file.string() + " could not be " + std::string(step) + ": " +
                     (sqlite ? reason(*sqlite) : std::string(failure.what())));
}

bool sync_failed(const std::exception& failure) {
  const auto* sqlite = dynamic_cast<const SQLite::Exception*>(&failure);
  return sqlite && sqlite->getExtendedErrorCode() == SQLITE_IOERR_FSYNC;
}

}  // namespace postern::store
