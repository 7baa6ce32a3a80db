// SPDX-License-Identifier: Apache-2.0
// The words of the command line: what is read, and that a mistyped word never becomes another request.
#include "tools/postern/words.hpp"

#include "tests/support/catch.hpp"
#include "tools/postern/failure.hpp"

namespace postern::cli {
namespace {

TEST_CASE("a destination is an address or a machine, a port, and a protocol") {
  const auto v4 = postern::cli::destination_word("192.0.2.10:22/udp");
  CHECK(v4.host == "192.0.2.10");
  CHECK(v4.port == 22);
  CHECK(v4.protocol == "UDP");
  CHECK(postern::cli::destination_word("[2001:db8::5]:53").host == "2001:db8::5");
  CHECK(postern::cli::destination_word("vm1:22").protocol == "TCP");
  for (const auto* wrong : {"", "vm1", ":22", "vm1:0", "vm1:22/*", "2001:db8::5:22", "[]:22"})
    CHECK_THROWS(postern::cli::destination_word(wrong));
}

TEST_CASE("durations are read as people write them", "[words_test]") {
  struct Row {
    const char *word, *iso;
  };
  const auto row = GENERATE(values<Row>({
      {"90m", "PT90M"},
      {"1h30m", "PT1H30M"},
      {"2d", "P2D"},
      {"1d12h", "P1DT12H"},
      {"45s", "PT45S"},
      {"3H", "PT3H"},
      {"PT1H", "PT1H"},
      {"pt1h30m", "PT1H30M"},
  }));
  CHECK(iso_duration(row.word) == row.iso);
}

TEST_CASE("a duration that could mean something else is refused", "[words_test]") {
  const auto word = GENERATE("", "60", "h", "1h30", "30m1h", "1h1h", "1 h", "-1h", "1.5h", "1w", "1h30x");
  CHECK_THROWS_AS(iso_duration(word), Failure);
}

TEST_CASE("ports carry a protocol or take the default", "[words_test]") {
  CHECK(port_word("22", "TCP").number == 22);
  CHECK(port_word("22", "TCP").protocol == "TCP");
  CHECK(port_word("53/udp", "TCP").protocol == "UDP");
  CHECK(port_word("3389/*", "TCP").protocol == "*");
  const auto word = GENERATE("", "0", "65536", "22x", "22/", "22/sctp", " 22", "-1", "ssh");
  CHECK_THROWS_AS(port_word(word, "TCP"), Failure);
}

TEST_CASE("forwards name a public address and two ports", "[words_test]") {
  const ForwardWord v4 = forward_word("203.0.113.5:2222=22");
  CHECK(v4.address == "203.0.113.5");
  CHECK(v4.port == 2222);
  CHECK(v4.protocol == "TCP");
  CHECK(v4.machine_port == 22);
  const ForwardWord v6 = forward_word("[2001:db8::5]:5353=53/udp");
  CHECK(v6.address == "2001:db8::5");
  CHECK(v6.port == 5353);
  CHECK(v6.protocol == "UDP");
  const auto word = GENERATE("203.0.113.5=22", "203.0.113.5:2222", ":2222=22", "2001:db8::5:22=22", "203.0.113.5:0=22",
                             "203.0.113.5:1=22/*");
  CHECK_THROWS_AS(forward_word(word), Failure);
}

}  // namespace
}  // namespace postern::cli
