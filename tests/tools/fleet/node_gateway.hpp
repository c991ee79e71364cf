#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tools/fleet/fleet.hpp"

namespace watchkeeper::fleet::testing {

/// A directory of the test's own; removed at the end.
class temporary_directory {
 public:
  temporary_directory();
  ~temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

enum class transport : std::uint8_t { tls, cleartext };

/// fake-gateway.mjs as a process of its own, on a free port. Ended by its process id, also when a
/// check fails.
class node_gateway {
 public:
  explicit node_gateway(transport kind, nlohmann::json settings = nlohmann::json::object());
  ~node_gateway();
  node_gateway(const node_gateway&) = delete;
  node_gateway& operator=(const node_gateway&) = delete;

  void start();  // again, after `stop`: on the same port, with what it knew
  void stop();
  [[nodiscard]] std::string url() const;
  [[nodiscard]] std::string ca() const { return directory_.file("cert.pem"); }
  [[nodiscard]] const temporary_directory& directory() const { return directory_; }
  /// What it has seen so far.
  [[nodiscard]] nlohmann::json counts() const;
  /// Its devices and modules when it was stopped.
  [[nodiscard]] nlohmann::json state() const;
  /// Options of a small fleet against it.
  [[nodiscard]] fleet_options options() const;

 private:
  temporary_directory directory_;
  nlohmann::json settings_;
  transport kind_;
  pid_t process_ = -1;
};

struct fleet_run {
  int exit_code = -1;
  nlohmann::json summary;
};
/// run_fleet in this process with its standard output caught.
fleet_run run_and_read(fleet_options options);
/// Runs `action` with standard output (1) or standard error (2) sent to a file, whose text comes
/// back.
std::string caught_output(int descriptor, const std::function<void()>& action);
/// One parsed object a line.
std::vector<nlohmann::json> read_json_lines(const std::string& path);
std::string read_whole(const std::string& path);

}  // namespace watchkeeper::fleet::testing
