#include "base/file_lock.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "tests/base/scratch_root.hpp"

namespace watchkeeper {
namespace {

struct folder {
  folder() {
    std::string name = (test::scratch_root() / "wk-lock-XXXXXX").string();
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~folder() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file() const { return (path / "lock").string(); }
  std::filesystem::path path;
};

/// Whether a process of its own gets the lock; it ends without giving the lock back.
bool another_process_gets(const std::string& path) {
  const auto child = ::fork();
  if (child == 0) {
    const auto taken = file_lock::take(path);
    ::_exit(taken ? 0 : 1);
  }
  int status = 0;
  BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(file_locks)

BOOST_FIXTURE_TEST_CASE(one_has_it_until_it_is_gone, folder) {
  {
    auto taken = file_lock::take(file());
    BOOST_REQUIRE(taken);
    const auto moved = *std::move(taken);
    BOOST_TEST(!another_process_gets(file()));
    const auto second = file_lock::take(file());
    BOOST_REQUIRE(!second);
    BOOST_TEST(second.error().what ==
               fmt::format("{} is locked by process {}", file(), ::getpid()));
    BOOST_TEST(second.error().is_held_by_other);
  }
  BOOST_TEST(another_process_gets(file()));
  BOOST_TEST(file_lock::take(file()).has_value());  // which has ended
}

BOOST_FIXTURE_TEST_CASE(only_its_user_can_read_it, folder) {
  const auto taken = file_lock::take(file());
  BOOST_REQUIRE(taken);
  struct stat about {};
  BOOST_REQUIRE(::stat(file().c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 07777) == 0600);
}

BOOST_FIXTURE_TEST_CASE(what_the_holder_wrote_need_not_be_an_id, folder) {
  const auto taken = file_lock::take(file());
  BOOST_REQUIRE(taken);
  std::ofstream(file()) << "12; 13";
  const auto second = file_lock::take(file());
  BOOST_REQUIRE(!second);
  BOOST_TEST(second.error().what == file() + " is locked by another process");
}

BOOST_FIXTURE_TEST_CASE(where_there_is_no_folder_there_is_no_lock, folder) {
  const auto taken = file_lock::take((path / "none" / "lock").string());
  BOOST_REQUIRE(!taken);
  BOOST_TEST(taken.error().what.ends_with("No such file or directory"));
  BOOST_TEST(!taken.error().is_held_by_other);
}

BOOST_FIXTURE_TEST_CASE(a_link_is_not_followed, folder) {
  std::filesystem::create_symlink(path / "elsewhere", path / "lock");
  BOOST_TEST(!file_lock::take(file()));
  BOOST_TEST(!std::filesystem::exists(path / "elsewhere"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper
