// SPDX-License-Identifier: Apache-2.0
// One line of ids there, one line of JSON back.
#include "controlplane/dataplane/adoption.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "controlplane/dataplane/failure.hpp"
#include "loader/fd.hpp"

namespace postern::dataplane {

namespace {

constexpr std::size_t answer_max = 65536;

// One end for all steps of an exchange: a peer that takes or brings a byte now and then gains no time by it.
class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds patience) : until_(Clock::now() + patience) {}

  std::chrono::milliseconds left() const {
    return std::max(std::chrono::ceil<std::chrono::milliseconds>(until_ - Clock::now()), std::chrono::milliseconds(0));
  }
  // False, and errno is set, if the time is over or poll fails.
  bool wait(int fd, short events) const {
    for (;;) {
      pollfd waiting{fd, events, 0};
      const int ready = left().count() == 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left().count()));
      if (ready > 0) return true;
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) errno = ETIMEDOUT;
      return false;
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point until_;
};

// Connecting to a full backlog waits by the socket's own time-out, all else by poll.
bool limit_connect(int fd, std::chrono::milliseconds patience) {
  const timeval most{patience.count() / 1000, patience.count() % 1000 * 1000};
  return ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) == 0;
}

std::string line_of(const std::set<std::uint32_t>& services) {
  std::string line;
  for (const std::uint32_t id : services) line += (line.empty() ? "" : " ") + std::to_string(id);
  return line + '\n';
}

// What the loader's answer says is wrong.
std::string trouble_in(const std::string& answer) {
  const auto json = nlohmann::json::parse(answer, nullptr, false);
  if (!json.is_object()) return "the answer is no JSON object";
  if (json.contains("error")) return json["error"].is_string() ? json["error"].get<std::string>() : "an error without words";
  std::string warnings;
  if (json.contains("warnings") && json["warnings"].is_array())
    for (const auto& warning : json["warnings"])
      if (warning.is_string()) warnings += (warnings.empty() ? "" : "; ") + warning.get<std::string>();
  return warnings;
}

}  // namespace

void Adoption::adopt(const std::set<std::uint32_t>& services) {
  const auto answer = ask(line_of(services));
  const std::string why = answer ? trouble_in(*answer) : answer.error().message;
  trouble_ = why.empty() ? "" : "Sessions that were open when a port became guarded may not have been taken over: " + why + ".";
}

std::string Adoption::trouble() const {
  std::error_code ignored;
  if (!trouble_.empty() || std::filesystem::is_socket(socket_, ignored)) return trouble_;
  return "Sessions that are open when a port becomes guarded will end: there is no socket " + socket_.string() +
         " (postern-adopt.socket starts the loader there, which takes them over).";
}

core::Result<std::string> Adoption::ask(const std::string& line) const {
  const auto failed = [&](const char* step) {
    return gate_error(loader::system_error(std::string(step) + " " + socket_.string(), errno));
  };
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = socket_.string();
  if (path.size() >= sizeof(address.sun_path)) return gate_error("the path " + path + " is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const loader::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("opening a socket for");
  const Deadline deadline(patience_);
  if (!limit_connect(fd.get(), patience_)) return failed("setting the time for");
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
    return failed("connecting to");
  for (std::size_t sent = 0; sent < line.size();) {
    if (!deadline.wait(fd.get(), POLLOUT)) return failed("writing to");
    const ssize_t size = ::send(fd.get(), line.data() + sent, line.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return failed("writing to");
    sent += static_cast<std::size_t>(size);
  }
  std::string answer;
  while (answer.find('\n') == std::string::npos && answer.size() < answer_max) {
    char buffer[4096];
    if (!deadline.wait(fd.get(), POLLIN)) return failed("waiting for the answer of");
    const ssize_t size = ::recv(fd.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return failed("reading from");
    if (size == 0) break;
    answer.append(buffer, static_cast<std::size_t>(size));
  }
  return answer;
}

}  // namespace postern::dataplane
