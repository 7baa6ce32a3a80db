// SPDX-License-Identifier: Apache-2.0
// The random tables a story begins with, and the changes it makes to them later.
#pragma once

#include "tests/model/frames.hpp"
#include "tests/model/generate.hpp"

namespace postern::model {

struct Connection {
  Tuple tuple;
  std::uint32_t client_next = 0, machine_next = 0;
  int stage = 0;  // how far its handshake is
  bool machine_opens = false;
};

class World {
 public:
  World(Random& random, Story& story);
  void change();  // one of the things posternd does while packets come
  std::vector<Connection> connections;

 private:
  struct Guarded {
    Tuple tuple;  // machine, port and protocol; the client is somebody who may be granted
    gate_service service{};
    int prefix = -1;
  };
  struct Granted {
    std::size_t service = 0;
    gate_grant grant{};
    Address source{};
    int length = 0;
    gate_record record{};
  };

  Tuple any_tuple();
  void settings();
  void guard();
  void grant();
  void flow(const Connection& connection);
  void write(const Guarded& guarded);
  void write(const Granted& granted);
  void failsafe_source();
  template <class Key, class Value>
  void put(int map, const Key& key, const Value& value) {
    story_.push_back(put_step(map, key, value));
  }

  Random& random_;
  Story& story_;
  gate_control control_{};
  gate_config config_{};
  std::vector<Guarded> services_;
  std::vector<Granted> grants_;
  std::map<std::uint32_t, std::uint64_t> port_words_;
};

}  // namespace postern::model
