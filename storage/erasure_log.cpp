#include "storage/erasure_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/atomic_file.hpp"
#include "base/hash.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::storage {
namespace {

constexpr std::string_view first_line = "watchkeeper erasures 1\n";
constexpr std::size_t line_bytes_max = 128;
// The file has each student once after it was written anew, and may then grow to as much again.
constexpr std::size_t file_bytes_max = 4 * storage_limits::logged_erasures_max * line_bytes_max;
constexpr std::int64_t day_ms = 86'400'000;

storage_failure failed(const std::string& path, const char* what) {
  return {storage_error::unavailable, fmt::format("{}: {}: {}", path, what, std::strerror(errno))};
}

std::string line_of(const logged_erasure& erasure) {
  const auto text =
      fmt::format("{} {} {}", erasure.at_ms.value(), erasure.next_epoch, erasure.student.view());
  return fmt::format("{} {:016x}\n", text, stable_hash(text));
}

template <class Integer>
bool take_number(std::string_view& text, Integer& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_space(std::string_view& text) {
  if (!text.starts_with(' ')) return false;
  text.remove_prefix(1);
  return true;
}

/// A line without its end. Nothing: it is damaged, or was not written to its end.
std::optional<logged_erasure> erasure_of(std::string_view line) {
  const auto before_sum = line.rfind(' ');
  if (before_sum == std::string_view::npos) return std::nullopt;
  auto sum_text = line.substr(before_sum + 1);
  std::uint64_t sum = 0;
  if (sum_text.size() != 16 || !take_number(sum_text, sum, 16) || !sum_text.empty() ||
      sum != stable_hash(line.substr(0, before_sum)))
    return std::nullopt;
  auto text = line.substr(0, before_sum);
  std::int64_t at_ms = 0;
  logged_erasure erasure;
  if (!take_number(text, at_ms) || !take_space(text) || !take_number(text, erasure.next_epoch) ||
      !take_space(text))
    return std::nullopt;
  const auto student = student_id::parse(text);
  if (!student) return std::nullopt;
  erasure.student = *student;
  erasure.at_ms = wall_ms{at_ms};
  return erasure;
}

/// A file that was created or renamed is there after a loss of power, too.
stored<ok_t> sync_folder_of(const std::string& path) {
  auto folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const int opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened < 0) return failed(folder, "open");
  const bool is_synced = ::fsync(opened) == 0;
  const auto why = failed(folder, "sync");
  ::close(opened);
  if (!is_synced) return why;
  return ok;
}

}  // namespace

erasure_log::~erasure_log() {
  const mutex_lock lock(mutex_);
  if (file_ >= 0) ::close(file_);
}

stored<std::unique_ptr<erasure_log>> erasure_log::open(std::string path, std::int64_t retention_ms,
                                                       wall_ms now_ms) {
  std::unique_ptr<erasure_log> log(new erasure_log(std::move(path), retention_ms));
  const mutex_lock lock(log->mutex_);
  if (auto done = log->read(); !done) return done.error();
  // Whatever was damaged, or is there twice, is gone then; and so is the end of a torn line.
  if (const auto written = log->write_anew(now_ms); !written) return written.error();
  return log;
}

stored<ok_t> erasure_log::read() {
  std::error_code ignored;
  if (!std::filesystem::exists(path_, ignored)) return ok;
  const auto content = read_whole(path_, file_bytes_max);
  if (!content) return storage_failure{storage_error::unavailable, content.error()};
  auto text = std::string_view(content->text);
  if (!text.starts_with(first_line))
    return storage_failure{storage_error::mismatch,
                           path_ + " is no log of erasures of this format"};
  text.remove_prefix(first_line.size());
  unreadable_ = 0;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (const auto erasure = erasure_of(text.substr(0, end))) {
      auto& known = erasures_[erasure->student];
      if (known.next_epoch < erasure->next_epoch) known = {erasure->next_epoch, erasure->at_ms};
    } else {
      ++unreadable_;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ok;
}

void erasure_log::drop_old(wall_ms now_ms) {
  std::erase_if(erasures_,
                [&](const auto& each) { return now_ms - each.second.at_ms >= retention_ms_; });
  if (erasures_.size() > storage_limits::logged_erasures_max) {
    std::vector<wall_ms> times;
    times.reserve(erasures_.size());
    for (const auto& [student, each] : erasures_) times.push_back(each.at_ms);
    // A sixteenth more than needed, so that not each further one leads here.
    const auto surplus = erasures_.size() - storage_limits::logged_erasures_max / 16 * 15;
    const auto limit = times.begin() + static_cast<std::ptrdiff_t>(surplus - 1);
    std::nth_element(times.begin(), limit, times.end());
    std::erase_if(erasures_, [&](const auto& each) { return each.second.at_ms <= *limit; });
  }
}

stored<ok_t> erasure_log::write_anew(wall_ms now_ms) {
  drop_old(now_ms);
  pruned_ms_ = now_ms;
  std::string text(first_line);
  for (const auto& [student, each] : erasures_)
    text += line_of({student, each.next_epoch, each.at_ms});
  if (const auto written = write_whole(path_, text, 0600); !written)
    return storage_failure{storage_error::unavailable, written.error()};
  if (auto synced = sync_folder_of(path_); !synced) return synced;
  if (file_ >= 0) ::close(file_);
  file_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file_ < 0) return failed(path_, "open");
  is_torn_ = false;
  return ok;
}

