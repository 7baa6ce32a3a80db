// SPDX-License-Identifier: Apache-2.0
// A real disk that is full or read-only (a small tmpfs), or does not sync: a sentence, nothing applied, nothing lost.
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/unit/store/fixture.hpp"
#include "tests/unit/store/small_disk.hpp"

using namespace postern;
using namespace postern::store_test;

namespace {

int syncs_to_fail = 0;

// What the next daemon finds after a crash now: the files as they are.
std::uint64_t decisions_after_crash(const std::filesystem::path& folder) {
  const TempFolder copy;
  for (const char* file : {"postern.db", "postern.db-wal"}) std::filesystem::copy_file(folder / file, copy.path() / file);
  return whole_decisions(*open_store(copy.path() / "postern.db"));
}

}  // namespace

// In the place of the C library's, for SQLite too.
extern "C" int fdatasync(int fd) {
  if (syncs_to_fail == 0) return static_cast<int>(::syscall(SYS_fdatasync, fd));
  --syncs_to_fail;
  errno = EIO;
  return -1;
}

TEST_CASE("a full disk is an error with a sentence, nothing is applied, and room makes it work again") {
  SmallDisk disk(512 * 1024);
  skip_unless(disk.mounted(), "no right to mount a tmpfs");
  auto store = open_store(disk.path() / "postern.db");
  const std::filesystem::path ballast = disk.path() / "ballast";
  std::uint64_t done = 0;
  REQUIRE(store->commit({sample_decision(++done)}));
  {
    std::ofstream file(ballast);
    while (file.write(std::string(4096, 'x').data(), 4096) && file.flush()) {
    }
  }
  core::Result<void> committed;
  while ((committed = store->commit({sample_decision(done + 1)})) && done < 10000) ++done;
  REQUIRE_FALSE(committed);
  CHECK(committed.error().code == core::ErrorCode::store_failed);
  CHECK_THAT(committed.error().message, Catch::Contains("could not be written: the disk is full"));
  CHECK(whole_decisions(*store) == done);

  std::filesystem::remove(ballast);
  CHECK(store->commit({sample_decision(done + 1)}));
  CHECK(whole_decisions(*store) == done + 1);
}

TEST_CASE("a disk that turns read-only is an error with a sentence") {
  SmallDisk disk(4 * 1024 * 1024);
  skip_unless(disk.mounted(), "no right to mount a tmpfs");
  { REQUIRE(open_store(disk.path() / "postern.db")->commit({sample_decision(1)})); }
  REQUIRE(disk.make_read_only());
  const auto opened = store::SqliteStore::open(disk.path() / "postern.db", standing_clock());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == core::ErrorCode::store_failed);
  CHECK_THAT(opened.error().message, Catch::Contains("Read-only file system"));
}

TEST_CASE("a commit that could not be synced is not there after a crash either") {
  const TempFolder folder;
  auto store = open_store(folder.path() / "postern.db");
  REQUIRE(store->commit({sample_decision(1)}));
  syncs_to_fail = 1;
  const auto refused = store->commit({sample_decision(2)});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("the disk reported an error") && !Catch::Contains("should the daemon die"));
  CHECK(decisions_after_crash(folder.path()) == 1);
  CHECK(store->commit({sample_decision(2)}));
  CHECK(decisions_after_crash(folder.path()) == 2);

  syncs_to_fail = 2;
  const auto unsure = store->commit({sample_decision(3)});
  REQUIRE_FALSE(unsure);
  CHECK_THAT(unsure.error().message, Catch::Contains("should the daemon die before the disk works again"));
  CHECK(store->commit({sample_decision(3)}));
  CHECK(decisions_after_crash(folder.path()) == 3);
}
