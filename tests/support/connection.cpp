// SPDX-License-Identifier: Apache-2.0
// Frames and table entries of one connection.
#include "tests/support/connection.hpp"

#include <arpa/inet.h>

namespace postern::test {

Packet Connection::between(const std::string& from, const std::string& to) const {
  if (!v6()) return Ipv4{.source = from.c_str(), .destination = to.c_str()};
  return Ipv6{.source = from.c_str(), .destination = to.c_str()};
}

Packet Connection::in(Tcp header, std::size_t size) const {
  header.source = client_port;
  header.destination = machine_port;
  return Packet{Ethernet{}} / between(client, machine) / header / data(size);
}

Packet Connection::out(Tcp header, std::size_t size) const {
  header.source = machine_port;
  header.destination = client_port;
  return Packet{Ethernet{}} / between(machine, client) / header / data(size);
}

Packet Connection::ask(std::size_t size) const {
  return Packet{Ethernet{}} / between(client, machine) / Udp{.source = client_port, .destination = machine_port} /
         data(size);
}

Packet Connection::respond(std::size_t size) const {
  return Packet{Ethernet{}} / between(machine, client) / Udp{.source = machine_port, .destination = client_port} /
         data(size);
}

Packet Connection::quoted_reply() const {
  Packet ip = between(machine, client);
  if (protocol == udp) return ip / Udp{.source = machine_port, .destination = client_port} / data(20);
  return ip / Tcp{.source = machine_port,
                  .destination = client_port,
                  .seq = machine_next,
                  .acknowledgment = client_next,
                  .flags = ack};
}

namespace {

std::uint32_t length_of(std::uint8_t flags, std::size_t size) {
  return static_cast<std::uint32_t>(size) + ((flags & syn) ? 1U : 0U) + ((flags & fin) ? 1U : 0U);
}

}  // namespace

Packet Connection::send(std::uint8_t flags, std::size_t size) {
  const std::uint32_t seq = client_next;
  client_next += length_of(flags, size);
  return in({.seq = seq, .acknowledgment = (flags & ack) ? machine_next : 0, .flags = flags}, size);
}

Packet Connection::reply(std::uint8_t flags, std::size_t size) {
  const std::uint32_t seq = machine_next;
  machine_next += length_of(flags, size);
  return out({.seq = seq, .acknowledgment = (flags & ack) ? client_next : 0, .flags = flags}, size);
}

void Connection::open(Gate& gate) {
  INFO("opening a connection");
  expect(gate, send(syn), gate_reason_grant, half_open_created);
  learn(gate, reply(syn | ack));
  expect(gate, send(ack), gate_reason_flow_half_open, promoted);
}

gate_flow_key_v4 Connection::key_v4() const {
  gate_flow_key_v4 key{};
  inet_pton(AF_INET, client.c_str(), &key.client);
  inet_pton(AF_INET, machine.c_str(), &key.machine);
  key.client_port_be = htons(client_port);
  key.machine_port_be = htons(machine_port);
  key.protocol = protocol;
  return key;
}

gate_flow_key_v6 Connection::key_v6() const {
  gate_flow_key_v6 key{};
  inet_pton(AF_INET6, client.c_str(), &key.client);
  inet_pton(AF_INET6, machine.c_str(), &key.machine);
  key.client_port_be = htons(client_port);
  key.machine_port_be = htons(machine_port);
  key.protocol = protocol;
  return key;
}

std::optional<gate_flow> Connection::half_open(const Gate& gate) const {
  return v6() ? gate.maps.half_open_v6.find(key_v6()) : gate.maps.half_open_v4.find(key_v4());
}

std::optional<gate_flow> Connection::learning(const Gate& gate) const {
  return v6() ? gate.maps.learning_v6.find(key_v6()) : gate.maps.learning_v4.find(key_v4());
}

std::optional<gate_flow> Connection::established(const Gate& gate) const {
  return v6() ? gate.maps.established_v6.find(key_v6()) : gate.maps.established_v4.find(key_v4());
}

void Connection::put_half_open(const Gate& gate, const gate_flow& flow) const {
  if (v6())
    gate.maps.half_open_v6.put(key_v6(), flow);
  else
    gate.maps.half_open_v4.put(key_v4(), flow);
}

void Connection::put_established(const Gate& gate, const gate_flow& flow) const {
  if (v6())
    gate.maps.established_v6.put(key_v6(), flow);
  else
    gate.maps.established_v4.put(key_v4(), flow);
}

void Connection::forget_half_open(const Gate& gate) const {
  if (v6())
    gate.maps.half_open_v6.erase(key_v6());
  else
    gate.maps.half_open_v4.erase(key_v4());
}

}  // namespace postern::test
