#include "base/file_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace watchkeeper {
namespace {

/// The process that wrote its id into the file, as far as that can be said.
std::string holder_of(int file) {
  std::array<char, 16> text;
  const auto size = ::pread(file, text.data(), text.size(), 0);
  std::string_view id(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  id = id.substr(0, id.find('\n'));
  if (id.empty() || id.find_first_not_of("0123456789") != std::string_view::npos)
    return "another process";
  return fmt::format("process {}", id);
}

}  // namespace

result<file_lock, file_lock::failure> file_lock::take(const std::string& path) {
  const auto failed = [&] {
    return failure{fmt::format("cannot lock {}: {}", path, std::strerror(errno)), false};
  };
  file_lock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (lock.descriptor_ < 0) return failed();
  if (::flock(lock.descriptor_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed();
    return failure{fmt::format("{} is locked by {}", path, holder_of(lock.descriptor_)), true};
  }
  const auto id = fmt::format("{}\n", ::getpid());
  if (::ftruncate(lock.descriptor_, 0) != 0 ||
      ::pwrite(lock.descriptor_, id.data(), id.size(), 0) != static_cast<ssize_t>(id.size()))
    return failed();
  return lock;
}

file_lock::file_lock(file_lock&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

file_lock::~file_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace watchkeeper
