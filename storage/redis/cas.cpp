#include "storage/redis/cas.hpp"

#include <algorithm>
#include <optional>

#include "storage/limits.hpp"
#include "storage/redis/codec.hpp"

namespace watchkeeper::storage::redis_cas {

namespace {

using redis_codec::age_ms;
using redis_codec::is_alive;
using redis_codec::pair_value;
using redis_codec::session_value;
using redis_codec::session_window;

/// A session's own key is written anew after an eighth of its time to live.
constexpr std::int64_t session_renewed_ms = storage_limits::session_ttl_ms / 8;
/// A marked pair is marked again at one change in so many, should the set have lost it.
constexpr std::uint64_t marked_again = 16;

/// The values of one student while they are changed.
class workspace {
 public:
  workspace(const student_values& before, std::uint64_t incarnation, const nonce_source& next_nonce)
      : before_(before), incarnation_(incarnation), next_nonce_(next_nonce) {}

  /// False: a value does not have the format.
  bool load();
  void merge(const pair_progress& given, merge_origin from);
  void credit(const hot_request& request, applied_credit& result);
  decision finish();

 private:
  struct pair_entry {
    module_id module;
    std::string_view before;
    std::optional<pair_value> value;
    bool has_changed = false;
    bool is_dirtied = false;
  };
  struct session_entry {
    std::uint64_t tag = 0;
    std::string_view before;
    bool was_read = false;
    bool is_written = false;
    std::optional<session_value> value;
  };
  /// Where the window of a session is.
  struct found_session {
    enum class place : std::uint8_t { of_pair, new_to_pair, of_other_module, unread };
    place where = place::unread;
    std::size_t index = 0;  // `of_pair`: among the windows
    replay_window window;
    std::uint32_t renewed_s = 0;
    bool is_bound = false;
  };

  pair_entry* find(const module_id& module);
  session_entry* find(std::uint64_t tag);
  found_session find_session(const pair_entry& pair, std::uint64_t tag, wall_ms now_ms);
  /// Puts the window in front of the others, as it is after a credit.
  void use_session(pair_entry& pair, const found_session& found, session_window used,
                   wall_ms now_ms);
  /// To be written to the session's own key.
  void write_session(const session_window& window, const module_id& module);
  pair_write write_of(pair_entry& pair);

