// SPDX-License-Identifier: Apache-2.0
// Mounting, loading and pinning, by libbpf alone.
#include "tests/support/pinned_gate.hpp"

#include <bpf/libbpf.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>

#include "tests/support/gate_objects.hpp"

namespace postern::test {

namespace fs = std::filesystem;

namespace {

void own_mount_namespace() {
  static const bool done =
      ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (done) return;
  const char* ci = std::getenv("CI");
  const bool fail = ci && std::string(ci) == "true";
  std::fprintf(stderr, "%s: maps and mounts need root\n", fail ? "failed" : "skipped");
  std::exit(fail ? 1 : 77);
}

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("pinned gate: " + what);
}

struct Close {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

}  // namespace

PinnedGate::PinnedGate(const std::map<std::string, std::uint32_t>& sizes) : sizes_(sizes) {
  own_mount_namespace();
  fs::permissions(run_dir(), fs::perms(0755));
  fs::create_directories(bpffs());
  if (::mount("bpf", bpffs().c_str(), "bpf", 0, "mode=0750") != 0) fail("mount a bpffs");
  if (::chown(bpffs().c_str(), 0, ordinary_user) != 0) fail("chown the bpffs");
  load();
}

PinnedGate::~PinnedGate() {
  ::umount2(bpffs().c_str(), MNT_DETACH);
}

fs::path PinnedGate::maps_folder() const {
  return loader::map_folder(bpffs());
}

void PinnedGate::load() {
  fs::create_directory(maps_folder());
  if (::chown(maps_folder().c_str(), 0, ordinary_user) != 0 || ::chmod(maps_folder().c_str(), 0750) != 0)
    fail("chown the maps' folder");
  const ObjectBytes bytes = gate_objects()[0];
  const std::unique_ptr<bpf_object, Close> object(bpf_object__open_mem(bytes.bytes, bytes.size, nullptr));
  if (!object) fail("open the object");
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, object.get()) bpf_program__set_autoload(program, false);
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object.get()) {
    if (bpf_map__is_internal(map)) continue;
    const std::string name = bpf_map__name(map);
    bpf_map__set_pin_path(map, (maps_folder() / name).c_str());
    if (const auto size = sizes_.find(name); size != sizes_.end()) bpf_map__set_max_entries(map, size->second);
  }
  if (bpf_object__load(object.get()) != 0) fail("load the maps");
  gate_config config{};
  config.abi = GATE_ABI;
  if (!open().config.update(0, config)) fail("configure the gate");
  for (const auto& pin : fs::directory_iterator(maps_folder()))
    if (::chown(pin.path().c_str(), 0, ordinary_user) != 0 || ::chmod(pin.path().c_str(), 0660) != 0)
      fail("chown the pins");
}

void PinnedGate::unpin() {
  fs::remove_all(maps_folder());
}

void PinnedGate::load_anew() {
  unpin();
  load();
}

loader::MapSet PinnedGate::open() const {
  auto maps = loader::MapSet::open(bpffs());
  if (!maps) fail(maps.error().sentence);
  return *std::move(maps);
}

int as_ordinary_user(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(ordinary_user, ordinary_user, ordinary_user) != 0 ||
        ::setresuid(ordinary_user, ordinary_user, ordinary_user) != 0)
      ::_exit(98);
    try {
      ::_exit(body());
    } catch (const std::exception& failure) {
      std::fprintf(stderr, "%s\n", failure.what());
      ::_exit(99);
    }
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace postern::test
