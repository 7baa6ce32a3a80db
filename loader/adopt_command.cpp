// SPDX-License-Identifier: Apache-2.0
// `postern-loader adopt`: by hand with ids as arguments, or started by a socket that takes one line of ids and nothing
// else, so that the daemon needs no right to read what the kernel tracks.
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "loader/adopt.hpp"
#include "loader/command_line.hpp"

namespace postern::loader {
namespace {

constexpr std::chrono::seconds patience{5};

std::string as_json(const AdoptReport& report) {
  return nlohmann::json{{"adopted", report.adopted},
                        {"known", report.known},
                        {"notStored", report.not_stored},
                        {"warnings", report.warnings}}
      .dump();
}

std::string as_json(const LoaderError& error) {
  return nlohmann::json{{"error", error.sentence}}.dump();
}

// One line from descriptor 0, within the time and the size that an honest caller needs.
LoaderResult<std::string> read_line() {
  using clock = std::chrono::steady_clock;
  const auto until = clock::now() + patience;
  std::string text;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - clock::now()).count();
    pollfd waiting{STDIN_FILENO, POLLIN, 0};
    const int ready = left <= 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left));
    if (ready == 0)
      return LoaderError{"no line of service ids came within " + std::to_string(patience.count()) + " s", ETIMEDOUT};
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return system_error("wait for the service ids", errno);
    char buffer[4096];
    const ssize_t size = ::read(STDIN_FILENO, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return system_error("read the service ids", errno);
    if (size == 0) return LoaderError{"the service ids ended without a newline", EINVAL};
    text.append(buffer, static_cast<std::size_t>(size));
    if (const auto end = text.find('\n'); end != std::string::npos) {
      if (end + 1 == text.size()) return text.substr(0, end);
      return LoaderError{"something follows the line of service ids", EINVAL};
    }
    if (text.size() > adopt_line_max) return LoaderError{"the line of service ids is too long", EINVAL};
  }
}

// Whatever comes of it is one line of JSON.
int answer_socket(const Instance& instance) {
  std::signal(SIGPIPE, SIG_IGN);
  const auto line = read_line();
  const auto ids = line ? parse_service_ids(*line) : line.error();
  const auto report = ids ? adopt(instance, *ids) : ids.error();
  std::cout << (report ? as_json(*report) : as_json(report.error())) << std::endl;
  if (!report) std::cerr << "postern-loader: adopt: " << report.error().sentence << "\n";
  return report ? exit_done : ids ? exit_failed : exit_usage;
}

struct AdoptWords {
  Instance instance;
  std::vector<std::string> ids;
  bool json = false, from_socket = false;
};

int run_adopt(const AdoptWords& words) {
  if (words.from_socket) return answer_socket(words.instance);
  std::string line;
  for (const std::string& id : words.ids) line += (line.empty() ? "" : " ") + id;
  const auto ids = parse_service_ids(line);
  const auto report = ids ? adopt(words.instance, *ids) : ids.error();
  if (!report) {
    if (words.json) std::cout << as_json(report.error()) << "\n";
    std::cerr << "postern-loader: " << report.error().sentence << "\n";
    return ids ? exit_failed : exit_usage;
  }
  if (words.json) {
    std::cout << as_json(*report) << "\n";
    return exit_done;
  }
  for (const std::string& warning : report->warnings) std::cerr << "postern-loader: WARNING: " << warning << "\n";
  std::cout << "gate " << words.instance.name << ": " << report->adopted << " open session(s) adopted, " << report->known
            << " known already\n";
  return exit_done;
}

}  // namespace

void add_adopt(CLI::App& app, int& code) {
  CLI::App* command = app.add_subcommand(
      "adopt", "Take over open sessions of services, from the kernel's tracked connections and the host's sockets");
  auto words = std::make_shared<AdoptWords>();
  command->add_option("--instance", words->instance.name, "Name of the gate")->capture_default_str();
  command->add_option("--run-dir", words->instance.run_dir, "Where gates keep their maps and records")
      ->capture_default_str();
  command->add_flag("--json", words->json, "As JSON");
  auto* ids = command->add_option("ID", words->ids, "Service ids, as the maps have them");
  auto* from_socket = command->add_flag("--stdin", words->from_socket,
                                        "Read one line of ids and answer with one line of JSON: for a socket unit");
  from_socket->excludes(ids);
  command->callback([words, &code] {
    if (!words->from_socket && words->ids.empty())
      throw CLI::RequiredError("ID (the services to adopt sessions of), or --stdin,");
    code = run_adopt(*words);
  });
}

}  // namespace postern::loader
