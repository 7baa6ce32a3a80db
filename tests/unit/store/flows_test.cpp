// SPDX-License-Identifier: Apache-2.0
// Connections in the store: joined to their grants, divided where they move, whole whatever order the words come in.
#include "tests/unit/store/fixture.hpp"

using namespace postern;
using namespace postern::store_test;
using Kind = core::FlowEvent::Kind;

namespace {

core::UtcTime at(int second) {
  return standing_clock().utc + std::chrono::seconds(second);
}

// Of the connection from port 40000 + n, which opened at second n.
core::FlowNews news(Kind kind, int n, int second, std::uint64_t grant, std::uint64_t bytes = 0) {
  core::FlowNews result;
  core::FlowEvent& event = result.event;
  event.kind = kind;
  event.opened = core::BootTime(std::chrono::seconds(n));
  event.client = {core::parse_address("198.51.100.10").value(), static_cast<std::uint16_t>(40000 + n)};
  event.machine = {core::parse_address("192.0.2.10").value(), 22};
  event.protocol = 6;
  event.grant = grant;
  event.client_packets = bytes / 10;
  event.client_bytes = bytes;
  event.machine_bytes = 2 * bytes;
  if (kind == Kind::closed) event.end = "finished";
  result.time = at(second);
  result.opened = at(n);
  result.boot_id = "boot";
  result.machine_id = "/fallback/vm9";
  return result;
}

struct Flows {
  explicit Flows(const TempFolder& folder) : store(open_store(folder.file())) {
    REQUIRE(store->commit({sample_decision(1)}));
    REQUIRE(store->commit({sample_decision(2)}));
  }
  void write(const std::vector<core::FlowNews>& list, std::uint64_t run = 1) { REQUIRE(store->flows().write(list, run)); }
  std::vector<core::FlowRecord> find(const core::FlowQuery& query = {}) { return store->flows().flows(query).value(); }
  std::unique_ptr<store::SqliteStore> store;
};

}  // namespace

TEST_CASE("a connection is one record, with who asked, from its opening to its end") {
  TempFolder folder;
  Flows flows(folder);
  flows.write({news(Kind::opened, 1, 1, 2)});
  auto record = flows.find().at(0);
  CHECK_FALSE(record.closed);
  CHECK(record.requestor == "alice");
  CHECK(record.machine_id == sample_grant(2, 2).machine_id);
  CHECK(record.grant == 2);
  CHECK(record.request == 2);
  CHECK(record.client.port == 40001);
  CHECK(core::to_string(*record.client.address) == "198.51.100.10");
  flows.write({news(Kind::seen, 1, 5, 2, 100)});
  record = flows.find().at(0);
  CHECK(record.client_bytes == 100);
  CHECK(record.as_of == at(5));
  flows.write({news(Kind::closed, 1, 9, 2, 1000)});
  REQUIRE(flows.find().size() == 1);
  record = flows.find().at(0);
  CHECK(record.opened == at(1));
  CHECK(*record.closed == at(9));
  CHECK(record.end == "finished");
  CHECK(record.client_bytes == 1000);
  CHECK(record.machine_bytes == 2000);
}

TEST_CASE("one that moves to another grant is two records, each with its own bytes") {
  TempFolder folder;
  Flows flows(folder);
  auto moved = news(Kind::moved, 1, 5, 2, 300);
  moved.event.previous_grant = 1;
  flows.write({news(Kind::opened, 1, 1, 1), moved, news(Kind::closed, 1, 9, 2, 1000)});
  const auto records = flows.find();
  REQUIRE(records.size() == 2);
  CHECK(records[1].grant == 1);
  CHECK(records[1].end == "moved");
  CHECK(*records[1].closed == at(5));
  CHECK(records[1].client_bytes == 300);
  CHECK(records[0].grant == 2);
  CHECK(records[0].opened == at(5));
  CHECK(records[0].client_bytes == 700);
  CHECK(records[0].machine_bytes == 1400);
}

TEST_CASE("a move of which nothing was told, or too late, leaves each grant its own bytes and no record open") {
  const auto opened = news(Kind::opened, 1, 1, 1), before = news(Kind::seen, 1, 3, 1, 300), after = news(Kind::seen, 1, 6, 2, 500),
             moved = news(Kind::moved, 1, 5, 2, 400), closed = news(Kind::closed, 1, 9, 2, 1000);
  for (const auto& order : std::vector<std::vector<core::FlowNews>>{{opened, before, closed},
                                                                    {opened, before, after, closed},
                                                                    {opened, before, closed, moved},
                                                                    {opened, before, after, moved, closed},
                                                                    {opened, before, after, moved, closed, moved}}) {
    TempFolder folder;
    Flows flows(folder);
    flows.write(order);
    const auto records = flows.find();
    REQUIRE(records.size() == 2);
    CHECK(records[1].grant == 1);
    CHECK(records[1].end == "moved");
    CHECK(records[1].client_bytes == 300);
    CHECK(records[0].grant == 2);
    CHECK(records[0].end == "finished");
    CHECK(records[0].client_bytes == 700);
    CHECK(records[0].machine_bytes == 1400);
  }
}

