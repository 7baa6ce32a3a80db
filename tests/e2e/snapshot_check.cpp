// SPDX-License-Identifier: Apache-2.0
// For tests of the boot snapshot: reads it with each byte damaged in turn (every bit once), cut off before each byte, with
// a right checksum over what no loader may believe, and with something in its place that is no file. Exit code 0 if it is
// believed only when it is whole.   snapshot_check FILE
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "loader/boot_snapshot.hpp"

namespace {

using namespace postern::loader;
namespace fs = std::filesystem;

int wrong = 0;

void expect(bool right, const std::string& sentence) {
  if (right) return;
  std::fprintf(stderr, "wrong: %s\n", sentence.c_str());
  ++wrong;
}

void write(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

bool believed(const fs::path& path, const std::string& content) {
  write(path, content);
  const auto found = read_snapshot(path);
  return found && *found;
}

// As somebody writes it who may write in the daemon's folder: changed, and the checksum right.
std::string forged(std::string content, const std::function<void(SnapshotHeader&, SnapshotRecord&)>& change) {
  SnapshotHeader header;
  SnapshotRecord first;
  std::memcpy(&header, content.data(), sizeof header);
  std::memcpy(static_cast<void*>(&first), content.data() + sizeof header, sizeof first);
  change(header, first);
  header.checksum = 0;
  std::memcpy(content.data(), &header, sizeof header);
  std::memcpy(content.data() + sizeof header, &first, sizeof first);
  std::uint64_t sum = 0xcbf29ce484222325;
  for (const char byte : content) sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  header.checksum = sum;
  std::memcpy(content.data(), &header, sizeof header);
  return content;
}

void check_damage(const fs::path& copy, const std::string& good) {
  expect(believed(copy, good), "the whole file is not believed");
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    expect(!believed(copy, bad), "believed with byte " + std::to_string(at) + " damaged");
    expect(!believed(copy, good.substr(0, at)), "believed when cut off before byte " + std::to_string(at));
  }
  expect(!believed(copy, good + "x"), "believed with a byte too many");
}

void check_forgeries(const fs::path& copy, const std::string& good) {
  const auto refused = [&](const char* what, const std::function<void(SnapshotHeader&, SnapshotRecord&)>& change) {
    expect(!believed(copy, forged(good, change)), std::string("believed: ") + what);
  };
  expect(believed(copy, forged(good, [](SnapshotHeader&, SnapshotRecord&) {})), "the forger's checksum is not right");
  refused("another ABI", [](SnapshotHeader& header, SnapshotRecord&) { ++header.abi; });
  const auto found = read_snapshot(copy);
  expect(!found && !found.error().sentence.empty() && found.error().errno_value == EBADMSG, "another ABI has another code");
  refused("another version", [](SnapshotHeader& header, SnapshotRecord&) { ++header.version; });
  refused("more records than there are", [](SnapshotHeader& header, SnapshotRecord&) { header.records = 0xffffffff; });
  refused("no service's id", [](SnapshotHeader&, SnapshotRecord& record) { record.id = 0; });
  refused("an unknown kind", [](SnapshotHeader&, SnapshotRecord& record) { record.kind = SnapshotKind{4}; });
  refused("unknown flags", [](SnapshotHeader&, SnapshotRecord& record) { record.flags |= 0x80; });
  refused("no address family", [](SnapshotHeader&, SnapshotRecord& record) { record.key.family = 5; });
  refused("a prefix too long", [](SnapshotHeader&, SnapshotRecord& record) { record.key.length_bits = 32 + 129; });
  refused("a prefix too short", [](SnapshotHeader&, SnapshotRecord& record) { record.key.length_bits = 31; });
  refused("a protocol without ports", [](SnapshotHeader&, SnapshotRecord& record) { record.key.protocol = 47; });
}

// Root must not hang on it, follow it, or be made to take much memory.
void check_other_things(const fs::path& copy, const std::string& good) {
  const auto refused = [&](const char* what, const std::function<bool()>& make) {
    fs::remove_all(copy);
    expect(make(), std::string("cannot make ") + what);
    const auto found = read_snapshot(copy);
    expect(!found && found.error().errno_value == EBADMSG, std::string("believed, or not noticed: ") + what);
  };
  const fs::path target = copy.string() + ".target";
  write(target, good);
  refused("a symbolic link", [&] { return ::symlink(target.c_str(), copy.c_str()) == 0; });
  refused("a dangling one", [&] { return ::symlink("/nowhere/at/all", copy.c_str()) == 0; });
  refused("a named pipe", [&] { return ::mkfifo(copy.c_str(), 0600) == 0; });
  refused("a folder", [&] { return ::mkdir(copy.c_str(), 0700) == 0; });
  refused("a device", [&] { return ::symlink("/dev/zero", copy.c_str()) == 0; });
  refused("a socket", [&] {
    sockaddr_un name{AF_UNIX, {}};
    std::strncpy(name.sun_path, copy.c_str(), sizeof name.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
    ::close(fd);
    return bound;
  });
  refused("an endless file", [&] {
    write(copy, good);
    return ::truncate(copy.c_str(), off_t{1} << 40) == 0;
  });
  fs::remove_all(copy);
  fs::remove(target);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ifstream file(argv[1], std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(file), {});
  if (good.size() < sizeof(SnapshotHeader) + sizeof(SnapshotRecord)) return 2;
  const fs::path copy = std::string(argv[1]) + ".copy";
  check_damage(copy, good);
  check_forgeries(copy, good);
  check_other_things(copy, good);
  return wrong == 0 ? 0 : 1;
}
