// SPDX-License-Identifier: Apache-2.0
// Folders, bpffs and lock of an instance, see instance.hpp.
#include "loader/instance.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <thread>

#include "loader/map_set.hpp"
#include "loader/undo.hpp"

namespace postern::loader {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::milliseconds longest_wait{30'000}, wait_step{50};  // for another loader

// bpffs refuses names with a dot; interface names may have one (eth0.100).
std::string pin_name(const std::string& interface) {
  std::string name;
  for (const char c : interface) name += c == '.' ? "%2e" : c == '%' ? "%25" : std::string(1, c);
  return name;
}

bool same_file(const struct stat& one, const struct stat& other) {
  return one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

// Never through a symbolic link: the group may write in the instance's folder, and what it puts there in our place
// must not make root give away, or mount over, some other folder. Once it is root's, the sticky bit keeps it there.
LoaderResult<bool> make_folder(const fs::path& path, mode_t mode, gid_t group) {
  const bool made = ::mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return system_error("make the folder " + path.string(), errno);
  const Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder.valid() && (errno == ENOTDIR || errno == ELOOP))
    return LoaderError{path.string() + " is no folder, and the gate needs one there: remove it, then try again", ENOTDIR};
  if (!folder.valid()) return system_error("open the folder " + path.string(), errno);
  if (::fchown(folder.get(), 0, group) != 0) return system_error("give " + path.string() + " to the group", errno);
  if (::fchmod(folder.get(), mode) != 0) return system_error("set the mode of " + path.string(), errno);
  struct stat ours {
  }, there{};
  if (::fstat(folder.get(), &ours) != 0 || ::lstat(path.c_str(), &there) != 0 || !same_file(ours, there))
    return LoaderError{path.string() + " was exchanged by somebody meanwhile: try again", EBUSY};
  return made;
}

// Whoever can write there could put a gate of their own in the place of ours.
LoaderResult<void> check_run_dir(const fs::path& path) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return system_error("look at the folder " + path.string(), errno);
  if (!S_ISDIR(found.st_mode)) return LoaderError{path.string() + " is no folder: name another with --run-dir", ENOTDIR};
  if (found.st_uid == 0 && (found.st_mode & 022) == 0) return {};
  return LoaderError{"others than root may write in " + path.string() + ", so the gate would not be safe there: `chown root " +
                         path.string() + " && chmod go-w " + path.string() + "`, or name another with --run-dir",
                     EPERM};
}

LoaderResult<void> mount_bpffs(const Instance& instance, gid_t group, Made& made) {
  const fs::path path = instance.bpffs();
  if (auto folder = make_folder(path, 0750, group); !folder) return folder.error();
  if (!bpffs_is_mounted(instance)) {
    if (::mount("postern", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0750") != 0) {
      LoaderError error = system_error("mount a bpffs at " + path.string(), errno);
      if (error.errno_value == ENODEV) error.sentence += "; this kernel has no BPF file system (CONFIG_BPF_SYSCALL)";
      if (error.errno_value == EPERM) error.sentence += "; run postern-loader as root";
      return error;
    }
    made.mount = true;
    if (auto root = make_folder(path, 0750, group); !root) return root.error();
  }
  return {};
}

// Removes what is pinned below a bpffs folder, then the folder.
void remove_pins(const fs::path& folder) {
  std::error_code ignored;
  fs::remove_all(folder, ignored);
}

}  // namespace

fs::path Instance::maps() const {
  return map_folder(bpffs());
}
fs::path Instance::explain() const {
  return maps() / "explain";
}
fs::path Instance::ingress_link(const std::string& interface) const {
  return links() / ("xdp-" + pin_name(interface));
}

LoaderResult<void> check_instance_name(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (name.empty() || name.size() > 32 || !plain)
    return LoaderError{"\"" + name + "\" is no instance name: 1 to 32 letters, digits, '-' and '_'", EINVAL};
  return {};
}

LoaderResult<gid_t> find_group(const std::string& text) {
  gid_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault == std::errc() && end == text.data() + text.size()) return number;
  const group* entry = ::getgrnam(text.c_str());  // NOLINT: one thread
  if (!entry)
    return LoaderError{
        "there is no group \"" + text + "\": make it (`groupadd --system " + text + "`) or name another with --group",
        ENOENT};
  return entry->gr_gid;
}