TEST_CASE("words that are missing, come twice or too late leave one record") {
  TempFolder folder;
  Flows flows(folder);
  const auto opened = news(Kind::opened, 1, 1, 1), seen = news(Kind::seen, 1, 2, 1), closed = news(Kind::closed, 1, 9, 1, 50);
  for (const auto& order : std::vector<std::vector<core::FlowNews>>{{closed},
                                                                    {closed, opened},
                                                                    {opened, opened, closed, closed},
                                                                    {seen, opened, closed, seen},
                                                                    {opened, closed, seen, opened}}) {
    TempFolder own;
    Flows each(own);
    each.write(order);
    REQUIRE(each.find().size() == 1);
    CHECK(each.find()[0].closed);
    CHECK(each.find()[0].client_bytes == 50);
  }
  // The same addresses and ports again are another connection.
  auto again = opened;
  again.event.opened += std::chrono::hours(1);
  auto after_reboot = opened;
  after_reboot.boot_id = "another";
  flows.write({opened, closed, again, after_reboot});
  CHECK(flows.find().size() == 3);
}

TEST_CASE("without a grant it is told by its machine; a grant that is not known is told by its number") {
  TempFolder folder;
  Flows flows(folder);
  auto standing = news(Kind::opened, 2, 2, 99);
  standing.standing = true;
  auto adopted = news(Kind::opened, 1, 1, 0);
  adopted.event.adopted = true;
  flows.write({adopted, standing});
  const auto records = flows.find();
  REQUIRE(records.size() == 2);
  CHECK(records[1].machine_id == "/fallback/vm9");
  CHECK(records[1].adopted);
  CHECK(records[1].requestor.empty());
  CHECK(records[0].grant == 99);
  CHECK(records[0].standing);
  CHECK(records[0].requestor.empty());
}

TEST_CASE("filters and pages") {
  TempFolder folder;
  Flows flows(folder);
  for (int n = 1; n <= 10; ++n) flows.write({news(Kind::opened, n, n, n % 2 ? 1 : 0)});
  for (int n = 1; n <= 5; ++n) flows.write({news(Kind::closed, n, 20 + n, n % 2 ? 1 : 0)});
  const auto ids = [&](const core::FlowQuery& query) {
    std::vector<std::uint64_t> list;
    for (const auto& record : flows.find(query)) list.push_back(record.id);
    return list;
  };
  using Ids = std::vector<std::uint64_t>;
  CHECK(ids({.limit = 3}) == Ids{10, 9, 8});
  CHECK(ids({.before_id = 8, .limit = 3}) == Ids{7, 6, 5});
  CHECK(ids({.before_id = 8, .from_id = 7}) == Ids{7});
  CHECK(ids({.grant = 1}) == Ids{9, 7, 5, 3, 1});
  CHECK(ids({.requestor = "alice"}) == Ids{9, 7, 5, 3, 1});
  CHECK(ids({.machine = "VM9"}) == Ids{10, 8, 6, 4, 2});
  CHECK(ids({.machine = "m9"}).empty());
  CHECK(ids({.machine = "/FALLBACK/vm9"}) == Ids{10, 8, 6, 4, 2});
  CHECK(ids({.only_open = true}) == Ids{10, 9, 8, 7, 6});
  CHECK(ids({.to = at(3)}) == Ids{2, 1});
  CHECK(ids({.from = at(24), .to = at(7)}) == Ids{6, 5, 4});
}

TEST_CASE("what an earlier daemon left open and nobody sees any more is ended; old and too many records go") {
  TempFolder folder;
  Flows flows(folder);
  flows.write({news(Kind::opened, 1, 1, 1), news(Kind::opened, 2, 2, 1), news(Kind::opened, 3, 3, 1)}, 1);
  flows.write({news(Kind::seen, 2, 8, 1)}, 2);
  CHECK(*flows.store->flows().end_unseen(2, at(9), 1) == 1);
  CHECK(*flows.store->flows().end_unseen(2, at(9), 10) == 1);
  CHECK(*flows.store->flows().end_unseen(2, at(9), 10) == 0);
  const auto records = flows.find();
  CHECK(records[0].end == "unseen");
  CHECK(*records[2].closed == at(9));
  CHECK_FALSE(records[1].closed);

  CHECK(*flows.store->flows().forget(at(9), 100, 10) == 0);
  CHECK(*flows.store->flows().forget(at(10), 100, 1) == 1);
  CHECK(*flows.store->flows().forget(at(10), 100, 10) == 1);
  REQUIRE(flows.find().size() == 1);  // what is open stays …
  for (int n = 11; n <= 20; ++n) flows.write({news(Kind::closed, n, 100, 1)});
  CHECK(*flows.store->flows().forget(at(10), 4, 100) == 7);  // … unless there are too many
  CHECK(flows.find().size() == 4);
}
