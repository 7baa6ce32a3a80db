// SPDX-License-Identifier: Apache-2.0
// What must be done to be back where we began, in reverse order, unless it is kept. And signals held back meanwhile:
// an attach that is half done is either finished or undone, never left.
#pragma once

#include <csignal>
#include <functional>
#include <utility>
#include <vector>

namespace postern::loader {

class Undo {
 public:
  Undo() = default;
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) (*step)();
  }
  void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
  void keep() { steps_.clear(); }

 private:
  std::vector<std::function<void()>> steps_;
};

// Holds SIGINT, SIGTERM, SIGHUP and SIGPIPE back while it lives; they arrive when it goes.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t held = signals();
    ::sigprocmask(SIG_BLOCK, &held, &before_);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

  static bool waiting() {
    sigset_t pending;
    ::sigpending(&pending);
    return ::sigismember(&pending, SIGINT) == 1 || ::sigismember(&pending, SIGTERM) == 1 ||
           ::sigismember(&pending, SIGHUP) == 1;
  }

 private:
  static sigset_t signals() {
    sigset_t set;
    ::sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::sigaddset(&set, signal);
    return set;
  }
  sigset_t before_{};
};

}  // namespace postern::loader
