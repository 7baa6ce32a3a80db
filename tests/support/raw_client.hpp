// SPDX-License-Identifier: Apache-2.0
// A client that writes exactly the bytes it is told and reads what comes, over a Unix socket or loopback TCP, each
// wait bounded. For tests of servers: no HTTP library would send what these must survive.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::test {

struct RawAnswer {
  int status = 0;  // 0: none came
  std::string head, body;
  std::string header(std::string_view name) const;  // value of the first of that name, any case; "" if absent
};

class RawClient {
 public:
  static RawClient to_unix(const std::string& path);
  static RawClient to_port(std::uint16_t port, std::uint32_t from = 0);  // from: an address of loopback, such as 0x7f000002
  ~RawClient();
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;

  bool send(std::string_view bytes);                                               // false: the peer has closed
  RawAnswer answer(std::chrono::milliseconds patience = std::chrono::seconds{60});  // one, by its Content-Length
  std::string some();  // what comes next; "" if nothing does within a minute, or the end
  std::string rest();  // all until the end
  bool closed_within(std::chrono::milliseconds patience);  // the peer ended the connection; what it sent is dropped

 private:
  explicit RawClient(int fd) : fd_(fd) {}
  bool fill(std::chrono::milliseconds patience);  // false: end, reset or nothing in time

  int fd_;
  std::string buffer_;
};

// "METHOD target HTTP/1.1" with Host, Content-Length and further header lines (each ending in \r\n).
std::string request_text(std::string_view method, std::string_view target, std::string_view body = "",
                         std::string_view headers = "", std::string_view host = "localhost");

}  // namespace postern::test
