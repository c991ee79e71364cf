#pragma once

#include <mutex>
#include <shared_mutex>

/// Which mutex guards what, in a form that clang checks (-Wthread-safety, which scripts/check-tidy
/// turns into errors). GCC ignores it. A member that a mutex guards has GUARDED_BY(mutex_), and a
/// function whose caller holds the mutex has REQUIRES(mutex_). The types below replace std::mutex
/// and std::lock_guard, which clang does not follow through libstdc++.

#if defined(__clang__)
#define WATCHKEEPER_THREAD_SAFETY(attribute) __attribute__((attribute))
#else
#define WATCHKEEPER_THREAD_SAFETY(attribute)
#endif

/// Of a member: read and written only while the mutex is held.
#define GUARDED_BY(mutex) WATCHKEEPER_THREAD_SAFETY(guarded_by(mutex))
/// Of a function or a lambda: the caller holds the mutex.
#define REQUIRES(...) WATCHKEEPER_THREAD_SAFETY(requires_capability(__VA_ARGS__))
#define REQUIRES_SHARED(...) WATCHKEEPER_THREAD_SAFETY(requires_shared_capability(__VA_ARGS__))
/// Of a function: it takes the mutex itself, so the caller does not hold it.
#define EXCLUDES(...) WATCHKEEPER_THREAD_SAFETY(locks_excluded(__VA_ARGS__))

namespace watchkeeper {

class WATCHKEEPER_THREAD_SAFETY(capability("mutex")) annotated_mutex {
 public:
  void lock() WATCHKEEPER_THREAD_SAFETY(acquire_capability()) { mutex_.lock(); }
  void unlock() WATCHKEEPER_THREAD_SAFETY(release_capability()) { mutex_.unlock(); }

 private:
  friend class mutex_lock;
  std::mutex mutex_;
};

/// Holds a mutex until the end of the scope, except between unlock() and lock().
class WATCHKEEPER_THREAD_SAFETY(scoped_lockable) mutex_lock {
 public:
  explicit mutex_lock(annotated_mutex& mutex) WATCHKEEPER_THREAD_SAFETY(acquire_capability(mutex))
      : lock_(mutex.mutex_) {}
  ~mutex_lock() WATCHKEEPER_THREAD_SAFETY(release_capability()) {}
  mutex_lock(const mutex_lock&) = delete;
  mutex_lock& operator=(const mutex_lock&) = delete;

  void unlock() WATCHKEEPER_THREAD_SAFETY(release_capability()) { lock_.unlock(); }
  void lock() WATCHKEEPER_THREAD_SAFETY(acquire_capability()) { lock_.lock(); }
  /// For a std::condition_variable. Its predicate is a lambda that REQUIRES the mutex.
  [[nodiscard]] std::unique_lock<std::mutex>& native() noexcept { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

class WATCHKEEPER_THREAD_SAFETY(capability("shared_mutex")) annotated_shared_mutex {
 private:
  friend class exclusive_lock;
  friend class shared_lock;
  std::shared_mutex mutex_;
};

/// Holds a shared mutex for itself until the end of the scope.
class WATCHKEEPER_THREAD_SAFETY(scoped_lockable) exclusive_lock {
 public:
  explicit exclusive_lock(annotated_shared_mutex& mutex)
      WATCHKEEPER_THREAD_SAFETY(acquire_capability(mutex))
      : lock_(mutex.mutex_) {}
  ~exclusive_lock() WATCHKEEPER_THREAD_SAFETY(release_capability()) {}
  exclusive_lock(const exclusive_lock&) = delete;
  exclusive_lock& operator=(const exclusive_lock&) = delete;

 private:
  std::unique_lock<std::shared_mutex> lock_;
};

/// Holds a shared mutex together with other readers until the end of the scope.
class WATCHKEEPER_THREAD_SAFETY(scoped_lockable) shared_lock {
 public:
  explicit shared_lock(annotated_shared_mutex& mutex)
      WATCHKEEPER_THREAD_SAFETY(acquire_shared_capability(mutex))
      : lock_(mutex.mutex_) {}
  ~shared_lock() WATCHKEEPER_THREAD_SAFETY(release_generic_capability()) {}
  shared_lock(const shared_lock&) = delete;
  shared_lock& operator=(const shared_lock&) = delete;

 private:
  std::shared_lock<std::shared_mutex> lock_;
};

}  // namespace watchkeeper
