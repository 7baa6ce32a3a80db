// SPDX-License-Identifier: Apache-2.0
// Addresses, blocks and sources: this text ends up in firewall rules, so each odd form has a row.
#include "controlplane/core/address.hpp"

#include "tests/support/catch.hpp"

using namespace postern::core;

namespace {

struct PrefixRow {
  const char* text;
  const char* written;  // null: refused
};

std::vector<Source> sources(std::initializer_list<const char*> texts) {
  std::vector<Source> result;
  for (const char* text : texts) result.push_back(parse_source(text).value());
  return result;
}

}  // namespace

TEST_CASE("prefixes are read strictly and written canonically") {
  const auto row = GENERATE(values<PrefixRow>({
      {"203.0.113.7", "203.0.113.7"},
      {"203.0.113.7/32", "203.0.113.7"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"10.1.2.3/8", "10.0.0.0/8"},
      {"255.255.255.255/1", "128.0.0.0/1"},
      {"192.0.2.129/31", "192.0.2.128/31"},
      {"2001:db8::1", "2001:db8::1"},
      {"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
      {"2001:db8::/32", "2001:db8::/32"},
      {"2001:db8:ffff::1/33", "2001:db8:8000::/33"},
      {"::", "::"},
      {"::/0", "::/0"},
      {"::1/128", "::1"},
      {"1::/127", "1::/127"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"1:0:0:2:0:0:0:3", "1:0:0:2::3"},
      {"1:0:0:2:3:0:0:4", "1::2:3:0:0:4"},
      {"64:ff9b::192.0.2.1", "64:ff9b::c000:201"},
      {"::ffff:1.2.3.4", "1.2.3.4"},
      {"::ffff:102:304", "1.2.3.4"},
      {"::FFFF:10.1.2.3/104", "10.0.0.0/8"},
      {"::ffff:1.2.3.4/128", "1.2.3.4"},
      {"::ffff:1.2.3.4/96", "0.0.0.0/0"},
      {"::ffff:1.2.3.4/64", "::/64"},
      {"", nullptr},
      {" ", nullptr},
      {"10.1.2", nullptr},
      {"10.1.2.3.4", nullptr},
      {"010.0.0.1", nullptr},
      {"10.0.0.01", nullptr},
      {"00.0.0.0", nullptr},
      {"256.0.0.1", nullptr},
      {"1.2.3.-4", nullptr},
      {"+1.2.3.4", nullptr},
      {"0x7f.0.0.1", nullptr},
      {"2130706433", nullptr},
      {"1.2.3.", nullptr},
      {".1.2.3", nullptr},
      {" 1.2.3.4", nullptr},
      {"1.2.3.4 ", nullptr},
      {"1.2.3.4\n", nullptr},
      {"1.2.3.4; drop", nullptr},
      {"1.2.3.4/", nullptr},
      {"1.2.3.4/33", nullptr},
      {"1.2.3.4/-1", nullptr},
      {"1.2.3.4/+8", nullptr},
      {"1.2.3.4/08", nullptr},
      {"1.2.3.4/8/8", nullptr},
      {"1.2.3.4/255.0.0.0", nullptr},
      {"1.2.3.4/99999999999999999999", nullptr},
      {"1.2.3.4-1.2.3.9", nullptr},
      {"10.0.0.0/8 192.168.0.0/16", nullptr},
      {"example.com", nullptr},
      {"Internet", nullptr},
      {"*", nullptr},
      {":", nullptr},
      {":::", nullptr},
      {"1::2::3", nullptr},
      {"1:2:3:4:5:6:7", nullptr},
      {"1:2:3:4:5:6:7:8:9", nullptr},
      {"1:2:3:4:5:6:7:8::", nullptr},
      {"1:2:3:4::5:6:7:8", nullptr},
      {":1:2:3:4:5:6:7", nullptr},
      {"1:2:3:4:5:6:7:", nullptr},
      {"12345::", nullptr},
      {"g::", nullptr},
      {"fe80::1%eth0", nullptr},
      {"[::1]", nullptr},
      {"::1/129", nullptr},
      {"::1.2.3", nullptr},
      {"1.2.3.4::", nullptr},
      {"::1.2.3.4:5", nullptr},
      {"::ffff:1.2.3.4/129", nullptr},
  }));
  DYNAMIC_SECTION(row.text) {
    const auto prefix = parse_prefix(row.text);
    REQUIRE(prefix.has_value() == (row.written != nullptr));
    if (!prefix) {
      CHECK(prefix.error().message.find('\n') == std::string::npos);
      return;
    }
    CHECK(to_string(*prefix) == row.written);
    CHECK(parse_prefix(to_string(*prefix)).value() == *prefix);
  }
}

TEST_CASE("a text with a NUL inside is no address") {
  CHECK_FALSE(parse_prefix(std::string_view("1.2.3.4\0/8", 10)));
  CHECK_FALSE(parse_address(std::string_view("1.2.3.4\0", 8)));
}

TEST_CASE("an address has no length") {
  CHECK(parse_address("192.0.2.1"));
  CHECK_FALSE(parse_address("192.0.2.1/32"));
  CHECK(parse_address("::ffff:192.0.2.1").value() == parse_address("192.0.2.1").value());
}

TEST_CASE("containment, not comparison of text") {
  struct Row {
    const char* name;
    std::vector<Source> allowed;
    const char* asked;
    bool inside;
  };
  const auto row = GENERATE(values<Row>({
      {"an address lies in its block", sources({"203.0.113.0/24"}), "203.0.113.7", true},
      {"an address lies not in the block beside it", sources({"203.0.113.0/24"}), "203.0.114.7", false},
      {"a smaller block lies in a larger one", sources({"10.0.0.0/8"}), "10.20.0.0/16", true},
      {"a larger block lies not in a smaller one", sources({"10.20.0.0/16"}), "10.0.0.0/8", false},
      {"a block lies in itself", sources({"10.0.0.0/8"}), "10.0.0.0/8", true},
      {"one of several blocks is enough", sources({"10.0.0.0/8", "192.0.2.0/24"}), "192.0.2.9", true},
      {"two halves do not make the whole", sources({"10.0.0.0/9", "10.128.0.0/9"}), "10.0.0.0/8", false},
      {"* contains an address", sources({"*"}), "192.0.2.1", true},
      {"* contains IPv6", sources({"*"}), "2001:db8::/32", true},
      {"* contains *", sources({"*"}), "*", true},
      {"* lies in no block", sources({"0.0.0.0/0"}), "*", false},
      {"* lies not in both families' everything either", sources({"0.0.0.0/0", "::/0"}), "*", false},
      {"0.0.0.0/0 holds IPv4", sources({"0.0.0.0/0"}), "192.0.2.1", true},
      {"0.0.0.0/0 holds no IPv6", sources({"0.0.0.0/0"}), "2001:db8::1", false},
      {"::/0 holds no IPv4", sources({"::/0"}), "192.0.2.1", false},
      {"the same leading bytes in the other family are another thing", sources({"a00::/8"}), "10.0.0.0", false},
      {"a mapped address counts as IPv4", sources({"203.0.113.0/24"}), "::ffff:203.0.113.7", true},
      {"nothing contains nothing", {}, "192.0.2.1", false},
  }));
  DYNAMIC_SECTION(row.name) {
    CHECK(covers(row.allowed, parse_source(row.asked).value()) == row.inside);
  }
}

TEST_CASE("the same set of sources in another order is the same") {
  CHECK(canonical(sources({"10.0.0.1", "*", "10.0.0.1/32", "::1"})) == canonical(sources({"::1", "10.0.0.1", "*"})));
  CHECK(canonical(sources({"10.0.0.1"})) != canonical(sources({"10.0.0.0/31"})));
}
