#include "tests/storage/postgres/postgres_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "tests/base/scratch_root.hpp"

/// libpqxx 6.4.5 forgets a result (2 KB) whenever a connection breaks in the middle of a call. The
/// leak checker of the sanitizer build, which asks here, would report it for every test of a broken
/// server.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libpqxx\n";
}

namespace watchkeeper::test {
namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;

constexpr const char* binaries = "/usr/lib/postgresql/15/bin/";
constexpr const char* superuser = "keeper";

/// The account the server runs under: nobody's but `postgres` when we are root.
struct account {
  bool change = false;
  uid_t uid = 0;
  gid_t gid = 0;
};
account server_account() {
  if (::geteuid() != 0) return {};
  const auto* entry = ::getpwnam("postgres");
  if (entry == nullptr) throw std::runtime_error("no user postgres on this machine");
  return {true, entry->pw_uid, entry->pw_gid};
}

/// Starts a program; everything it says goes to `log`. The child makes system calls only: other
/// threads may hold any lock at the moment of the fork.
pid_t spawn(const std::vector<std::string>& arguments, const fs::path& log,
            const fs::path& folder) {
  std::vector<char*> argv;
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const auto as = server_account();
  const auto parent = ::getpid();
  const auto pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) return pid;

  const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int in = ::open("/dev/null", O_RDONLY);
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (::chdir(folder.c_str()) != 0) ::_exit(126);
  if (as.change && (::setgroups(0, nullptr) != 0 || ::setgid(as.gid) != 0 || ::setuid(as.uid) != 0))
    ::_exit(126);
  ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // PostgreSQL: immediate shutdown
  if (::getppid() != parent) ::_exit(126);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

/// The direct children of a process.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> pids;
  const auto name = std::to_string(parent);
  std::ifstream in("/proc/" + name + "/task/" + name + "/children");
  for (pid_t pid; in >> pid;) pids.push_back(pid);
  return pids;
}

/// Ended; a dead process that nobody has waited for yet counts.
bool has_ended(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(in, line);
  const auto name_end = line.rfind(") ");
  return name_end == std::string::npos || line[name_end + 2] == 'Z' || line[name_end + 2] == 'X';
}

/// Looks again every 10 ms until `condition` holds; false: it did not within the limit.
template <class Condition>
bool wait_until(std::chrono::seconds limit, Condition&& condition) {
  for (const auto end = clock::now() + limit; clock::now() < end; ::poll(nullptr, 0, 10))
    if (condition()) return true;
  return condition();
}

}  // namespace

postgres_server& postgres_server::instance() {
  static postgres_server only;
  if (!only.running()) only.start();
  return only;
}

postgres_server::postgres_server() {
  std::string name = (test::scratch_root() / "wk-postgres-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  folder_ = name;
  if (const auto as = server_account(); as.change && ::chown(name.c_str(), as.uid, as.gid) != 0)
    throw std::runtime_error("cannot give the folder to postgres");
  const auto log = folder_ / "initdb.log";
  const auto pid = spawn({std::string(binaries) + "initdb", "-D", (folder_ / "data").string(), "-U",
                          superuser, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"},
                         log, folder_);
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) throw std::runtime_error("initdb failed: " + text_of(log));
}

postgres_server::~postgres_server() {
  kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

std::string postgres_server::url_of(const std::string& database) const {
  return "postgresql:///" + database + "?host=" + folder_.string() + "&user=" + superuser;
}

void postgres_server::start() {
  const auto log = folder_ / "server.log";
  pid_ = spawn({std::string(binaries) + "postgres", "-D", (folder_ / "data").string(), "-c",
                "listen_addresses=", "-c", "unix_socket_directories=" + folder_.string(), "-c",
                "fsync=off", "-c", "max_connections=30", "-c", "shared_buffers=32MB"},
               log, folder_);
  const auto url = url_of("postgres");
  const bool ready = wait_until(std::chrono::seconds(120), [&] {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return true;
    }
    return PQping(url.c_str()) == PQPING_OK;
  });
  if (!ready) kill();
  if (!running()) throw std::runtime_error("PostgreSQL did not start: " + text_of(log));
}

void postgres_server::signal_all(int number) const {
  ::kill(pid_, number);
  for (const auto pid : children_of(pid_)) ::kill(pid, number);
}

void postgres_server::kill() noexcept {
  if (!running()) return;
  const auto children = children_of(pid_);
  ::kill(pid_, SIGCONT);
  ::kill(pid_, SIGKILL);
  for (const auto pid : children) ::kill(pid, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  // The children are not ours to wait for; a new server refuses to start while they live.
  for (const auto pid : children)
    wait_until(std::chrono::seconds(10), [&] { return has_ended(pid); });
}

void postgres_server::suspend() {
  signal_all(SIGSTOP);
}
void postgres_server::resume() {
  signal_all(SIGCONT);
}

std::string postgres_server::new_database() {
  const auto name = "test_" + std::to_string(++databases_);
  auto* connection = PQconnectdb(url_of("postgres").c_str());
  auto* created = PQexec(connection, ("CREATE DATABASE " + name).c_str());
  const bool made = PQresultStatus(created) == PGRES_COMMAND_OK;
  const std::string reason = PQerrorMessage(connection);
  PQclear(created);
  PQfinish(connection);
  if (!made) throw std::runtime_error("no new database: " + reason);
  return url_of(name);
}

}  // namespace watchkeeper::test
