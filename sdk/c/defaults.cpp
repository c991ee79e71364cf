#include "sdk/c/defaults.hpp"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {
namespace {

std::int64_t read_ms(clockid_t which) {
  timespec at{};
  clock_gettime(which, &at);
  return std::int64_t{at.tv_sec} * 1000 + at.tv_nsec / 1'000'000;
}

class descriptor {
 public:
  explicit descriptor(int number) noexcept : number_(number) {}
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool good() const noexcept { return number_ >= 0; }

 private:
  int number_;
};

}  // namespace

instant system_clock::now() {
#ifdef CLOCK_BOOTTIME
  constexpr auto steady = CLOCK_BOOTTIME;
#else
  constexpr auto steady = CLOCK_MONOTONIC;
#endif
  return {wall_ms(read_ms(CLOCK_REALTIME)), mono_ms(read_ms(steady))};
}

std::optional<std::string> file_storage::load() {
  const descriptor file{::open(path_.c_str(), O_RDONLY | O_CLOEXEC)};
  if (!file.good())
    return errno == ENOENT ? std::optional<std::string>{std::string{}} : std::nullopt;
  std::string content(sdk_limits::stored_bytes_max, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const auto got = ::read(file.number(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  content.resize(size);
  return content;
}

bool file_storage::save(std::string_view content) {
  const auto part = path_ + ".part";
  {
    const descriptor file{
        ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR)};
    if (!file.good()) return false;
    while (!content.empty()) {
      const auto put = ::write(file.number(), content.data(), content.size());
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return false;
      content.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  return std::rename(part.c_str(), path_.c_str()) == 0;
}

std::uint64_t random_number() {
  std::array<unsigned char, 8> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) std::abort();
  std::uint64_t number;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

std::string make_uuid(std::uint64_t high, std::uint64_t low) {
  std::array<char, 40> text;
  std::snprintf(text.data(), text.size(), "%08x-%04x-4%03x-%04x-%012llx",
                static_cast<unsigned>(high >> 32), static_cast<unsigned>(high >> 16 & 0xffff),
                static_cast<unsigned>(high & 0xfff),
                static_cast<unsigned>(0x8000 | (low >> 48 & 0x3fff)),
                static_cast<unsigned long long>(low & 0xffff'ffff'ffff));
  return text.data();
}

}  // namespace watchkeeper::sdk
