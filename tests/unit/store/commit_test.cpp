// SPDX-License-Identifier: Apache-2.0
// A commit is all or nothing: when a part of it is refused, another process holds the lock,
// and when the process is killed with -9 at any moment (I7).
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>

#include "tests/support/catch.hpp"
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;

TEST_CASE("one bad change set in a span takes all of them down") {
  TempFolder folder;
  auto store = open_store(folder.file());
  REQUIRE(store->commit({sample_decision(1)}));
  core::ChangeSet orphan;
  orphan.put_grants = {sample_grant(3, 99)};  // no such request
  const auto committed = store->commit({sample_decision(2), orphan});
  REQUIRE_FALSE(committed);
  CHECK(committed.error().code == core::ErrorCode::store_failed);
  CHECK(whole_decisions(*store) == 1);
  CHECK(store->commit({sample_decision(2)}));  // and the store goes on working
  CHECK(whole_decisions(*store) == 2);
}

TEST_CASE("a span of change sets is one transaction") {
  TempFolder folder;
  auto store = open_store(folder.file());
  std::vector<core::ChangeSet> span;
  for (std::uint64_t n = 1; n <= 50; ++n) span.push_back(sample_decision(n));
  REQUIRE(store->commit(span));
  CHECK(whole_decisions(*store) == 50);
  REQUIRE(store->commit({}));
}

TEST_CASE("a lock that another process holds is an error with a sentence, and goes away with the lock") {
  TempFolder folder;
  auto opened =
      store::SqliteStore::open(folder.file(), standing_clock(), {.busy_timeout = std::chrono::milliseconds(50)});
  REQUIRE(opened);
  core::Store& store = **opened;
  {
    SQLite::Database shell(folder.file().string(), SQLite::OPEN_READWRITE);
    shell.exec("BEGIN IMMEDIATE");
    const auto committed = store.commit({sample_decision(1)});
    REQUIRE_FALSE(committed);
    CHECK(committed.error().code == core::ErrorCode::store_failed);
    CHECK_THAT(committed.error().message, Catch::Contains("another process"));
  }
  CHECK(whole_decisions(store) == 0);
  CHECK(store.commit({sample_decision(1)}));
}

TEST_CASE("kill -9 at a random moment of a commit leaves all of it or nothing") {
  TempFolder folder;
  std::mt19937 random(20260101);
  std::uint64_t known = 0;
  for (int round = 0; round < 25; ++round) {
    int pipe_fds[2];
    REQUIRE(::pipe(pipe_fds) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {  // commits without end, telling after each success what must survive
      ::close(pipe_fds[0]);
      auto store = store::SqliteStore::open(folder.file(), standing_clock());
      for (std::uint64_t n = known + 1; store && (*store)->commit({sample_decision(n)}); ++n)
        if (::write(pipe_fds[1], &n, sizeof(n)) != sizeof(n)) break;
      ::_exit(1);
    }
    ::close(pipe_fds[1]);
    std::uint64_t told = known;
    // Let it come to work (the first reports), then kill it somewhere in the next few commits.
    for (auto reports = 1 + random() % 3; reports > 0 && ::read(pipe_fds[0], &told, sizeof(told)) == sizeof(told);) --reports;
    ::usleep(std::uniform_int_distribution<unsigned>(0, 20000)(random));
    ::kill(child, SIGKILL);
    for (std::uint64_t n = 0; ::read(pipe_fds[0], &n, sizeof(n)) == sizeof(n);) told = n;
    ::close(pipe_fds[0]);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));

    auto store = open_store(folder.file());
    known = whole_decisions(*store);
    CHECK(known >= told);      // what was answered is there
    CHECK(known <= told + 1);  // and at most the one that was under way
  }
  CHECK(known > 25);
}
