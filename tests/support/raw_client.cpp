// SPDX-License-Identifier: Apache-2.0
#include "tests/support/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace postern::test {
namespace {

int connected(int family, const sockaddr* address, socklen_t length, const sockaddr_in* from = nullptr) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && from && bind(fd, reinterpret_cast<const sockaddr*>(from), sizeof *from) != 0)
    throw std::system_error(errno, std::generic_category(), "bind");
  if (fd < 0 || connect(fd, address, length) != 0) throw std::system_error(errno, std::generic_category(), "connect");
  const timeval patience{60, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return fd;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

std::string RawAnswer::header(std::string_view name) const {
  const std::string wanted = "\r\n" + lower(name) + ":";
  const std::size_t at = lower(head).find(wanted);
  if (at == std::string::npos) return "";
  std::size_t begin = at + wanted.size();
  while (begin < head.size() && head[begin] == ' ') ++begin;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

RawClient RawClient::to_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return RawClient(connected(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address));
}

RawClient RawClient::to_port(std::uint16_t port, std::uint32_t from) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(from);
  return RawClient(connected(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address, from ? &source : nullptr));
}

RawClient::~RawClient() {
  if (fd_ >= 0) close(fd_);
}

RawClient::RawClient(RawClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::fill(std::chrono::milliseconds patience) {
  pollfd wait{fd_, POLLIN, 0};
  if (poll(&wait, 1, static_cast<int>(patience.count())) <= 0) return false;
  char bytes[65536];
  const ssize_t got = recv(fd_, bytes, sizeof bytes, 0);
  if (got <= 0) return false;
  buffer_.append(bytes, static_cast<std::size_t>(got));
  return true;
}

RawAnswer RawClient::answer(std::chrono::milliseconds patience) {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill(patience)) return {};
  RawAnswer answer;
  answer.head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  std::from_chars(answer.head.data() + 9, answer.head.data() + 12, answer.status);
  std::size_t length = 0;
  const std::string text = answer.header("Content-Length");
  std::from_chars(text.data(), text.data() + text.size(), length);
  while (buffer_.size() < length && fill(patience)) {
  }
  answer.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return answer;
}

std::string RawClient::some() {
  if (buffer_.empty()) fill(std::chrono::seconds{60});
  return std::exchange(buffer_, {});
}

std::string RawClient::rest() {
  while (fill(std::chrono::seconds{60})) {
  }
  return std::exchange(buffer_, {});
}

bool RawClient::closed_within(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(left.count())) > 0 && !fill(std::chrono::milliseconds{0})) return true;
  }
}

std::string request_text(std::string_view method, std::string_view target, std::string_view body,
                         std::string_view headers, std::string_view host) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: " + std::string(host) +
                     "\r\n" + std::string(headers);
  if (!body.empty()) text += "Content-Type: application/json\r\n";
  return text + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace postern::test
