#include "tools/fleet/uri_file.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace watchkeeper::fleet {

std::string write_uri_file(const std::string& path, std::vector<player>& players,
                           unsigned heartbeats_per_device, const playing_rules& rules,
                           wall_ms now_ms, player::random& source,
                           const std::function<void(std::size_t, std::size_t)>& progress) {
  const auto failure = [&] {
    return fmt::format("the URI file '{}' cannot be written: {}", path, std::strerror(errno));
  };
  struct closer {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, closer> file{std::fopen(path.c_str(), "w")};
  if (!file) return failure();
  const auto whole = players.size() * heartbeats_per_device;
  std::size_t done = 0;
  for (unsigned n = 0; n < heartbeats_per_device; ++n)
    for (auto& each : players) {
      const auto line = "/v1/heartbeats?token=" + each.play(rules, now_ms, source).token + "\n";
      if (std::fwrite(line.data(), 1, line.size(), file.get()) != line.size()) return failure();
      if (++done % 256 == 0) progress(done, whole);
    }
  if (std::fclose(file.release()) != 0) return failure();
  return {};
}

}  // namespace watchkeeper::fleet
