// SPDX-License-Identifier: Apache-2.0
// `postern-loader doctor`: what it was asked in, findings out, see doctor.hpp.
#include "loader/doctor.hpp"

#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "loader/boot_snapshot.hpp"
#include "loader/command_line.hpp"

namespace postern::loader {
namespace {

struct DoctorWords {
  Instance instance;
  std::vector<std::string> interfaces, guarded;
  std::string snapshot;
  bool json = false;
};

const char* word_of(Level level) {
  switch (level) {
    case Level::ok:
      return "ok";
    case Level::note:
      return "note";
    case Level::warning:
      return "WARN";
    case Level::failure:
      return "FAIL";
  }
  return "";
}

void print_text(const Findings& findings) {
  for (const Finding& finding : findings) {
    const std::string word = word_of(finding.level);
    std::cout << word << std::string(6 - word.size(), ' ') << finding.says << "\n";
    if (!finding.advice.empty()) std::cout << "      → " << finding.advice << "\n";
  }
}

void print_json(const Findings& findings, bool possible) {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings)
    list.push_back({{"level", word_of(finding.level)},
                    {"check", finding.check},
                    {"where", finding.where},
                    {"says", finding.says},
                    {"advice", finding.advice}});
  std::cout << nlohmann::json{{"possible", possible}, {"findings", list}}.dump(2) << "\n";
}

int run_doctor(const DoctorWords& words) {
  if (const auto named = check_instance_name(words.instance.name); !named) {
    std::cerr << "postern-loader: " << named.error().sentence << "\n";
    return exit_usage;
  }
  GuardedServices services =
      known_services(words.instance, words.snapshot.empty() ? snapshot_path(default_state_folder, words.instance.name)
                                                            : std::filesystem::path(words.snapshot));
  for (const std::string& text : words.guarded) {
    const auto service = parse_guarded(text);
    if (!service) {
      std::cerr << "postern-loader: --guard: " << service.error().sentence << "\n";
      return exit_usage;
    }
    services.push_back(*service);
  }
  Findings findings;
  examine_kernel(findings);
  for (const std::string& name : words.interfaces) examine_interface(words.instance, name, findings);
  examine_host(words.instance, services, words.interfaces, findings);
  examine_nat(services, findings);
  bool possible = true;
  for (const Finding& finding : findings) possible = possible && finding.level != Level::failure;
  words.json ? print_json(findings, possible) : print_text(findings);
  return possible ? exit_done : exit_not_whole;
}

}  // namespace

void add_doctor(CLI::App& app, int& code) {
  CLI::App* command = app.add_subcommand(
      "doctor", "Say beforehand what would be in the way or lead past the gate (exit code 4: attach would be refused)");
  auto words = std::make_shared<DoctorWords>();
  command->add_option("--interface,-i", words->interfaces, "Outside interface to look at (again for several)");
  command->add_option(
      "--guard", words->guarded,
      "What is going to be guarded, such as 192.0.2.10:22 or [2001:db8::10]:53/udp (again for several), beside "
      "what the gate or its boot snapshot guards already");
  command->add_option("--instance", words->instance.name, "Name of the gate")->capture_default_str();
  command->add_option("--run-dir", words->instance.run_dir, "Where gates keep their maps and records")
      ->capture_default_str();
  command->add_option("--snapshot", words->snapshot, "As of attach");
  command->add_flag("--json", words->json, "As JSON");
  command->callback([words, &code] { code = run_doctor(*words); });
}

}  // namespace postern::loader
