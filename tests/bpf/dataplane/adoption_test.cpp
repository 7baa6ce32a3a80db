// SPDX-License-Identifier: Apache-2.0
// What the daemon says to the socket that starts the loader, what it makes of each answer, and what the maps hold while it
// asks: monitored and learning the first time, enforced the second.
#include "controlplane/dataplane/adoption.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <functional>
#include <thread>

#include "controlplane/dataplane/map_dataplane.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/pinned_gate.hpp"
#include "tests/support/temp_folder.hpp"

using namespace postern;

namespace {

struct Listening {
  explicit Listening(const std::filesystem::path& path, int backlog = 1)
      : fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 || ::listen(fd, backlog) != 0)
      std::abort();
  }
  ~Listening() { ::close(fd); }
  int fd;
};

// Reads and writes a byte every 20 ms, never a newline, until it is left alone or ten seconds have gone.
class DrippingPeer {
 public:
  explicit DrippingPeer(const std::filesystem::path& path)
      : listening_(path), thread_([this] {
          const int peer = ::accept(listening_.fd, nullptr, nullptr);
          for (int i = 0; i < 500 && !left_; ++i) {
            char byte = ' ';
            (void)!::recv(peer, &byte, 1, MSG_DONTWAIT);
            byte = ' ';
            left_ = ::send(peer, &byte, 1, MSG_NOSIGNAL) != 1;
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
          }
          ::close(peer);
        }) {}
  bool was_left() {
    thread_.join();
    return left_;
  }

 private:
  Listening listening_;
  bool left_ = false;
  std::thread thread_;
};

// Takes a line and answers, as often as it is told.
class Listener {
 public:
  Listener(const std::filesystem::path& path, std::string answer, int times = 1, std::function<void()> meanwhile = {})
      : listening_(path) {
    thread_ = std::thread([this, answer = std::move(answer), times, meanwhile = std::move(meanwhile)] {
      for (int i = 0; i < times; ++i) {
        const int peer = ::accept(listening_.fd, nullptr, nullptr);
        char byte = 0;
        while (::read(peer, &byte, 1) == 1) {
          heard_ += byte;
          if (byte == '\n') break;
        }
        if (meanwhile) meanwhile();
        (void)!::write(peer, answer.data(), answer.size());
        ::close(peer);
      }
    });
  }
  ~Listener() {
    ::shutdown(listening_.fd, SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
  }
  std::string heard() {
    thread_.join();
    return heard_;
  }

 private:
  Listening listening_;
  std::string heard_;
  std::thread thread_;
};

}  // namespace

TEST_CASE("the loader hears a line of ids, and a good answer is no trouble") {
  test::TempFolder folder;
  dataplane::Adoption adoption(folder.path() / "adopt.sock");
  {
    Listener listener(folder.path() / "adopt.sock", "{\"adopted\":2,\"known\":0,\"notStored\":0,\"warnings\":[]}\n");
    adoption.adopt({17, 3, 4294967295});
    CHECK(listener.heard() == "3 17 4294967295\n");
  }
  CHECK(adoption.trouble().empty());
}

TEST_CASE("whatever goes wrong is a sentence for status, until the next time goes well") {
  test::TempFolder folder;
  const auto path = folder.path() / "adopt.sock";
  dataplane::Adoption adoption(path);
  CHECK(adoption.trouble().find("there is no socket " + path.string()) != std::string::npos);
  adoption.adopt({1});
  CHECK(adoption.trouble().find(path.string() + ": No such file") != std::string::npos);
  const auto answered = [&](const std::string& answer) {
    std::filesystem::remove(path);
    Listener listener(path, answer);
    adoption.adopt({1});
    return adoption.trouble();
  };
  CHECK(answered("{\"error\":\"no service has the id 1\"}\n").find("no service has the id 1") != std::string::npos);
  CHECK(answered("{\"adopted\":0,\"warnings\":[\"full\",\"late\"]}\n").find("full; late") != std::string::npos);
  for (const char* answer : {"", "\n", "nonsense\n", "[]\n", "{\"error\":7}\n"}) CHECK_FALSE(answered(answer).empty());
  CHECK(answered("{\"adopted\":0,\"warnings\":[]}\n").empty());
}

TEST_CASE("a peer that takes, or brings, a byte now and then holds nobody for longer than the patience") {
  test::TempFolder folder;
  const auto path = folder.path() / "adopt.sock";
  std::set<std::uint32_t> many;  // more than a socket's buffers hold
  for (std::uint32_t id = 4'000'000'000; many.size() < 90'000; ++id) many.insert(id);
  DrippingPeer peer(path);
  dataplane::Adoption adoption(path, std::chrono::milliseconds(300));
  SECTION("takes") { adoption.adopt(many); }
  SECTION("brings") { adoption.adopt({1}); }
  CHECK(adoption.trouble().find("timed out") != std::string::npos);
  CHECK(peer.was_left());
}

TEST_CASE("a peer that takes no connection holds nobody") {
  test::TempFolder folder;
  const auto path = folder.path() / "adopt.sock";
  Listening listening(path, 0);
  std::vector<std::thread> callers;
  for (int i = 0; i < 3; ++i)
    callers.emplace_back([&path] { dataplane::Adoption(path, std::chrono::milliseconds(300)).adopt({1}); });
  for (std::thread& caller : callers) caller.join();
}

