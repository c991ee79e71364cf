#include "base/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

namespace watchkeeper {
namespace {

class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

bool write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const auto written = ::write(file, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = ENOSPC;
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  return true;
}

/// The step that makes it visible, for the name it has until then; 0, or -1 with errno.
using placing = std::function<int(const char* temporary)>;

result<ok_t, std::string> write_beside(const std::string& path, const std::string& text,
                                       mode_t mode, const struct stat* like, const placing& place) {
  const auto temporary = fmt::format("{}.{}.new", path, getpid());
  const auto failed = [&] {
    const int why = errno;
    ::unlink(temporary.c_str());
    return fmt::format("cannot write {}: {}", path, std::strerror(why));
  };
  ::unlink(temporary.c_str());  // of a crashed process that had the same id
  descriptor file(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (file.get() < 0) return failed();
  if (like != nullptr) {
    const bool owner_differs = like->st_uid != ::geteuid() || like->st_gid != ::getegid();
    if (owner_differs && ::fchown(file.get(), like->st_uid, like->st_gid) != 0) return failed();
    if (::fchmod(file.get(), like->st_mode & 07777) != 0) return failed();
  }
  if (!write_all(file.get(), text) || ::fsync(file.get()) != 0 || !file.close() ||
      place(temporary.c_str()) != 0)
    return failed();
  return ok;
}

}  // namespace

result<ok_t, std::string> write_whole(const std::string& path, const std::string& text,
                                      mode_t mode) {
  return write_beside(path, text, mode, nullptr,
                      [&](const char* made) { return ::rename(made, path.c_str()); });
}

result<ok_t, std::string> rewrite_whole(const std::string& path, const std::string& text) {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0)
    return fmt::format("cannot write {}: {}", path, std::strerror(errno));
  return write_beside(path, text, 0600, &there,
                      [&](const char* made) { return ::rename(made, path.c_str()); });
}

result<ok_t, std::string> create_whole(const std::string& path, const std::string& text,
                                       mode_t mode) {
  return write_beside(path, text, mode, nullptr, [&](const char* made) {
    if (::link(made, path.c_str()) != 0) return -1;  // unlike rename, not over another
    return ::unlink(made);
  });
}

result<file_content, std::string> read_whole(const std::string& path, std::size_t bytes_max) {
  const auto failed = [&](const char* why) { return fmt::format("cannot read {}: {}", path, why); };
  // Not blocked by a pipe that has no writer.
  const descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about {};
  if (file.get() < 0 || ::fstat(file.get(), &about) != 0) return failed(std::strerror(errno));
  if (!S_ISREG(about.st_mode)) return failed("it is not a file");
  file_content found;
  found.mode = about.st_mode & 07777;
  // Not the most that it may be: that would be memory, and time, for nothing. It may grow
  // meanwhile.
  const auto expected = static_cast<std::size_t>(about.st_size) + 1;
  found.text.resize(std::min(expected, bytes_max + 1));
  std::size_t size = 0;
  while (size <= bytes_max) {
    if (size == found.text.size()) found.text.resize(std::min(2 * size, bytes_max + 1));
    const auto got = ::read(file.get(), found.text.data() + size, found.text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > bytes_max) return failed("it is too large for what it should be");
  found.text.resize(size);
  return found;
}

}  // namespace watchkeeper
