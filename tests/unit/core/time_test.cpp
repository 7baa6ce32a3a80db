// SPDX-License-Identifier: Apache-2.0
// Durations and times as the clients of the contract send them, and the odd forms that must not be taken.
#include "controlplane/core/time.hpp"

#include "tests/support/catch.hpp"

using namespace postern::core;

TEST_CASE("durations") {
  struct Row {
    const char* text;
    std::int64_t seconds;  // -1: refused
    const char* written;
  };
  const auto row = GENERATE(values<Row>({
      {"PT3H", 10800, "PT3H"},
      {"pt3h", 10800, "PT3H"},
      {"PT180M", 10800, "PT3H"},
      {"P1D", 86400, "P1D"},
      {"PT24H", 86400, "P1D"},
      {"P1DT1S", 86401, "P1DT1S"},
      {"P0DT5M", 300, "PT5M"},
      {"PT5M", 300, "PT5M"},
      {"PT1H30M", 5400, "PT1H30M"},
      {"PT1H30M15S", 5415, "PT1H30M15S"},
      {"PT0S", 0, "PT0S"},
      {"PT1.9S", 1, "PT1S"},
      {"PT0.123456789012S", 0, "PT0S"},
      {"PT000000005M", 300, "PT5M"},
      {"P999999999D", 86399999913600, "P999999999D"},
      {"P1W", -1, ""},
      {"P1Y", -1, ""},
      {"P1M", -1, ""},
      {"", -1, ""},
      {"P", -1, ""},
      {"PT", -1, ""},
      {"P1DT", -1, ""},
      {"PTH", -1, ""},
      {"PT3", -1, ""},
      {"3H", -1, ""},
      {"T3H", -1, ""},
      {"P3H", -1, ""},
      {"PT1D", -1, ""},
      {"PT1M1H", -1, ""},
      {"PT1H1H", -1, ""},
      {"PT1HT1M", -1, ""},
      {"-PT3H", -1, ""},
      {"PT-3H", -1, ""},
      {"PT+3H", -1, ""},
      {"PT1.5H", -1, ""},
      {"PT1.S", -1, ""},
      {"PT.5S", -1, ""},
      {"PT1,5S", -1, ""},
      {"PT0000000005M", -1, ""},
      {"PT99999999999999999999H", -1, ""},
      {" PT3H", -1, ""},
      {"PT3H ", -1, ""},
      {"PT3H\n", -1, ""},
      {"PT 3H", -1, ""},
      {"03:00:00", -1, ""},
      {"10800", -1, ""},
  }));
  DYNAMIC_SECTION("'" << row.text << "'") {
    const auto duration = parse_duration(row.text);
    REQUIRE(duration.has_value() == (row.seconds >= 0));
    if (!duration) return;
    CHECK(duration->count() == row.seconds);
    CHECK(format_duration(*duration) == row.written);
    CHECK(parse_duration(format_duration(*duration)).value() == *duration);
  }
}

TEST_CASE("times") {
  struct Row {
    const char* text;
    const char* written;  // null: refused
  };
  const auto row = GENERATE(values<Row>({
      {"2030-01-02T04:05:06.789Z", "2030-01-02T04:05:06.7890000Z"},
      {"2030-01-02T04:05:06Z", "2030-01-02T04:05:06.0000000Z"},
      {"2018-08-21T22:35:26.1234567Z", "2018-08-21T22:35:26.1234567Z"},
      {"2018-08-21T22:35:26.123456Z", "2018-08-21T22:35:26.1234560Z"},
      {"2018-08-21T22:35:26.123456789Z", "2018-08-21T22:35:26.1234567Z"},
      {"2018-08-21T22:35:26.0000000Z", "2018-08-21T22:35:26.0000000Z"},
      {"2018-08-21t22:35:26z", "2018-08-21T22:35:26.0000000Z"},
      {"2020-07-15T17:00:00", "2020-07-15T17:00:00.0000000Z"},
      {"2020-07-15T17:00:00.5", "2020-07-15T17:00:00.5000000Z"},
      {"2020-07-15T17:00:00+02:00", "2020-07-15T15:00:00.0000000Z"},
      {"2020-07-15T17:00:00.250-05:30", "2020-07-15T22:30:00.2500000Z"},
      {"2020-01-01T00:30:00+01:00", "2019-12-31T23:30:00.0000000Z"},
      {"2020-07-15T17:00:00-00:00", "2020-07-15T17:00:00.0000000Z"},
      {"2024-02-29T00:00:00Z", "2024-02-29T00:00:00.0000000Z"},
      {"2000-02-29T00:00:00Z", "2000-02-29T00:00:00.0000000Z"},
      {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00.0000000Z"},
      {"2200-12-31T23:59:59Z", "2200-12-31T23:59:59.0000000Z"},
      {"2023-02-29T00:00:00Z", nullptr},
      {"2100-02-29T00:00:00Z", nullptr},
      {"2020-13-01T00:00:00Z", nullptr},
      {"2020-00-01T00:00:00Z", nullptr},
      {"2020-01-00T00:00:00Z", nullptr},
      {"2020-04-31T00:00:00Z", nullptr},
      {"2020-01-01T24:00:00Z", nullptr},
      {"2020-01-01T00:60:00Z", nullptr},
      {"2020-01-01T00:00:60Z", nullptr},
      {"2020-01-01T00:00Z", nullptr},
      {"2020-01-01T00:00:00.Z", nullptr},
      {"2020-01-01T00:00:00.1234567890Z", nullptr},
      {"2020-01-01T00:00:00,5Z", nullptr},
      {"2020-01-01T00:00:00ZZ", nullptr},
      {"2020-01-01T00:00:00Z ", nullptr},
      {" 2020-01-01T00:00:00Z", nullptr},
      {"2020-01-01 00:00:00Z", nullptr},
      {"2020-01-01T00:00:00+24:00", nullptr},
      {"2020-01-01T00:00:00+01:60", nullptr},
      {"2020-01-01T00:00:00+0100", nullptr},
      {"2020-01-01T00:00:00+01", nullptr},
      {"2020-01-01T00:00:00 UTC", nullptr},
      {"2020-01-01", nullptr},
      {"20200101T000000Z", nullptr},
      {"1969-12-31T23:59:59Z", nullptr},
      {"2201-01-01T00:00:00Z", nullptr},
      {"9999-12-31T23:59:59.9999999Z", nullptr},
      {"02020-01-01T00:00:00Z", nullptr},
      {"-020-01-01T00:00:00Z", nullptr},
      {"2020-1-1T00:00:00Z", nullptr},
      {"01/02/2030 04:05:06", nullptr},
      {"1577836800", nullptr},
      {"", nullptr},
  }));
  DYNAMIC_SECTION("'" << row.text << "'") {
    const auto time = parse_time(row.text);
    REQUIRE(time.has_value() == (row.written != nullptr));
    if (time) CHECK(format_time(*time) == row.written);
  }
}

TEST_CASE("times keep their nanoseconds") {
  const auto time = parse_time("2030-01-02T04:05:06.123456789Z").value();
  CHECK(time.time_since_epoch().count() % 1'000'000'000 == 123'456'789);
}