stored<ok_t> erasure_log::append(const std::string& lines) {
  const storage_failure unfit{storage_error::unavailable, path_ + " has to be written anew"};
  struct stat about {};
  if (is_torn_) return unfit;
  if (file_ < 0 || ::fstat(file_, &about) != 0) return failed(path_, "write");
  if (about.st_nlink == 0) return unfit;  // somebody has removed the file
  // The same students may be erased again and again: each adds a line.
  if (static_cast<std::size_t>(about.st_size) + lines.size() > file_bytes_max / 2) return unfit;
  is_torn_ = true;
  const auto written = ::write(file_, lines.data(), lines.size());
  if (written == static_cast<ssize_t>(lines.size()) && ::fdatasync(file_) == 0) {
    is_torn_ = false;
    return ok;
  }
  if (written >= 0 && written < static_cast<ssize_t>(lines.size())) errno = ENOSPC;
  return failed(path_, "write");
}

stored<ok_t> erasure_log::add(std::span<const logged_erasure> erasures, wall_ms now_ms) {
  const mutex_lock lock(mutex_);
  std::string lines;
  std::vector<const logged_erasure*> fresh;
  std::vector<std::optional<entry>> before;  // in step with `fresh`
  for (const auto& erasure : erasures) {
    const auto known = erasures_.find(erasure.student);
    if (known != erasures_.end() && known->second.next_epoch >= erasure.next_epoch) continue;
    lines += line_of(erasure);
    fresh.push_back(&erasure);
    before.push_back(known == erasures_.end() ? std::nullopt : std::optional(known->second));
  }
  if (fresh.empty()) return ok;
  // A write that broke off has left the beginning of a line, or what it wrote is not on the disk
  // though a later sync succeeds. Then the file is written anew.
  const auto appended = append(lines);
  for (const auto* erasure : fresh)
    erasures_[erasure->student] = {erasure->next_epoch, erasure->at_ms};
  const bool is_due =
      is_pruning_due(now_ms) || erasures_.size() > storage_limits::logged_erasures_max;
  if (appended && !is_due) return ok;
  auto written = write_anew(now_ms);
  if (written) return ok;
  for (std::size_t i = fresh.size(); i-- > 0;) {  // the last first: a student may be there twice
    if (before[i])
      erasures_[fresh[i]->student] = *before[i];
    else
      erasures_.erase(fresh[i]->student);
  }
  return written;
}

bool erasure_log::is_pruning_due(wall_ms now_ms) const {
  return now_ms - pruned_ms_ >= day_ms || now_ms < pruned_ms_;
}

stored<ok_t> erasure_log::forget_old(wall_ms now_ms) {
  const mutex_lock lock(mutex_);
  if (!is_pruning_due(now_ms)) return ok;
  return write_anew(now_ms);
}

std::uint32_t erasure_log::next_epoch_of(const student_id& student) const {
  const mutex_lock lock(mutex_);
  const auto known = erasures_.find(student);
  return known == erasures_.end() ? 0 : known->second.next_epoch;
}

std::vector<logged_erasure> erasure_log::all() const {
  const mutex_lock lock(mutex_);
  std::vector<logged_erasure> found;
  found.reserve(erasures_.size());
  for (const auto& [student, each] : erasures_)
    found.push_back({student, each.next_epoch, each.at_ms});
  return found;
}

}  // namespace watchkeeper::storage
