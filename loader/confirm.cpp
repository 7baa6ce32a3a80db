// SPDX-License-Identifier: Apache-2.0
// confirm and expire: the two ends of `attach --confirm-within`. The programs themselves let everything pass after the
// deadline, so what is here only tidies up; nothing depends on the waiting process. See gate.hpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <filesystem>

#include "loader/gate.hpp"
#include "loader/probe.hpp"
#include "loader/settings.hpp"
#include "loader/undo.hpp"

namespace postern::loader {
namespace {

constexpr std::uint64_t look_every_ns = 500'000'000;

void sleep_until_boot(std::uint64_t boot_ns) {
  const timespec until{static_cast<time_t>(boot_ns / 1'000'000'000), static_cast<long>(boot_ns % 1'000'000'000)};
  ::clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, nullptr);
}

// The deadline the gate has now; 0 if it is confirmed or gone.
std::uint64_t deadline_now(const Instance& instance) {
  const auto maps = MapSet::open(instance.bpffs());
  if (!maps) return 0;
  const auto config = read_config(*maps);
  return config ? config->unconfirmed_boot_ns : 0;
}

bool same_file(const char* one, const char* other) {
  struct stat a {
  }, b{};
  return ::stat(one, &a) == 0 && ::stat(other, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

// systemd's manager lives in the first namespaces and would look for our interfaces there.
bool systemd_can_run_it() {
  return ::access("/run/systemd/system", F_OK) == 0 && same_file("/proc/self/ns/net", "/proc/1/ns/net") &&
         same_file("/proc/self/ns/mnt", "/proc/1/ns/mnt");
}

// exec in a child; true if it ended with status 0.
bool run(std::vector<std::string> words) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  int status = -1;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// In the child: a session of its own, no terminal, no descriptor of ours, no signal held back or ignored.
[[noreturn]] void become_timer(std::vector<char*>& arguments) {
  ::setsid();
  if (::fork() != 0) ::_exit(0);
  const int nothing = ::open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; ++fd) ::dup2(nothing, fd);
  ::close_range(3, ~0U, 0);
  if (::chdir("/") != 0) ::_exit(126);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(signal, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv("/proc/self/exe", arguments.data());
  ::_exit(127);
}

}  // namespace

LoaderResult<void> start_expiry(const Instance& instance, std::uint64_t unconfirmed_boot_ns) {
  std::error_code fault;
  const std::filesystem::path run_dir = std::filesystem::absolute(instance.run_dir, fault);
  std::vector<std::string> words = {
      "postern-loader", "expire",      "--run-dir",   run_dir.string(),
      "--instance",     instance.name, "--boot-time", std::to_string(unconfirmed_boot_ns)};
  if (systemd_can_run_it()) {
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", fault);
    std::vector<std::string> systemd = {
        "systemd-run", "--quiet", "--collect",
        "--unit=postern-expire-" + instance.name + "-" + std::to_string(unconfirmed_boot_ns), self.string()};
    systemd.insert(systemd.end(), words.begin() + 1, words.end());
    if (run(std::move(systemd))) return {};
  }
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return system_error("start the process that undoes an unconfirmed attach", errno);
  if (child == 0) become_timer(arguments);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return {};
}

LoaderResult<bool> confirm(const Instance& instance) {
  if (auto named = check_instance_name(instance.name); !named) return named.error();
  if (auto root = check_root(); !root) return root.error();
  const SignalsHeld held;
  const auto lock = InstanceLock::take(instance);
  const LoaderError nothing{"nothing is attached as gate \"" + instance.name + "\" below " + instance.run_dir.string() +
                                ": there is nothing to confirm",
                            ENOENT};
  if (!lock) return lock.error().errno_value == ENOENT ? nothing : lock.error();
  if (read_attach_records(instance).empty()) return nothing;
  const auto maps = MapSet::open(instance.bpffs());
  if (!maps) return maps.error();
  auto config = read_config(*maps);
  if (!config) return config.error();
  const bool was_open = config->unconfirmed_boot_ns != 0;
  config->unconfirmed_boot_ns = 0;
  if (auto written = maps->config.update(0, *config); !written) return written.error();
  auto record = read_instance_record(instance).value_or(InstanceRecord{});
  for (const std::string& source : record.until_confirmed)
    if (const auto key = parse_failsafe(source))
      if (auto removed = remove_failsafe(*maps, *key); !removed) return removed.error();
  record.until_confirmed.clear();
  if (record.abi != 0)
    if (auto written = write_record(instance, record); !written) return written.error();
  return was_open;
}

LoaderResult<bool> expire(const Instance& instance, std::uint64_t unconfirmed_boot_ns) {
  if (auto named = check_instance_name(instance.name); !named) return named.error();
  while (boot_time_ns() < unconfirmed_boot_ns) {
    // A look now and then, so that the process does not outlive a confirmed or detached gate by hours.
    if (deadline_now(instance) != unconfirmed_boot_ns) return false;
    sleep_until_boot(std::min(unconfirmed_boot_ns, boot_time_ns() + look_every_ns));
  }
  const SignalsHeld held;
  auto lock = InstanceLock::take(instance);
  while (!lock && lock.error().errno_value == EBUSY) lock = InstanceLock::take(instance);
  if (!lock && lock.error().errno_value == ENOENT) return false;
  if (!lock) return lock.error();
  if (deadline_now(instance) != unconfirmed_boot_ns) return false;
  auto detached = detach_locked(DetachOptions{instance, {}, false});
  if (!detached) return detached.error();
  return true;
}

}  // namespace postern::loader
