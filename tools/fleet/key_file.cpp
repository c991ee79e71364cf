#include "tools/fleet/key_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include "crypto/digest.hpp"
#include "tools/fleet/limits.hpp"

namespace watchkeeper::fleet {
namespace {

constexpr std::string_view first_line = "watchkeeper-fleet-keys 1";

std::optional<sdk::software_key::secret> parse_secret(std::string_view text) {
  sdk::software_key::secret out;
  if (text.size() != out.size() * 2) return std::nullopt;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto* digits = text.data() + 2 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, out[i], 16);
    if (error != std::errc{} || end != digits + 2) return std::nullopt;
  }
  return out;
}

}  // namespace

result<std::vector<fleet_device>, std::string> load_keys(const std::string& path) {
  std::ifstream file{path};
  if (!file) return fmt::format("the key file '{}' cannot be read: {}", path, std::strerror(errno));
  std::string line;
  if (!std::getline(file, line) || line != first_line)
    return fmt::format("'{}' is not a key file of a fleet: its first line must be '{}'", path,
                       first_line);
  std::vector<fleet_device> devices;
  for (std::size_t number = 2; std::getline(file, line); ++number) {
    const auto space = line.find(' ');
    const auto student = student_id::parse(std::string_view{line}.substr(0, space));
    const auto secret =
        space == line.npos ? std::nullopt : parse_secret(std::string_view{line}.substr(space + 1));
    auto key = secret ? sdk::software_key::from_secret(*secret) : std::nullopt;
    if (!student || !key)
      return fmt::format("{}:{}: not a device: '<student> <64 hexadecimal digits>' is expected",
                         path, number);
    if (devices.size() == fleet_limits::devices_max)
      return fmt::format("{}: more than {} devices", path, fleet_limits::devices_max);
    devices.push_back({std::move(*key), *student});
  }
  return devices;
}

result<ok_t, std::string> save_keys(const std::string& path,
                                    const std::vector<fleet_device>& devices) {
  const auto part = path + ".part";
  const auto failure = [&] {
    const int error = errno;
    unlink(part.c_str());
    return fmt::format("the key file '{}' cannot be written: {}", path, std::strerror(error));
  };
  unlink(part.c_str());
  const int descriptor = open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return failure();
  auto text = fmt::format("{}\n", first_line);
  for (const auto& device : devices)
    text += fmt::format("{} {}\n", device.student.view(), crypto::hex(device.key.private_scalar()));
  std::FILE* file = fdopen(descriptor, "w");
  const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (std::fclose(file) != 0 || !written || std::rename(part.c_str(), path.c_str()) != 0)
    return failure();
  return ok;
}

}  // namespace watchkeeper::fleet
