// SPDX-License-Identifier: Apache-2.0
// The three BPF programs in the kernel with one set of maps, attached to nothing: tests write the maps as the loader
// and posternd would, and hand packets to the programs by BPF_PROG_TEST_RUN. Needs root: without it the process ends
// with 77 (skipped), or with 1 where CI=true. Private maps: no pin, nothing stays behind.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bpf/abi/maps.h"
#include "loader/ring.hpp"
#include "tests/support/gate_objects.hpp"
#include "tests/support/packet.hpp"
#include "tests/support/table.hpp"

struct bpf_object;

namespace postern::test {

inline constexpr std::uint64_t second = 1'000'000'000;
std::uint64_t now_boot_ns();
std::uint64_t now_coarse_ns();

// Idle times of the tests' gate: short, since entries are made older by writing an earlier time into them, and the
// coarse clock began when the machine booted, perhaps a minute ago. "Not yet" is idle - tolerance, "over" idle + 1 s.
inline constexpr std::uint64_t tolerance = 5 * second;
inline constexpr std::uint64_t half_open_idle = 10 * second;
inline constexpr std::uint64_t tcp_idle = 20 * second;
inline constexpr std::uint64_t linger = 8 * second;
inline constexpr std::uint64_t udp_idle = 10 * second;
inline constexpr std::uint64_t fragment_idle = 10 * second;

// The name of a reason or its number in words, and the verdict that reasons.h gives it.
std::string name_of(gate_reason reason);
gate_verdict verdict_of(gate_reason reason);

struct Service {
  std::string address = machine4;
  std::uint16_t port = 22;
  std::uint8_t protocol = tcp;
  std::uint32_t flags = GATE_SERVICE_ENFORCE;
  std::uint32_t address_flags = GATE_ADDRESS_ENFORCE;
  int prefix = -1;  // ≥ 0: guarded by prefix of that length, not by the exact address
};

struct Grant {
  std::string source = client4;
  int length = -1;  // -1: the whole address
  std::uint64_t deadline_boot_ns = GATE_NO_DEADLINE - 1;
  std::uint32_t slot = 1;
  std::uint64_t serial = 0;  // 0: one never used before
  std::uint32_t flags = 0;
  std::uint32_t ending = GATE_ENDING_DRAIN;
  std::uint64_t session_max_ns = 0;
};

// How many entries the maps get; small, so that loading is quick. full_table_test makes them smaller still.
struct Sizes {
  std::uint32_t half_open = 4096;
  std::uint32_t established = 4096;
  std::uint32_t others = 1024;
};

// What one packet changed: entries of the tables, and sums of `tallies`.
struct Changes {
  long half_open = 0;
  long established = 0;
  long fragments = 0;
  bool operator==(const Changes&) const = default;
};

struct Judged {
  int action = 0;                    // XDP_PASS, XDP_DROP
  std::vector<gate_reason> reasons;  // whose packet counter rose by one; one that rose by more stands as often
  std::uint64_t bytes = 0;           // by which the byte counters rose
  std::vector<gate_tally> tallies;   // likewise
  Changes changes;
};

struct Maps {
#define POSTERN_TEST_TABLE(name, key, value) Table<key, value> name;
  GATE_MAPS(POSTERN_TEST_TABLE)
#undef POSTERN_TEST_TABLE
};

class Gate {
 public:
  explicit Gate(const Sizes& sizes = {});
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // One gate for the whole process, emptied for each test: loading takes longer than any test.
  static Gate& fresh();
  void reset();

  // Guards a service as posternd does (bitmap, service, guarded address) and returns its id.
  std::uint32_t guard(const Service& service = {});
  // Opens it: record, grant, prefix length; returns the grant's serial.
  std::uint64_t admit(std::uint32_t service, const Grant& grant = {});
  // Lets the deadline of a grant pass: in the map and in the record, as time would have.
  void expire(std::uint32_t service, const Grant& grant = {});
  // Sets the state of a record; GATE_RECORD_CUT also raises the cut generation, as posternd does.
  void end(std::uint32_t slot, gate_record_state state);
  void failsafe_source(const std::string& address, int length, gate_failsafe_owner owner = GATE_FAILSAFE_ADMIN);
  void configure(void (*change)(gate_config&));

  // Sends one frame in. Nothing is asserted here but that the frame is left as it was.
  Judged judge(const Bytes& frame);
  // Sends one frame out by interface 1; the program must return TC_ACT_UNSPEC. `gso_segs` as a segmented skb says it;
  // `came_in_by` the interface it was forwarded from, 0: made on this machine.
  Changes answer(const Bytes& frame, std::uint32_t gso_segs = 0, std::uint32_t came_in_by = 0);
  // What the read-only program says of a frame at a time. Asserts that no map changed.
  gate_explain explain(const Bytes& frame, std::uint64_t now_boot_ns);
  // The same frame in many times over, nothing asserted.
  void flood(const Bytes& frame, std::uint32_t times);

  // What the programs told since it was last asked.
  std::vector<gate_drop_event> told_drops() const;
  std::vector<gate_flow_event> told_flows() const;
  gate_service_counter service_counter(std::uint32_t service) const;

  Maps maps;

 private:
  struct Object {
    void operator()(bpf_object* object) const;
  };
  using Owned = std::unique_ptr<bpf_object, Object>;
  Owned load(const ObjectBytes& from, const Sizes& sizes);
  Changes table_sizes() const;
  std::vector<std::uint64_t> counted() const;
  gate_grant grant_value(std::uint32_t service, const Grant& grant) const;
  void put_grant(std::uint32_t service, const Grant& grant, const gate_grant& value);
  void use_length(std::uint32_t service, int length);

  Owned ingress_, egress_, explain_;
  loader::Ring<gate_drop_event> drop_events_;
  loader::Ring<gate_flow_event> flow_events_;
  int ingress_fd_ = -1, egress_fd_ = -1, explain_fd_ = -1;
  std::uint32_t next_service_ = 1;
  std::uint64_t next_serial_ = 1;
  std::vector<Service> services_;  // by id - 1
  std::set<std::uint32_t> port_words_;
};

// Keys of the maps, from text and host-order numbers.
gate_prefix_key prefix_key(const std::string& address, int length, std::uint8_t protocol = 0, std::uint16_t port = 0);
gate_service_key_v4 service_key_v4(const Service& service);
gate_service_key_v6 service_key_v6(const Service& service);
bool is_v6(const std::string& address);

}  // namespace postern::test
