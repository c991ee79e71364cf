#include "server/files/open_file.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

namespace watchkeeper::server {
namespace {

// A pipe without a writer must not hold up the thread.
constexpr int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

file_descriptor folder_of(const std::string& path) noexcept {
  return file_descriptor(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

opened_file looked_at(file_descriptor descriptor) noexcept {
  opened_file found;
  struct stat about {};
  if (!descriptor.is_open() || ::fstat(descriptor.get(), &about) != 0) {
    if (errno == EMFILE || errno == ENFILE) found.what = opened_file::kind::too_many;
    return found;
  }
  if (S_ISDIR(about.st_mode)) found.what = opened_file::kind::folder;
  if (!S_ISREG(about.st_mode)) return found;
  found.what = opened_file::kind::file;
  found.descriptor = std::move(descriptor);
  found.size = static_cast<std::uint64_t>(about.st_size);
  found.changed_ns = std::int64_t{about.st_mtim.tv_sec} * 1'000'000'000 + about.st_mtim.tv_nsec;
  found.inode = about.st_ino;
  return found;
}

}  // namespace

file_descriptor::~file_descriptor() {
  if (number_ >= 0) ::close(number_);
}

file_descriptor& file_descriptor::operator=(file_descriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) ::close(number_);
    number_ = other.release();
  }
  return *this;
}

int file_descriptor::release() noexcept {
  return std::exchange(number_, -1);
}

opened_file open_below(const std::string& folder, const std::string& relative) noexcept {
  const auto top = folder_of(folder);
  if (!top.is_open()) return looked_at(file_descriptor());
  open_how how{};
  how.flags = flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const auto* path = relative.empty() ? "." : relative.c_str();
  const auto number = ::syscall(SYS_openat2, top.get(), path, &how, sizeof how);
  // A kernel before 5.6, or a sandbox that does not know the call.
  if (number < 0 && (errno == ENOSYS || errno == EPERM))
    return open_below_without_links(folder, relative);
  return looked_at(file_descriptor(static_cast<int>(number)));
}

opened_file open_below_without_links(const std::string& folder,
                                     const std::string& relative) noexcept {
  auto at = folder_of(folder);
  std::string_view rest = relative;
  while (at.is_open() && !rest.empty()) {
    const auto slash = rest.find('/');
    const bool last = slash == std::string_view::npos || slash + 1 == rest.size();
    char name[256];
    const auto segment = rest.substr(0, slash);
    if (segment.empty() || segment == "." || segment == ".." || segment.size() >= sizeof name)
      return {};
    segment.copy(name, segment.size());
    name[segment.size()] = '\0';
    const bool wants_folder = slash != std::string_view::npos;
    at = file_descriptor(::openat(
        at.get(), name,
        (last ? flags : O_PATH | O_CLOEXEC) | O_NOFOLLOW | (wants_folder ? O_DIRECTORY : 0)));
    rest = last ? std::string_view{} : rest.substr(slash + 1);
  }
  return looked_at(std::move(at));
}

}  // namespace watchkeeper::server