LoaderResult<InstanceLock> InstanceLock::take(const Instance& instance) {
  // The holder before us may have removed the folder we wait on: then look again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    InstanceLock lock;
    lock.folder_ = Fd(::open(instance.folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!lock.folder_.valid()) return system_error("open " + instance.folder().string(), errno);
    for (auto left = longest_wait; ::flock(lock.folder_.get(), LOCK_EX | LOCK_NB) != 0; left -= wait_step) {
      if (errno != EWOULDBLOCK) return system_error("lock " + instance.folder().string(), errno);
      if (SignalsHeld::waiting()) return LoaderError{"interrupted: nothing was changed", EINTR};
      if (left <= left.zero())
        return LoaderError{"another postern-loader has been at work on the gate \"" + instance.name + "\" for " +
                               std::to_string(longest_wait / std::chrono::seconds(1)) + " s: nothing was changed; `fuser " +
                               instance.folder().string() + "` shows it, end it and try again",
                           EBUSY};
      std::this_thread::sleep_for(wait_step);
    }
    struct stat held {
    }, now{};
    if (::fstat(lock.folder_.get(), &held) == 0 && ::stat(instance.folder().c_str(), &now) == 0 && same_file(held, now))
      return lock;
  }
  return LoaderError{"lock " + instance.folder().string() + ": it is removed and made again all the time", EBUSY};
}

LoaderResult<InstanceLock> prepare_instance(const Instance& instance, gid_t group, Made& made) {
  std::error_code fault;
  if (!fs::exists(instance.run_dir, fault)) {
    fs::create_directories(instance.run_dir, fault);
    if (fault) return system_error("make the folder " + instance.run_dir.string(), fault.value());
    made.run_dir = true;
  }
  if (auto safe = check_run_dir(instance.run_dir); !safe) return safe.error();
  auto folder = make_folder(instance.folder(), 01771, group);
  if (!folder) return folder.error();
  made.folder = *folder;
  auto lock = InstanceLock::take(instance);
  if (!lock) return lock.error();
  if (auto mounted = mount_bpffs(instance, group, made); !mounted) return mounted.error();
  return lock;
}

LoaderResult<void> prepare_pins(const Instance& instance, gid_t group, Made& made) {
  auto maps = make_folder(instance.maps(), 0750, group);
  if (!maps) return maps.error();
  made.maps = *maps;
  if (auto links = make_folder(instance.links(), 0700, 0); !links) return links.error();
  return {};
}

LoaderResult<void> give_pins_to_group(const Instance& instance, gid_t group) {
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(instance.maps(), fault)) {
    if (::chown(entry.path().c_str(), 0, group) != 0 || ::chmod(entry.path().c_str(), 0660) != 0)
      return system_error("give the pin " + entry.path().string() + " to the group", errno);
  }
  if (fault) return system_error("list " + instance.maps().string(), fault.value());
  return {};
}

bool bpffs_is_mounted(const Instance& instance) {
  // Not through a symbolic link, which may lead to the bpffs of another gate.
  const Fd folder(::open(instance.bpffs().c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct statfs found {};
  return folder.valid() && ::fstatfs(folder.get(), &found) == 0 && static_cast<std::uint64_t>(found.f_type) == BPF_FS_MAGIC;
}

std::vector<std::uint32_t> abis_present(const Instance& instance) {
  std::vector<std::uint32_t> numbers;
  std::error_code ignored;
  if (!bpffs_is_mounted(instance)) return numbers;
  for (const auto& entry : fs::directory_iterator(instance.bpffs(), ignored)) {
    const std::string name = entry.path().filename();
    std::uint32_t number = 0;
    if (name.size() < 2 || name[0] != 'v') continue;
    const auto [end, fault] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
    if (fault == std::errc() && end == name.data() + name.size()) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

LoaderResult<void> remove_instance(const Instance& instance, bool remove_run_dir) {
  std::error_code ignored;
  if (bpffs_is_mounted(instance)) {
    remove_pins(instance.links());
    remove_pins(instance.maps());
    // Somebody may stand in it (a shell): then it goes from sight now and for good when they leave.
    if (::umount2(instance.bpffs().c_str(), UMOUNT_NOFOLLOW) != 0 &&
        ::umount2(instance.bpffs().c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0)
      return system_error("unmount " + instance.bpffs().string(), errno);
  }
  fs::remove(instance.bpffs(), ignored);
  fs::remove(instance.folder(), ignored);  // stays while the daemon's socket is in it
  if (remove_run_dir) fs::remove(instance.run_dir, ignored);
  return {};
}

}  // namespace postern::loader
