// SPDX-License-Identifier: Apache-2.0
// Counts what the core does to the outside world (each store commit, each read and each single step of the maps) and
// blows at the n-th: an error, errors from then on, or the process dying before or after it.
#pragma once

namespace postern::tests {

struct Crash {};  // thrown through the core: the gatekeeper is thrown away afterwards, as by kill -9

class Fuse {
 public:
  enum class Blow { once, from_then_on, crash_before, crash_after };

  void arm(int at, Blow how) { left_ = at, how_ = how, armed_ = true, blown_ = false; }
  void disarm() { armed_ = false; }
  bool blown() const { return blown_; }
  int effects() const { return effects_; }

  // True: the effect must fail and have no effect.
  bool fails() {
    ++effects_;
    if (!armed_) return false;
    --left_;
    if (left_ > 0) return false;
    if (left_ < 0) return blown_ && how_ == Blow::from_then_on;
    blown_ = true;
    if (how_ == Blow::crash_before) throw Crash{};
    return how_ != Blow::crash_after;
  }
  // To be called when the effect has been had.
  void done() {
    if (armed_ && left_ == 0 && how_ == Blow::crash_after) throw Crash{};
  }

 private:
  int left_ = 0, effects_ = 0;
  Blow how_ = Blow::once;
  bool armed_ = false, blown_ = false;
};

}  // namespace postern::tests
