// SPDX-License-Identifier: Apache-2.0
// doctor: says beforehand what would be in the way of an attach. Changes nothing.
#include <sys/utsname.h>

#include <iostream>
#include <memory>

#include "loader/command_line.hpp"
#include "loader/ingress.hpp"
#include "loader/interface.hpp"
#include "loader/offload.hpp"
#include "loader/probe.hpp"

namespace postern::loader {
namespace {

// True if an attach would be possible.
bool examine(const std::string& name) {
  const auto interface = find_interface(name);
  if (!interface) {
    std::cout << "FAIL  " << interface.error().sentence << "\n";
    return false;
  }
  if (const auto hook = xdp_hook(*interface); hook && hook->program != 0)
    std::cout << "note  " << name << " runs the XDP program \"" << hook->name << "\" (id " << hook->program << ")"
              << (hook->dispatcher ? ", libxdp's dispatcher\n" : "; it can be shared with none\n");
  const LinkFacts facts = read_link_facts(*interface);
  std::cout << "note  " << name << ": driver " << (facts.driver.empty() ? "unknown" : facts.driver) << ", MTU "
            << facts.mtu << "\n";
  if (facts.large_receive_offload)
    std::cout << "WARN  " << name << " merges received packets in hardware (LRO), which native XDP cannot work with: "
              << "`ethtool -K " << name << " lro off`\n";
  if (facts.mtu > 3500)
    std::cout << "WARN  " << name << " has an MTU above 3500, with which most drivers refuse native XDP\n";
  return true;
}

}  // namespace

void add_doctor(CLI::App& app, int& code) {
  CLI::App* command =
      app.add_subcommand("doctor", "Say beforehand what would be in the way (exit code 4: something is)");
  auto interfaces = std::make_shared<std::vector<std::string>>();
  command->add_option("--interface,-i", *interfaces, "Look at this interface too (again for several)");
  command->callback([interfaces, &code] {
    utsname system{};
    ::uname(&system);
    std::cout << "note  kernel " << system.release << "\n";
    bool good = true;
    for (const Feature& feature : probe_features()) {
      std::cout << (feature.present ? "ok    " : feature.needed ? "FAIL  " : "WARN  ") << feature.name;
      if (!feature.present) std::cout << ": " << feature.consequence;
      std::cout << "\n";
      good = good && (feature.present || !feature.needed);
    }
    for (const std::string& name : *interfaces) good = examine(name) && good;
    code = good ? exit_done : exit_not_whole;
  });
}

}  // namespace postern::loader