  const student_values& before_;
  const std::uint64_t incarnation_;
  const nonce_source& next_nonce_;
  std::uint32_t epoch_ = 0;
  bool has_changed_bucket_ = false;
  bool needs_sessions_ = false;
  credit_bucket bucket_;
  boost::container::small_vector<pair_entry, 1> pairs_;
  boost::container::small_vector<session_entry, 2> sessions_;
};

bool workspace::load() {
  if (!before_.student.empty()) {
    const auto student = redis_codec::decode_student(before_.student);
    if (!student) return false;
    epoch_ = student->epoch;
    bucket_ = student->bucket;
  }
  for (const auto& [module, value] : before_.pairs) {
    pair_entry entry{module, value, std::nullopt};
    if (!value.empty()) {
      entry.value = redis_codec::decode_pair(value);
      if (!entry.value) return false;
    }
    pairs_.push_back(std::move(entry));
  }
  for (const auto& [tag, value] : before_.sessions) {
    session_entry entry{tag, value, true};
    if (!value.empty()) {
      entry.value = redis_codec::decode_session(value);
      if (!entry.value) return false;
    }
    sessions_.push_back(entry);
  }
  return true;
}

workspace::pair_entry* workspace::find(const module_id& module) {
  for (auto& pair : pairs_)
    if (pair.module == module) return &pair;
  return nullptr;
}

workspace::session_entry* workspace::find(std::uint64_t tag) {
  for (auto& session : sessions_)
    if (session.tag == tag) return &session;
  return nullptr;
}

void workspace::merge(const pair_progress& given, merge_origin from) {
  auto* const pair = find(given.key.module);
  if (given.state.life.epoch < epoch_ || !pair) return;
  auto united = pair->value ? pair->value->state : given.state;
  if (pair->value) watchkeeper::merge(united, given.state);
  united.covered.trim();
  if (!pair->value) {
    pair->value.emplace();
    pair->has_changed = true;
  }
  if (pair->value->state != united) {
    pair->value->state = std::move(united);
    pair->has_changed = true;
  }
  if (is_compared(from) && pair->value->compared_in != incarnation_) {
    pair->value->compared_in = incarnation_;
    pair->has_changed = true;
  }
  pair->is_dirtied = pair->is_dirtied || is_dirty(from);
}

workspace::found_session workspace::find_session(const pair_entry& pair, std::uint64_t tag,
                                                 wall_ms now_ms) {
  using enum found_session::place;
  const auto& windows = pair.value->windows;
  for (std::size_t i = 0; i < windows.size(); ++i)
    if (windows[i].tag == tag && is_alive(windows[i].renewed_s, now_ms))
      return {of_pair, i, windows[i].window, windows[i].renewed_s, true};
  const auto* const own = find(tag);
  if (!own) return {unread};
  if (!own->value || !is_alive(own->value->renewed_s, now_ms)) return {new_to_pair};
  if (own->value->module != pair.module) return {of_other_module};
  return {new_to_pair, 0, own->value->window, own->value->renewed_s, true};
}

void workspace::credit(const hot_request& request, applied_credit& result) {
  const auto& credit = request.credit;
  result = {};
  auto* const pair = find(credit.module);
  const bool is_there = pair && pair->value;
  const bool is_idle = redis_codec::student_value{epoch_, bucket_, 0}.is_idle(credit.now_ms);
  const auto epoch = is_idle ? 0 : epoch_;
  const auto checked = check_epoch(credit.epoch, epoch, is_there ? &pair->value->state : nullptr);
  if (checked == epoch_check::ended) {
    result = rejected_as_ended(request.want_coverage);
    return;
  }
  if (checked == epoch_check::pair_missing) {
    result.state = applied_state::pair_missing;
    return;
  }
  if (pair->value->compared_in != incarnation_) {
    result.state = applied_state::not_compared;
    return;
  }
  const auto tag = redis_codec::session_tag(credit.session_key());
  const auto found = find_session(*pair, tag, credit.now_ms);
  if (found.where == found_session::place::unread) {
    needs_sessions_ = true;
    return;
  }
  result.state = applied_state::done;
  if (found.where == found_session::place::of_other_module) {
    result.outcome.why = problem::session_mismatch;
  } else {
    session_state session{found.is_bound ? credit.module : module_id{}, found.window};
    auto bucket = is_idle || credit.epoch > epoch ? credit_bucket{} : bucket_;
    result.outcome = apply_credit(credit, session, bucket, pair->value->state);
    if (!result.outcome.played.empty()) {
      bucket_ = bucket;
      epoch_ = credit.epoch;
      has_changed_bucket_ = true;
      pair->has_changed = pair->is_dirtied = true;
      use_session(*pair, found, {tag, session.window, found.renewed_s}, credit.now_ms);
    }
  }
  if (request.want_coverage) result.covered = pair->value->state.covered;
}

void workspace::use_session(pair_entry& pair, const found_session& found, session_window used,
                            wall_ms now_ms) {
  const auto since_ms = age_ms(used.renewed_s, now_ms);
  if (since_ms < 0 || since_ms >= session_renewed_ms) {
    used.renewed_s = static_cast<std::uint32_t>(to_unix_s(now_ms));
    write_session(used, pair.module);
  }
  auto& windows = pair.value->windows;
  if (found.where == found_session::place::of_pair && found.index == 0) {
    windows[0] = used;
    return;
  }
  // In passing those that have ended go.
  decltype(pair.value->windows) sorted{used};
  for (std::size_t i = 0; i < windows.size(); ++i) {
    if (found.where == found_session::place::of_pair && i == found.index) continue;
    if (!is_alive(windows[i].renewed_s, now_ms)) continue;
    if (sorted.size() == redis_codec::windows_max)
      write_session(windows[i], pair.module);
    else
      sorted.push_back(windows[i]);
  }
  windows = sorted;
}

void workspace::write_session(const session_window& window, const module_id& module) {
  auto* entry = find(window.tag);
  if (!entry) entry = &sessions_.emplace_back(session_entry{window.tag});
  entry->is_written = true;
  entry->value = session_value{module, window.window, window.renewed_s};
}

pair_write workspace::write_of(pair_entry& pair) {
  auto& value = *pair.value;
  pair_write made{pair.module, std::string(redis_codec::nonce_of(pair.before))};
  // A mark alone is no change: a checkpoint that is under way may take it.
  if (pair.has_changed) value.nonce = next_nonce_();
  if (pair.is_dirtied) {
    made.what |= pair_write::dirty;
    if (!pair.has_changed || value.nonce % marked_again == 0) made.what |= pair_write::mark_anew;
    value.is_marked = true;
  }
  if (pair.before.empty()) made.what |= pair_write::is_new;
  made.after = encode(value);
  return made;
}

decision workspace::finish() {
  decision made;
  if (needs_sessions_) {
    made.what = decision::kind::needs_sessions;
    return made;
  }
  for (auto& pair : pairs_)
    if (pair.has_changed || pair.is_dirtied) made.pairs.push_back(write_of(pair));
  for (const auto& session : sessions_)
    if (session.is_written)
      made.sessions.push_back(
          {session.tag, session.was_read, std::string(session.before), encode(*session.value)});
  if (has_changed_bucket_)
    made.student_after = encode(redis_codec::student_value{epoch_, bucket_, next_nonce_()});
  if (made.pairs.empty()) return made;
  made.what = decision::kind::write;
  made.expected_student_nonce = redis_codec::nonce_of(before_.student);
  return made;
}

}  // namespace

decision decide(const student_values& before, const question& asked,
                std::span<applied_credit> applied, const nonce_source& next_nonce) {
  workspace work(before, asked.incarnation, next_nonce);
  if (!work.load()) return {.what = decision::kind::corrupt};
  for (const auto i : asked.merges) work.merge(asked.pairs[i], asked.from);
  for (const auto i : asked.chain) work.credit(asked.requests[i], applied[i]);
  return work.finish();
}

}  // namespace watchkeeper::storage::redis_cas
