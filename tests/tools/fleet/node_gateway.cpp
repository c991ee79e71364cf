#include "tests/tools/fleet/node_gateway.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "tools/fleet/simple_client.hpp"

extern char** environ;

namespace watchkeeper::fleet::testing {
namespace {

/// Starts a program of the search path; its standard output is `output`, unless that is -1.
pid_t spawn(const std::vector<std::string>& command, int output) {
  std::vector<char*> arguments;
  for (const auto& each : command) arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output >= 0) posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  pid_t process = -1;
  const int failure =
      posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw std::runtime_error("cannot start " + command[0]);
  return process;
}

}  // namespace

temporary_directory::temporary_directory() {
  auto pattern = (std::filesystem::temp_directory_path() / "watchkeeper-fleet-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = pattern;
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

node_gateway::node_gateway(transport kind, nlohmann::json settings)
    : settings_(std::move(settings)), kind_(kind) {
  ::signal(SIGPIPE, SIG_IGN);
  settings_["state_file"] = directory_.file("state.json");
  if (kind == transport::tls) {
    const pid_t made =
        spawn({"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
               "-nodes", "-keyout", directory_.file("key.pem"), "-out", ca(), "-days", "2", "-subj",
               "/CN=fake gateway", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"},
              -1);
    int status = 0;
    waitpid(made, &status, 0);
    BOOST_REQUIRE_EQUAL(status, 0);
    settings_["tls"] = {{"cert", ca()}, {"key", directory_.file("key.pem")}};
  }
  start();
}

node_gateway::~node_gateway() {
  stop();
}

void node_gateway::start() {
  std::array<int, 2> pipe_ends{};
  BOOST_REQUIRE_EQUAL(pipe2(pipe_ends.data(), O_CLOEXEC), 0);
  process_ = spawn(
      {"node", WATCHKEEPER_SOURCE_DIR "/tests/tools/fleet/fake-gateway.mjs", settings_.dump()},
      pipe_ends[1]);
  close(pipe_ends[1]);
  std::string line;
  char next = 0;
  while (read(pipe_ends[0], &next, 1) == 1 && next != '\n') line += next;
  close(pipe_ends[0]);
  const auto said = nlohmann::json::parse(line, nullptr, false);
  BOOST_REQUIRE_MESSAGE(said.is_object(), "the fake gateway did not start: " << line);
  settings_["port"] = said["port"];
}

void node_gateway::stop() {
  if (process_ < 0) return;
  kill(process_, SIGTERM);
  waitpid(process_, nullptr, 0);
  process_ = -1;
}

std::string node_gateway::url() const {
  return (kind_ == transport::tls ? "https://127.0.0.1:" : "http://127.0.0.1:") +
         std::to_string(settings_["port"].get<int>());
}

nlohmann::json node_gateway::counts() const {
  auto client = simple_client::make(url(), {kind_ == transport::tls ? ca() : "", false, false});
  BOOST_REQUIRE(client);
  http2_request what;
  what.path = "/counts";
  auto response = (*client)->request(std::move(what));
  BOOST_REQUIRE_MESSAGE(response, (response ? "" : response.error()));
  return nlohmann::json::parse(response->body);
}

nlohmann::json node_gateway::state() const {
  return nlohmann::json::parse(read_whole(directory_.file("state.json")));
}

fleet_options node_gateway::options() const {
  fleet_options made;
  made.url = url();
  if (kind_ == transport::tls) made.ca_file = ca();
  made.admin_token = "admin";
  made.json = true;
  made.quiet = true;
  made.devices = 20;
  made.drain_s = 20;
  if (const char* seed = std::getenv("WATCHKEEPER_SEED"))
    made.seed = std::strtoull(seed, nullptr, 10);
  return made;
}

std::string caught_output(int descriptor, const std::function<void()>& action) {
  const temporary_directory directory;
  const auto path = directory.file("output");
  std::fflush(nullptr);
  const int before = dup(descriptor);
  const int file = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  dup2(file, descriptor);
  close(file);
  action();
  std::fflush(nullptr);
  dup2(before, descriptor);
  close(before);
  return read_whole(path);
}

fleet_run run_and_read(fleet_options options) {
  fleet_run run;
  const auto text = caught_output(STDOUT_FILENO, [&] { run.exit_code = run_fleet(options); });
  run.summary = nlohmann::json::parse(text, nullptr, false);
  BOOST_TEST_MESSAGE("seed " << options.seed << ": " << text);
  return run;
}

std::vector<nlohmann::json> read_json_lines(const std::string& path) {
  std::ifstream file{path};
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(nlohmann::json::parse(line));
  return lines;
}

std::string read_whole(const std::string& path) {
  std::ifstream file{path};
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace watchkeeper::fleet::testing
