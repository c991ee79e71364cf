#include "storage/erasure_log.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "storage/limits.hpp"
#include "tests/storage/ledger_fixtures.hpp"

namespace watchkeeper::test {
using namespace storage;
namespace {

constexpr std::int64_t day_ms = 86'400'000;
constexpr wall_ms start_ms{1'763'812'345'000};

struct log_folder {
  sqlite_place place;
  std::string path = (place.folder / "erasures").string();

  [[nodiscard]] std::unique_ptr<erasure_log> open(wall_ms now_ms = start_ms) const {
    return need(erasure_log::open(path, 400 * day_ms, now_ms));
  }
  [[nodiscard]] std::string text() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& text) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
};

std::string listed(const erasure_log& log) {
  std::vector<std::string> all;
  for (const auto& [student, next_epoch, at_ms] : log.all())
    all.push_back(std::string(student.view()) + " " + std::to_string(next_epoch) + " " +
                  std::to_string(at_ms.value()) + "; ");
  std::sort(all.begin(), all.end());
  std::string text;
  for (const auto& each : all) text += each;
  return text;
}

void add(erasure_log& log, std::string_view who, std::uint32_t next_epoch,
         wall_ms at_ms = start_ms) {
  const logged_erasure erasure{student(who), next_epoch, at_ms};
  need(log.add({&erasure, 1}, at_ms));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(erasure_logs)

BOOST_AUTO_TEST_CASE(what_was_added_is_there_again) {
  const log_folder folder;
  BOOST_TEST(folder.open()->all().empty());
  struct stat about {};
  BOOST_REQUIRE(::stat(folder.path.c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 0777) == 0600u);
  {
    const auto log = folder.open();
    add(*log, "ada", 2);
    add(*log, "bob:1", 1'763'812'345);
    const auto size = folder.text().size();
    add(*log, "ada", 2);  // another gateway's copy of the same
    add(*log, "ada", 1);
    BOOST_TEST(folder.text().size() == size);
    add(*log, "ada", 7, start_ms + 5);
    BOOST_TEST(folder.text().size() > size);
  }
  const auto log = folder.open();
  BOOST_TEST(log->unreadable() == 0u);
  BOOST_TEST(listed(*log) == "ada 7 1763812345005; bob:1 1763812345 1763812345000; ");
  // Each student once, since it was opened.
  const auto text = folder.text();
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == 3);
  BOOST_TEST(text.starts_with("watchkeeper erasures 1\n"));
}

BOOST_AUTO_TEST_CASE(it_forgets_after_the_retention) {
  const log_folder folder;
  {
    const auto log = folder.open();
    add(*log, "old", 2, start_ms);
    add(*log, "young", 2, start_ms + 300 * day_ms);
    BOOST_TEST(listed(*log).find("old") != std::string::npos);
    add(*log, "new", 2, start_ms + 400 * day_ms);
    BOOST_TEST(listed(*log).find("old") == std::string::npos);
    BOOST_TEST(folder.text().find(" old ") == std::string::npos);
  }
  const auto log = folder.open(start_ms + 700 * day_ms);
  BOOST_TEST(listed(*log).starts_with("new "));
  BOOST_TEST(log->all().size() == 1u);
  BOOST_TEST(folder.text().find(" young ") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(it_forgets_though_nobody_is_erased_any_more) {
  const log_folder folder;
  const auto log = folder.open();
  add(*log, "old", 2, start_ms);
  need(log->forget_old(start_ms + 399 * day_ms));
  need(log->forget_old(start_ms + 400 * day_ms - 1));  // it has just looked
  BOOST_TEST(folder.text().find(" old ") != std::string::npos);
  need(log->forget_old(start_ms + 400 * day_ms));
  BOOST_TEST(log->all().empty());
  BOOST_TEST(folder.text().find(" old ") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(damaged_lines_cost_only_themselves) {
  const log_folder folder;
  {
    const auto log = folder.open();
    for (const auto* who : {"a", "b", "c"}) add(*log, who, 2);
  }
  const auto whole = folder.text();
  // Cut off anywhere, as by a loss of power while the last line was written.
  const auto last_line = whole.rfind('\n', whole.size() - 2) + 1;
  for (auto cut = last_line; cut < whole.size(); ++cut) {
    folder.write(whole.substr(0, cut));
    const auto log = folder.open();
    BOOST_TEST(log->all().size() == (cut + 1 == whole.size() ? 3u : 2u));
    add(*log, "d", 3);
    BOOST_TEST(folder.open()->all().size() == log->all().size());
    BOOST_TEST(folder.open()->unreadable() == 0u);
  }
  for (auto at = whole.find('\n') + 1; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    folder.write(damaged);
    const auto log = folder.open();
    BOOST_TEST(log->unreadable() >= 1u);
    const bool joins_two = whole[at] == '\n' && at + 1 < whole.size();
    BOOST_TEST(log->all().size() == (joins_two ? 1u : 2u));
    for (const auto& each : log->all()) BOOST_TEST(each.next_epoch == 2u);
  }
  folder.write("something else\n");
  BOOST_TEST(!erasure_log::open(folder.path, day_ms, start_ms).has_value());
  BOOST_TEST(folder.text() == "something else\n");
}

/// As a disk that is full: until the limit is raised, a write ends in the middle of a line.
BOOST_AUTO_TEST_CASE(a_line_that_was_torn_spoils_no_later_one) {
  struct file_size_limit {
    explicit file_size_limit(std::uintmax_t bytes) {
      BOOST_REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
      auto lower = before;
      lower.rlim_cur = bytes;
      BOOST_REQUIRE(::setrlimit(RLIMIT_FSIZE, &lower) == 0);
    }
    ~file_size_limit() {
      ::setrlimit(RLIMIT_FSIZE, &before);
      ::signal(SIGXFSZ, handler);
    }
    rlimit before{};
    void (*handler)(int) = ::signal(SIGXFSZ, SIG_IGN);
  };
  const log_folder folder;
  const auto log = folder.open();
  add(*log, "before", 2);
  const auto whole = folder.text();
  const logged_erasure torn{student("torn"), 3, start_ms};
  {
    const file_size_limit limit(whole.size() + 10);
    BOOST_TEST(!log->add({&torn, 1}, start_ms).has_value());
    BOOST_TEST(folder.text().size() == whole.size() + 10);
    BOOST_TEST(!log->add({&torn, 1}, start_ms).has_value());  // the file cannot be written anew
  }
  add(*log, "after", 4);
  const auto again = folder.open();
  BOOST_TEST(again->unreadable() == 0u);
  BOOST_TEST(again->next_epoch_of(student("before")) == 2u);
  BOOST_TEST(again->next_epoch_of(student("after")) == 4u);
  BOOST_TEST(again->next_epoch_of(student("torn")) == 0u);  // its erasure was not answered
}

BOOST_AUTO_TEST_CASE(a_file_that_somebody_removed_is_written_anew) {
  const log_folder folder;
  const auto log = folder.open();
  add(*log, "a", 2);
  std::filesystem::remove(folder.path);
  add(*log, "b", 2);
  BOOST_TEST(listed(*folder.open()) == "a 2 1763812345000; b 2 1763812345000; ");
}

BOOST_AUTO_TEST_CASE(at_its_limit_the_oldest_go) {
  const log_folder folder;
  const auto log = folder.open();
  std::vector<logged_erasure> all;
  for (std::size_t i = 0; i <= storage_limits::logged_erasures_max; ++i)
    all.push_back({student("s" + std::to_string(i)), 2, start_ms + static_cast<std::int64_t>(i)});
  need(log->add(std::span(all).first(storage_limits::logged_erasures_max), start_ms));
  BOOST_TEST(log->all().size() == storage_limits::logged_erasures_max);
  need(log->add(std::span(all).last(1), start_ms));
  BOOST_TEST(log->all().size() == storage_limits::logged_erasures_max / 16 * 15);
  const auto reopened = folder.open();
  wall_ms oldest = all.back().at_ms;
  for (const auto& each : reopened->all()) oldest = std::min(oldest, each.at_ms);
  const auto left_out = static_cast<std::int64_t>(storage_limits::logged_erasures_max / 16);
  BOOST_TEST(oldest - start_ms == left_out + 1);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_written_is_not_taken_for_written) {
  const log_folder folder;
  const auto log = folder.open();
  add(*log, "known", 2);
  std::filesystem::remove_all(folder.place.folder);
  const logged_erasure erasures[] = {{student("a"), 2, start_ms}, {student("known"), 3, start_ms}};
  BOOST_TEST(!log->add(erasures, start_ms).has_value());
  BOOST_TEST(listed(*log) == "known 2 1763812345000; ");
  std::filesystem::create_directory(folder.place.folder);
  need(log->add(erasures, start_ms));
  BOOST_TEST(listed(*folder.open()) == "a 2 1763812345000; known 3 1763812345000; ");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
