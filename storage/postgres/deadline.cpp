#include "storage/postgres/deadline.hpp"

#include <pthread.h>
#include <sys/socket.h>

namespace watchkeeper::storage::postgres {

call_deadline::~call_deadline() {
  {
    const mutex_lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void call_deadline::arm(int socket, std::chrono::milliseconds limit) {
  const mutex_lock lock(mutex_);
  due_ = std::chrono::steady_clock::now() + limit;
  socket_ = socket;
  fired_ = false;
  if (!thread_.joinable())
    thread_ = std::thread([this] {
      ::pthread_setname_np(::pthread_self(), "wk-deadline");
      watch();
    });
}

bool call_deadline::disarm() noexcept {
  const mutex_lock lock(mutex_);
  due_.reset();
  socket_ = -1;
  return fired_;
}

void call_deadline::watch() {
  // Sleeping in steps of this length, instead of being woken by every call, costs a call nothing; a
  // deadline is kept to within one step.
  constexpr std::chrono::milliseconds step{500};
  mutex_lock lock(mutex_);
  while (!ending_) {
    if (due_ && std::chrono::steady_clock::now() >= *due_) {
      ::shutdown(socket_, SHUT_RDWR);
      fired_ = true;
      due_.reset();
    }
    changed_.wait_for(lock.native(), step, [this]() REQUIRES(mutex_) { return ending_; });
  }
}

}  // namespace watchkeeper::storage::postgres
