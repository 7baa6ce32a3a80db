// SPDX-License-Identifier: Apache-2.0
// The verbs, one class for each group: the constructor declares subcommands and options, parsing chooses one, main()
// runs it. Objects must outlive the parse: CLI11 writes into their members.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "tools/postern/gate_client.hpp"
#include "tools/postern/printer.hpp"

namespace postern::cli {

struct Desk {
  GateClient gate;
  Printer out;
};

using Verb = std::function<void(const Desk&)>;

class MachineVerbs {
 public:
  MachineVerbs(CLI::App& app, Verb& chosen);

 private:
  void add(const Desk& desk) const;
  void list(const Desk& desk) const;
  void show(const Desk& desk) const;
  void remove(const Desk& desk) const;
  void import(const Desk& desk) const;
  void exclude(const Desk& desk, const std::string& reason) const;
  std::string name_, id_, os_, file_, reason_, state_, subscription_, group_;
  std::vector<std::string> addresses_, forwards_;
};

inline constexpr const char* default_longest = "3h";

class PolicyVerbs {
 public:
  PolicyVerbs(CLI::App& app, Verb& chosen);

 private:
  void apply(const Desk& desk) const;
  void enable(const Desk& desk) const;
  void enable_in_one_step(const Desk& desk) const;
  void disable(const Desk& desk) const;
  void get(const Desk& desk) const;
  void list(const Desk& desk) const;
  void remove(const Desk& desk) const;
  void set_mode(const Desk& desk, const char* mode) const;
  std::string file_, name_, policy_, longest_ = default_longest, session_, ending_, justification_, approval_;
  std::vector<std::string> machines_, ports_, sources_, standing_;
  bool monitor_ = false, recommended_ = false;
};

class SwitchVerbs {
 public:
  SwitchVerbs(CLI::App& app, Verb& chosen);

 private:
  void turn(const Desk& desk, bool on) const;
  std::string subscription_, because_;
};

// What is asked for: machines, ports, how long, from where, why.
class Wish {
 public:
  void declare(CLI::App& verb);
  void declare_start(CLI::App& verb);  // for what need not be at once
  void run(const Desk& desk, bool break_glass) const;

 private:
  std::vector<std::string> machines_, ports_, sources_;
  std::string duration_, until_, because_, at_;
};

class RequestVerb {
 public:
  RequestVerb(CLI::App& app, Verb& chosen);

 private:
  Wish wish_;
};

class AnswerVerbs {
 public:
  AnswerVerbs(CLI::App& app, Verb& chosen);

 private:
  void list(const Desk& desk) const;
  void answer(const Desk& desk, bool approve) const;
  std::vector<std::string> ids_;
  std::string because_;
  bool all_ = false;
};

class ConnectVerb {
 public:
  ConnectVerb(CLI::App& app, Verb& chosen);

 private:
  void run(const Desk& desk) const;
  std::string machine_;
};

class ExposureVerb {
 public:
  ExposureVerb(CLI::App& app, Verb& chosen);
};

class BreakGlassVerbs {
 public:
  BreakGlassVerbs(CLI::App& app, Verb& chosen);

 private:
  void arm(const Desk& desk) const;
  void list(const Desk& desk) const;
  void review(const Desk& desk) const;
  void disarm(const Desk& desk) const;
  Wish wish_;
  std::string principal_, duration_, because_, scope_, longest_, number_;
  bool cut_ = false;
};

class GrantVerbs {
 public:
  GrantVerbs(CLI::App& app, Verb& chosen);

 private:
  void list(const Desk& desk) const;
  void revoke(const Desk& desk) const;
  void extend(const Desk& desk) const;
  std::string machine_, serial_, duration_, until_;
  std::vector<std::string> serials_;
  bool all_ = false, cut_ = false, drain_ = false;
};

class StatusVerb {
 public:
  StatusVerb(CLI::App& app, Verb& chosen);
};

class ExplainVerb {
 public:
  ExplainVerb(CLI::App& app, Verb& chosen);

 private:
  void run(const Desk& desk) const;
  std::string source_, destination_, flags_, source_port_, at_;
  bool established_ = false;
};

class EventsVerb {
 public:
  EventsVerb(CLI::App& app, Verb& chosen);

 private:
  void run(const Desk& desk) const;
  void follow(const Desk& desk, const std::string& after) const;
  unsigned limit_ = 50;
  bool follow_ = false;
};

class TokenVerbs {
 public:
  TokenVerbs(CLI::App& app, Verb& chosen);

 private:
  void create(const Desk& desk) const;
  void list(const Desk& desk) const;
  void revoke(const Desk& desk) const;
  std::string principal_, role_ = "requester", scope_, duration_, id_;
};

class SessionsVerb {
 public:
  SessionsVerb(CLI::App& app, Verb& chosen);

 private:
  void run(const Desk& desk) const;
  std::string machine_, principal_, from_, to_;
  std::uint64_t grant_ = 0;
  unsigned limit_ = 0;
  bool open_ = false, csv_ = false, json_lines_ = false;
};

class RoleVerbs {
 public:
  RoleVerbs(CLI::App& app, Verb& chosen);

 private:
  void list(const Desk& desk) const;
  void show(const Desk& desk) const;
  void least_privilege(const Desk& desk) const;
  nlohmann::json least_assignments(const Desk& desk) const;
  std::string name_, principal_, duration_;
  std::vector<std::string> machines_;
  bool over_policies_ = false, token_ = false;
};

class AuditVerbs {
 public:
  AuditVerbs(CLI::App& app, Verb& chosen);

 private:
  void list(const Desk& desk) const;
  void verify(const Desk& desk) const;
  void review(const Desk& desk) const;
  std::string machine_, principal_, operation_, from_, to_, heads_, review_from_, review_to_;
  unsigned limit_ = 0;
  bool csv_ = false, json_lines_ = false, review_csv_ = false;
};

}  // namespace postern::cli
