// SPDX-License-Identifier: Apache-2.0
// Listening sockets: whom the Unix socket lets in, what is done about one that is there already, loopback only.
#include "controlplane/http/endpoint.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/catch.hpp"

using namespace postern;

namespace {

struct Folder {
  std::string name = "/tmp/postern-endpoint-test-XXXXXX";
  Folder() { REQUIRE(mkdtemp(name.data())); }
  ~Folder() { std::filesystem::remove_all(name); }
  std::string file(const char* leaf) const { return name + "/" + leaf; }
};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

bool exists(const std::string& path) {
  return access(path.c_str(), F_OK) == 0;
}

}  // namespace

TEST_CASE("the Unix socket is for owner and group, and goes with its listener") {
  const Folder folder;
  const std::string path = folder.file("api.sock");
  {
    const auto listener = http::listen_unix(path, getgid());
    REQUIRE(listener);
    CHECK(mode_of(path) == 0660);
  }
  CHECK_FALSE(exists(path));
}

TEST_CASE("a socket file whose daemon is dead is replaced, a live one is refused") {
  const Folder folder;
  const std::string path = folder.file("api.sock");
  auto first = http::listen_unix(path, std::nullopt);
  REQUIRE(first);
  const auto second = http::listen_unix(path, std::nullopt);
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error().message, Catch::Matchers::Contains("Another daemon listens"));
  close(first->release_fd());  // as after kill -9: the file stays
  CHECK(exists(path));
  const auto third = http::listen_unix(path, std::nullopt);
  CHECK(third);
}

TEST_CASE("a socket is not removed by a listener that is already closed") {
  const Folder folder;
  const std::string path = folder.file("api.sock");
  std::optional<http::Listener> first(http::listen_unix(path, std::nullopt).value());
  close(first->release_fd());
  const auto second = http::listen_unix(path, std::nullopt);
  REQUIRE(second);
  first.reset();
  CHECK(exists(path));
}

TEST_CASE("what is no socket is left alone") {
  const Folder folder;
  std::ofstream(folder.file("file")) << "precious";
  std::filesystem::create_symlink(folder.file("file"), folder.file("link"));
  for (const char* leaf : {"file", "link", "."}) {
    INFO(leaf);
    CHECK_FALSE(http::listen_unix(folder.file(leaf), std::nullopt));
  }
  CHECK(exists(folder.file("file")));
  CHECK(exists(folder.file("link")));
}

TEST_CASE("paths that cannot be") {
  const Folder folder;
  CHECK_FALSE(http::listen_unix("", std::nullopt));
  CHECK_FALSE(http::listen_unix(folder.file(std::string(200, 'x').c_str()), std::nullopt));
  CHECK_FALSE(http::listen_unix(folder.file("no/such/folder"), std::nullopt));
}

TEST_CASE("TCP is for loopback only") {
  struct Row {
    const char* address;
    bool listens;
  };
  const auto row = GENERATE(values<Row>({
      {"127.0.0.1", true},
      {"127.0.0.2", true},
      {"::1", true},
      {"0.0.0.0", false},
      {"::", false},
      {"192.0.2.1", false},
      {"2001:db8::1", false},
  }));
  DYNAMIC_SECTION(row.address) {
    const auto listener = http::listen_tcp(core::parse_address(row.address).value(), 0);
    CHECK(listener.has_value() == row.listens);
    if (listener) CHECK(listener->port() != 0);
  }
}

TEST_CASE("with TLS TCP is for any address") {
  const auto any = http::listen_tcp(core::parse_address("0.0.0.0").value(), 0, http::Reach::anywhere);
  REQUIRE(any);
  CHECK(any->port() != 0);
}

TEST_CASE("a port in use is a sentence") {
  const auto loopback = core::parse_address("127.0.0.1").value();
  const auto first = http::listen_tcp(loopback, 0);
  REQUIRE(first);
  const auto second = http::listen_tcp(loopback, first->port());
  REQUIRE_FALSE(second);
  CHECK_THAT(second.error().message, Catch::Matchers::Contains("127.0.0.1:" + std::to_string(first->port())));
}
