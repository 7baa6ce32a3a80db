// SPDX-License-Identifier: Apache-2.0
// Records as JSON files, see attach_record.hpp.
#include "loader/attach_record.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>

namespace postern::loader {
namespace fs = std::filesystem;
using nlohmann::json;
namespace {

constexpr std::string_view attach_prefix = "attach-";
constexpr std::string_view suffix = ".json";

fs::path attach_path(const Instance& instance, const std::string& interface) {
  return instance.folder() / (std::string(attach_prefix) + interface + std::string(suffix));
}
fs::path instance_path(const Instance& instance) {
  return instance.folder() / "instance.json";
}

LoaderResult<void> write_file(const fs::path& path, const json& content, gid_t group) {
  const fs::path fresh = path.string() + ".new";
  ::unlink(fresh.c_str());
  const Fd file(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  const std::string text = content.dump(2) + "\n";
  if (!file.valid() || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::fchown(file.get(), 0, group) != 0 || ::fchmod(file.get(), 0640) != 0 ||
      ::rename(fresh.c_str(), path.c_str()) != 0) {
    const int why = errno;
    ::unlink(fresh.c_str());
    return system_error("write the record " + path.string(), why);
  }
  return {};
}

// An object, or nothing: missing, not root's, or not what we write.
std::optional<json> read_file(const fs::path& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat found {};
  if (!file.valid() || ::fstat(file.get(), &found) != 0 || found.st_uid != 0 || !S_ISREG(found.st_mode)) return {};
  std::string text;
  std::array<char, 4096> part{};
  for (ssize_t got = 0; (got = ::read(file.get(), part.data(), part.size())) > 0 && text.size() < 65536;)
    text.append(part.data(), static_cast<std::size_t>(got));
  json content = json::parse(text, nullptr, false);
  if (!content.is_object()) return {};
  return content;
}

template <class T>
T field(const json& content, const char* name, T otherwise) {
  const auto found = content.find(name);
  if (found == content.end()) return otherwise;
  try {
    return found->get<T>();
  } catch (const json::exception&) {
    return otherwise;
  }
}

}  // namespace

const char* to_string(Mode mode) {
  return mode == Mode::native ? "native" : "generic";
}
const char* to_string(Way way) {
  return way == Way::dispatcher ? "dispatcher" : "link";
}

LoaderResult<void> write_record(const Instance& instance, const AttachRecord& record, gid_t group) {
  return write_file(attach_path(instance, record.interface),
                    json{{"interface", record.interface},
                         {"index", record.index},
                         {"networkNamespace", record.network_namespace},
                         {"mode", to_string(record.mode)},
                         {"way", to_string(record.way)},
                         {"clsactOurs", record.clsact_ours},
                         {"ingressProgram", record.ingress_program},
                         {"egressProgram", record.egress_program}},
                    group);
}

LoaderResult<void> write_record(const Instance& instance, const InstanceRecord& record) {
  return write_file(instance_path(instance),
                    json{{"abi", record.abi},
                         {"group", record.group},
                         {"runDirOurs", record.run_dir_ours},
                         {"untilConfirmed", record.until_confirmed}},
                    record.group);
}

std::optional<AttachRecord> read_attach_record(const Instance& instance, const std::string& interface) {
  const auto content = read_file(attach_path(instance, interface));
  if (!content) return {};
  AttachRecord record;
  record.interface = interface;
  record.index = field(*content, "index", 0);
  record.network_namespace = field<std::uint64_t>(*content, "networkNamespace", 0);
  record.mode = field<std::string>(*content, "mode", "native") == "generic" ? Mode::generic : Mode::native;
  record.way = field<std::string>(*content, "way", "link") == "dispatcher" ? Way::dispatcher : Way::link;
  record.clsact_ours = field(*content, "clsactOurs", false);
  record.ingress_program = field<std::uint32_t>(*content, "ingressProgram", 0);
  record.egress_program = field<std::uint32_t>(*content, "egressProgram", 0);
  return record;
}

std::optional<InstanceRecord> read_instance_record(const Instance& instance) {
  const auto content = read_file(instance_path(instance));
  if (!content) return {};
  InstanceRecord record;
  record.abi = field<std::uint32_t>(*content, "abi", 0);
  record.group = field<gid_t>(*content, "group", 0);
  record.run_dir_ours = field(*content, "runDirOurs", false);
  record.until_confirmed = field<std::vector<std::string>>(*content, "untilConfirmed", {});
  return record;
}

std::vector<AttachRecord> read_attach_records(const Instance& instance) {
  std::vector<AttachRecord> records;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(instance.folder(), ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(attach_prefix) || !name.ends_with(suffix)) continue;
    const auto length = name.size() - attach_prefix.size() - suffix.size();
    if (auto record = read_attach_record(instance, name.substr(attach_prefix.size(), length)))
      records.push_back(std::move(*record));
  }
  std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) { return a.interface < b.interface; });
  return records;
}

void remove_attach_record(const Instance& instance, const std::string& interface) {
  ::unlink(attach_path(instance, interface).c_str());
}

void remove_instance_record(const Instance& instance) {
  ::unlink(instance_path(instance).c_str());
  // What a loader that was killed had begun to write.
  std::error_code ignored;
  std::vector<fs::path> half_written;
  for (const auto& entry : fs::directory_iterator(instance.folder(), ignored))
    if (entry.path().filename().string().ends_with(".json.new")) half_written.push_back(entry.path());
  for (const fs::path& path : half_written) ::unlink(path.c_str());
}

}  // namespace postern::loader