TEST_CASE("what begins to be enforced is monitored and learns while it is asked for the first time") {
  test::PinnedGate gate;
  const auto maps = gate.open();
  dataplane::MapDataplane plane({.run_dir = gate.run_dir()});
  REQUIRE(plane.read());
  const auto address = *core::parse_prefix("192.0.2.10");
  const core::ServiceKey ssh{address, 22, core::Protocol::tcp};
  const core::ServiceKey block{*core::parse_prefix("2001:db8::/64"), 22, core::Protocol::tcp};
  core::ServiceEntry first, second;
  first.id = 7;
  second.id = 9;
  SECTION("new ones") {}
  SECTION("ones that were monitored, or left so by a daemon that died in between") {
    first.enforce = second.enforce = false;
    REQUIRE(plane.apply({core::PutService{ssh, first}, core::PutService{block, second},
                         core::PutAddress{address, {false, 1}}}));
    first.enforce = second.enforce = true;
  }
  std::vector<__u32> exact, by_prefix;
  std::vector<bool> odd_packets_drop;
  const auto look = [&] {
    (void)maps.services_v4.for_each([&](const auto&, const gate_service& value) { exact.push_back(value.flags); });
    (void)maps.service_prefixes.for_each([&](const auto&, const gate_service& value) { by_prefix.push_back(value.flags); });
    bool drop = false;
    (void)maps.guarded_addresses.for_each([&](const auto&, const gate_address& value) { drop |= value.flags & GATE_ADDRESS_ENFORCE; });
    odd_packets_drop.push_back(drop);
  };
  Listener listener(gate.instance() / "adopt.sock", "{\"adopted\":0,\"warnings\":[]}\n", 2, look);
  REQUIRE(plane.apply({core::PutService{ssh, first}, core::PutService{block, second},
                       core::PutAddress{address, {true, 1}}, core::SetPort{core::Protocol::tcp, 22, true}}));
  CHECK(listener.heard() == "7 9\n7 9\n");
  CHECK(exact == std::vector<__u32>{GATE_SERVICE_LEARN, GATE_SERVICE_ENFORCE});
  CHECK(by_prefix == std::vector<__u32>{GATE_SERVICE_LEARN, GATE_SERVICE_ENFORCE});
  CHECK(odd_packets_drop == std::vector<bool>{false, true});
  CHECK(plane.adoption_trouble().empty());
}

TEST_CASE("nobody is asked for a service that is enforced already, and all is guarded though nobody answers") {
  test::PinnedGate gate;
  dataplane::MapDataplane plane({.run_dir = gate.run_dir()});
  REQUIRE(plane.read());
  const auto address = *core::parse_prefix("192.0.2.10");
  const core::ServiceKey ssh{address, 22, core::Protocol::tcp};
  core::ServiceEntry service;
  service.id = 7;
  const core::Plan plan{core::PutService{ssh, service}, core::PutAddress{address, {true, 1}}};
  REQUIRE(plane.apply(plan));
  CHECK_FALSE(plane.adoption_trouble().empty());
  const auto held = plane.read();
  REQUIRE(held);
  CHECK(held->services.at(ssh) == service);
  CHECK(held->addresses.at(address).enforce);
  {
    Listener listener(gate.instance() / "adopt.sock", "{}\n");
    service.prefix_lengths = {32};
    REQUIRE(plane.apply({core::PutService{ssh, service}}));
    service.enforce = false;
    REQUIRE(plane.apply({core::PutService{ssh, service}}));
  }
  CHECK_FALSE(plane.adoption_trouble().empty());  // still that of the first time
}

TEST_CASE("what a wider or narrower service enforces stays so while its address takes another form") {
  test::PinnedGate gate;
  const auto maps = gate.open();
  dataplane::MapDataplane plane({.run_dir = gate.run_dir()});
  REQUIRE(plane.read());
  const core::ServiceKey one{*core::parse_prefix("192.0.2.10"), 22, core::Protocol::tcp};
  const core::ServiceKey block{*core::parse_prefix("192.0.2.0/28"), 22, core::Protocol::tcp};
  core::ServiceEntry before, after;
  before.id = 7;
  after.id = 9;
  const bool narrows = GENERATE(true, false);
  const auto& from = narrows ? block : one;
  const auto& to = narrows ? one : block;
  REQUIRE(plane.apply({core::PutService{from, before}}));

  // The longest match of the one address, each time somebody might get in.
  std::vector<bool> enforced;
  const auto look = [&] {
    gate_service found{};
    (void)maps.service_prefixes.for_each([&](const auto&, const gate_service& value) { found = value; });
    (void)maps.services_v4.for_each([&](const auto&, const gate_service& value) { found = value; });
    enforced.push_back((found.flags & GATE_SERVICE_ENFORCE) != 0);
  };
  {
    Listener listener(gate.instance() / "adopt.sock", "{\"adopted\":0,\"warnings\":[]}\n", 2, look);
    REQUIRE(plane.apply({core::PutService{to, after}, core::EraseService{from}}));
  }
  look();
  CHECK(std::find(enforced.begin(), enforced.end(), false) == enforced.end());
}
