// SPDX-License-Identifier: Apache-2.0
// The subcommands as CLI11 sees them, see command_line.hpp. Decides nothing: options in, a verb, sentences out.
#include "loader/command_line.hpp"

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "loader/attach_record.hpp"
#include "loader/boot_snapshot.hpp"
#include "loader/gate.hpp"
#include "loader/probe.hpp"
#include "loader/settings.hpp"
#include "loader/status.hpp"

namespace postern::loader {
namespace {

int fail(const LoaderError& error, int code = exit_failed) {
  std::cerr << "postern-loader: " << error.sentence << "\n";
  return code;
}

void add_instance(CLI::App& command, Instance& instance) {
  command.add_option("--instance", instance.name, "Name of the gate")->capture_default_str();
  command.add_option("--run-dir", instance.run_dir, "Where gates keep their maps and records")->capture_default_str();
}

// "60s", "10m", "2h", "5d", "1500ms", or seconds.
std::chrono::milliseconds parse_time(const std::string& option, const std::string& text, std::chrono::milliseconds least,
                                     std::chrono::hours most) {
  std::size_t used = 0;
  double amount = 0;
  try {
    amount = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  static const std::map<std::string, double> factors = {{"ms", 1}, {"", 1000}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
  const auto factor = factors.find(unit);
  const double milliseconds = used == 0 || factor == factors.end() ? 0 : amount * factor->second;
  if (!(milliseconds >= static_cast<double>(least.count()) &&
        milliseconds <= static_cast<double>(std::chrono::milliseconds(most).count())))
    throw CLI::ValidationError(option, "\"" + text + "\" is no time between " + std::to_string(least.count()) + "ms and " +
                                           std::to_string(most.count()) + "h, such as 60s, 10m, 2h or 5d");
  return std::chrono::milliseconds(static_cast<long long>(milliseconds));
}

void add_idle_time(CLI::App& command, const std::string& name, const std::string& help,
                   std::optional<std::chrono::milliseconds>& time) {
  command.add_option_function<std::string>(
      name, [name, &time](const std::string& text) { time = parse_time(name, text, std::chrono::seconds(1), std::chrono::hours(720)); },
      help + " is forgotten after this time without a packet");
}

std::filesystem::path snapshot_or_default(const std::string& path, const Instance& instance) {
  return path.empty() ? snapshot_path(default_state_folder, instance.name) : std::filesystem::path(path);
}

struct AttachWords {
  AttachOptions options;
  std::string group, confirm_within, snapshot;
  bool no_dispatcher = false, no_snapshot = false;
};

int run_attach(AttachWords& words) {
  AttachOptions& options = words.options;
  options.dispatcher = !words.no_dispatcher;
  if (!words.confirm_within.empty()) 
    options.confirm_within =
        parse_time("--confirm-within", words.confirm_within, std::chrono::milliseconds(1), std::chrono::hours(24));
  // A replacement leaves the maps to the group that has them: else it would shut out the daemon.
  const auto standing = read_instance_record(options.instance);
  if (words.group.empty() && standing && standing->group != 0) words.group = std::to_string(standing->group);
  const auto group = find_group(words.group.empty() ? "postern" : words.group);
  if (!group && !words.group.empty()) return fail(group.error());
  options.group = group ? *group : 0;
  if (!words.no_snapshot) options.snapshot = snapshot_or_default(words.snapshot, options.instance);
  const auto report = attach(options);
  if (!report) return fail(report.error(), report.error().errno_value == EBADMSG ? exit_snapshot : exit_failed);
  if (!group)
    std::cerr
        << "postern-loader: there is no group \"postern\", so only root can use the maps (--group names another)\n";
  for (const std::string& warning : report->warnings) std::cerr << "postern-loader: WARNING: " << warning << "\n";
  for (const auto& [it, replaced] : report->interfaces)
    std::cout << "gate " << options.instance.name << ": "
              << it.interface << (replaced ? " replaced, maps and flows kept, " : " attached, ") << to_string(it.mode)
              << ", by " << to_string(it.way) << "\n";
  if (report->from_snapshot)
    std::cout << "guards by the boot snapshot (" << *report->from_snapshot << " records) until posternd has run; no grant is in force, and "
              << report->adopted << " open session(s) go on\n";
  else if (report->adopted > 0)
    std::cout << "guards what its maps held already; " << report->adopted << " open session(s) go on\n";
  if (report->no_snapshot)
    std::cout << "there is no boot snapshot " << options.snapshot->string() << ": guards nothing until posternd has run\n";
  if (options.confirm_within)
    std::cout << "undoes itself in " << std::chrono::duration<double>(*options.confirm_within).count() << " s unless `postern-loader confirm` is run\n";
  if (report->ssh_client) std::cout << "until then your SSH client " << *report->ssh_client << " is never gated\n";
  return exit_done;
}

}  // namespace

void add_attach(CLI::App& app, int& code) {
  CLI::App* command = app.add_subcommand("attach", "Put the gate on interfaces, or replace its programs there");
  auto words = std::make_shared<AttachWords>();
  AttachOptions& options = words->options;
  static const std::map<std::string, ModeChoice> modes = {
      {"native", ModeChoice::native}, {"generic", ModeChoice::generic}, {"auto", ModeChoice::automatic}};
  command->add_option("--interface,-i", options.interfaces, "Outside interface (again for several: all or none)")
      ->required()
      ->take_all();
  add_instance(*command, options.instance);
  command->add_option("--group", words->group, "Group (name or number) that may use the maps: the daemon's [as it was, else postern]");
  command->add_option("--mode", options.mode, "native (in the driver), generic (slow, everywhere) or auto [native]")
      ->transform(CLI::CheckedTransformer(modes).description("{native,generic,auto}"));
  command->add_option(
      "--confirm-within", words->confirm_within,
      "Detach the gate, from all its interfaces, after this time (60s, 5m) unless confirmed. USE IT when you "
      "work over the very interface: a gate that shuts you out cannot be opened from outside");
  command->add_option("--max-grants", options.sizes.grants, "Room for grants")->check(CLI::Range(16u, 16777216u));
  command->add_option("--max-flows", options.sizes.flows, "Room for established flows")
      ->check(CLI::Range(16u, 16777216u));
  command->add_option("--max-half-open", options.sizes.half_open, "Room for half-open flows")
      ->check(CLI::Range(16u, 16777216u));
  command
      ->add_option("--flows-per-grant", options.limits.per_grant,
                   "Established flows that one grant may have at a time [as it was, else an eighth of their room, 65536 at most]")
      ->check(CLI::Range(1u, 16777216u));
  add_idle_time(*command, "--tcp-idle", "An established TCP flow [as it was, else 5d]", options.limits.tcp_idle);
  add_idle_time(*command, "--tcp-half-open-idle", "A half-open one [as it was, else 60s]", options.limits.tcp_half_open_idle);
  add_idle_time(*command, "--udp-idle", "A UDP flow [as it was, else 120s]", options.limits.udp_idle);
  command->add_option("--failsafe", options.failsafe,
                      "Source address or prefix that is never gated (again for several)");
  command->add_option("--snapshot", words->snapshot,
                      "What new maps guard until posternd has run, as it wrote it [/var/lib/postern/INSTANCE.snapshot]");
  command->add_flag("--no-snapshot", words->no_snapshot, "New maps guard nothing until posternd has run");
  command->add_flag("--no-dispatcher", words->no_dispatcher, "Take a bpf_link also where libxdp's dispatcher works");
  command->callback([words, &code] { code = run_attach(*words); });
}

void add_ensure(CLI::App& app, int& code) {
  CLI::App* command = app.add_subcommand(
      "ensure", "Attach again where the gate was attached and is not whole any more; else do nothing");
  auto instance = std::make_shared<Instance>();
  auto snapshot = std::make_shared<std::string>();
  add_instance(*command, *instance);
  command->add_option("--snapshot", *snapshot, "As of attach");
  command->callback([instance, snapshot, &code] {
    const auto report = ensure(*instance, snapshot_or_default(*snapshot, *instance));
    if (!report) {
      const int why = report.error().errno_value;
      return void(code = fail(report.error(), why == ENOENT    ? exit_not_attached
                                              : why == EBADMSG ? exit_snapshot
                                                               : exit_failed));
    }
    for (const std::string& warning : report->warnings) std::cerr << "postern-loader: WARNING: " << warning << "\n";
    for (const std::string& name : report->attached)
      std::cout << "gate " << instance->name << ": " << name << " was not whole, attached again\n";
    for (const std::string& name : report->gone)
      std::cout << "gate " << instance->name << ": there is no interface " << name << " to attach to\n";
    if (report->attached.empty() && report->gone.empty()) std::cout << "gate " << instance->name << ": whole\n";
    if (!report->gone.empty()) code = exit_not_whole;
  });
}

void add_detach(CLI::App& app, int& code) {
  CLI::App* command = app.add_subcommand("detach", "Take the gate off; with the last interface, forget its maps");
  auto options = std::make_shared<DetachOptions>();
  command->add_option("--interface,-i", options->interfaces, "Only this interface (again for several) [all]");
  add_instance(*command, options->instance);
  command->add_flag("--keep-maps", options->keep_maps,
                    "Keep grants and flows for the next attach. They admit nothing meanwhile, for nothing is judged");
  command->callback([options, &code] {
    const auto report = detach(*options);
    if (!report) return void(code = fail(report.error()));
    for (const std::string& name : report->detached)
      std::cout << "gate " << options->instance.name << ": " << name << " detached\n";
    for (const std::string& name : report->not_attached)
      std::cout << "gate " << options->instance.name << ": " << name << " was not attached\n";
    if (report->detached.empty() && report->not_attached.empty())
      std::cout << "gate " << options->instance.name << ": nothing was attached\n";
  });
}

void add_confirm(CLI::App& app, int& code) {
  CLI::App* command = app.add_subcommand("confirm", "Keep what was attached with --confirm-within");
  auto instance = std::make_shared<Instance>();
  add_instance(*command, *instance);
  command->callback([instance, &code] {
    const auto done = confirm(*instance);
    if (!done)
      return void(code = fail(done.error(), done.error().errno_value == ENOENT ? exit_not_attached : exit_failed));
    std::cout << "gate " << instance->name << (*done ? ": confirmed\n" : ": was confirmed already\n");
  });
}

void add_status(CLI::App& app, int& code) {
  CLI::App* command =
      app.add_subcommand("status", "Tell how the gate stands (exit code 3: not attached, 4: not whole)");
  auto instance = std::make_shared<Instance>();
  auto json = std::make_shared<bool>(false);
  add_instance(*command, *instance);
  command->add_flag("--json", *json, "As JSON");
  command->callback([instance, json, &code] {
    const auto status = read_status(*instance);
    if (!status) return void(code = fail(status.error()));
    std::cout << (*json ? as_json(*status) : as_text(*status));
    code = !status->attached() ? exit_not_attached : status->whole() ? exit_done : exit_not_whole;
  });
}

void add_expire(CLI::App& app, int& code) {
  CLI::App* command = app.add_subcommand("expire", "Wait and undo an unconfirmed attach (started by attach)");
  command->group("");  // not for people
  auto instance = std::make_shared<Instance>();
  auto boot_time = std::make_shared<std::uint64_t>(0);
  add_instance(*command, *instance);
  command->add_option("--boot-time", *boot_time, "CLOCK_BOOTTIME in ns")->required();
  command->callback([instance, boot_time, &code] {
    if (const auto done = expire(*instance, *boot_time); !done) code = fail(done.error());
  });
}

}  // namespace postern::loader
