#include "actors/live/message.hpp"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

namespace watchkeeper::actors {
namespace {

constexpr std::string_view version = "wk2";

/// Takes words and numbers off a line, and records whether all were there.
class line_reader {
 public:
  explicit line_reader(std::string_view line) : rest_(line) {}

  std::string_view word() {
    const auto end = rest_.find(' ');
    const auto found = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
    if (found.empty()) good_ = false;
    return found;
  }
  template <class Number>
  Number number(Number low, Number high, int base = 10) {
    const auto text = word();
    Number value{};
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, value, base);
    if (parsed.ec != std::errc{} || parsed.ptr != end || value < low || value > high) good_ = false;
    return value;
  }
  media_ms media() { return number<media_ms>(0, limits::media_duration_ms_max); }
  media_interval interval() {
    const media_interval found{media(), media()};
    if (found.from_ms >= found.to_ms) good_ = false;
    return found;
  }
  template <class Id>
  Id id() {
    const auto found = Id::parse(word());
    if (!found) good_ = false;
    return found.value_or(Id{});
  }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool finished() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

void append_line(std::string& out, const live_update& update) {
  const auto to = std::back_inserter(out);
  const auto& now = update.now;
  fmt::format_to(to, "{} {} {} {} {} {} {} {} {} {} {} {} {}", update.student.view(),
                 now.life.epoch, now.life.attempt, static_cast<int>(update.status), now.measured_ms,
                 now.duration_ms, now.playtime_ms, now.resume_ms, now.updated_ms.value(),
                 now.mastered_ms.value(), update.last.from_ms, update.last.to_ms,
                 update.fresh.pieces().size());
  for (const auto& range : update.fresh.pieces())
    fmt::format_to(to, " {} {}", range.from_ms, range.to_ms);
  fmt::format_to(to, " {}", update.played.size());
  for (const auto& range : update.played) fmt::format_to(to, " {} {}", range.from_ms, range.to_ms);
  out += '\n';
}

std::optional<problem> problem_named(std::string_view name) {
  for (std::size_t i = 1; i < problem_count; ++i)
    if (describe(static_cast<problem>(i)).name == name) return static_cast<problem>(i);
  return std::nullopt;
}

std::string encode(std::uint64_t gateway, const live_second& second) {
  const auto& grown = second.grown;
  auto out = fmt::format("{} {:x} second {} {} {}", version, gateway, second.elapsed_ms,
                         grown.sessions, grown.connections);
  for (const auto count : grown.by_status) fmt::format_to(std::back_inserter(out), " {}", count);
  out += '\n';
  for (std::size_t i = 1; i < problem_count; ++i)
    if (grown.by_problem[i] > 0)
      fmt::format_to(std::back_inserter(out), "{} {}\n", describe(static_cast<problem>(i)).name,
                     grown.by_problem[i]);
  return out;
}

std::string encode(std::uint64_t gateway, const live_seen& seen) {
  auto out = fmt::format("{} {:x} seen {}\n", version, gateway, seen.module.view());
  for (const auto& one : seen.students)
    fmt::format_to(std::back_inserter(out), "{} {}\n", one.student.view(), one.credited);
  return out;
}

std::optional<live_update> read_line(std::string_view line) {
  constexpr std::int64_t time_max = INT64_MAX;
  line_reader in(line);
  live_update update;
  update.student = in.id<student_id>();
  auto& now = update.now;
  now.life.epoch = in.number<std::uint32_t>(1, UINT32_MAX);
  now.life.attempt = in.number<std::uint32_t>(1, UINT32_MAX);
  update.status = static_cast<credit_status>(in.number<int>(0, 2));
  now.measured_ms = in.media();
  now.duration_ms = in.media();
  now.playtime_ms = in.number<std::int64_t>(0, time_max);
  now.resume_ms = in.media();
  now.updated_ms = wall_ms(in.number<std::int64_t>(0, time_max));
  now.mastered_ms = wall_ms(in.number<std::int64_t>(0, time_max));
  update.last = in.interval();
  const auto fresh = in.number<std::size_t>(0, limits::coverage_intervals_max);
  for (std::size_t i = 0; i < fresh && in.good(); ++i) {
    const auto range = in.interval();
    if (in.good()) update.fresh.add(range);
  }
  const auto played = in.number<std::size_t>(0, live_update::passes_max);
  for (std::size_t i = 0; i < played && in.good(); ++i) update.played.push_back(in.interval());
  if (!in.finished()) return std::nullopt;
  return update;
}

/// Takes the first line, without its end. Precondition: `text` ends with '\n'.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  const auto line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

/// What follows the kind of a message: the rest of the first line, and all other lines. Each
/// function returns nothing if that is invalid.
using message_body = std::optional<decltype(live_message::what)>;

message_body decode_gap(const line_reader& head, std::string_view lines) {
  if (!head.finished() || !lines.empty()) return std::nullopt;
  return live_gap{};
}

message_body decode_interest(const line_reader& head, std::string_view lines) {
  if (!head.finished()) return std::nullopt;
  live_interest interest;
  while (!lines.empty()) {
    const auto module = module_id::parse(take_line(lines));
    if (!module || interest.modules.size() == live_message::modules_max) return std::nullopt;
    interest.modules.push_back(*module);
  }
  return interest;
}

message_body decode_second(line_reader& head, std::string_view lines) {
  live_second second;
  second.elapsed_ms = head.number<std::int64_t>(1, INT64_MAX);
  second.grown.sessions = head.number<std::uint64_t>(0, UINT64_MAX);
  second.grown.connections = head.number<std::uint64_t>(0, UINT64_MAX);
  for (auto& count : second.grown.by_status) count = head.number<std::uint64_t>(0, UINT64_MAX);
  if (!head.finished()) return std::nullopt;
  while (!lines.empty()) {
    line_reader line(take_line(lines));
    const auto why = problem_named(line.word());
    const auto count = line.number<std::uint64_t>(0, UINT64_MAX);
    if (!line.finished()) return std::nullopt;
    // A problem of a newer version is left out; the others count.
    if (why) second.grown.by_problem[static_cast<std::size_t>(*why)] = count;
  }
  return second;
}

message_body decode_seen(line_reader& head, std::string_view lines) {
  live_seen seen;
  seen.module = head.id<module_id>();
  if (!head.finished()) return std::nullopt;
  while (!lines.empty()) {
    line_reader line(take_line(lines));
    const live_seen::one one{line.id<student_id>(), line.number<std::uint32_t>(0, UINT32_MAX)};
    if (!line.finished() || seen.students.size() == live_message::students_max) return std::nullopt;
    seen.students.push_back(one);
  }
  return seen;
}

message_body decode_updates(line_reader& head, std::string_view lines) {
  live_updates updates;
  updates.module = head.id<module_id>();
  if (!head.finished()) return std::nullopt;
  while (!lines.empty()) {
    auto update = read_line(take_line(lines));
    if (!update || updates.items.size() == live_message::items_max) return std::nullopt;
    updates.items.push_back(*std::move(update));
  }
  return updates;
}

message_body decode_body(line_reader& head, std::string_view lines) {
  const auto kind = head.word();
  if (kind == "gap") return decode_gap(head, lines);
  if (kind == "interest") return decode_interest(head, lines);
  if (kind == "second") return decode_second(head, lines);
  if (kind == "seen") return decode_seen(head, lines);
  if (kind == "updates") return decode_updates(head, lines);
  return std::nullopt;
}

}  // namespace

std::string encode_updates(std::uint64_t gateway, const module_id& module,
                           std::span<const live_update* const> items) {
  auto out = fmt::format("{} {:x} updates {}\n", version, gateway, module.view());
  for (const auto* item : items) append_line(out, *item);
  return out;
}

std::string encode(const live_message& message) {
  if (const auto* updates = std::get_if<live_updates>(&message.what)) {
    std::vector<const live_update*> items;
    for (const auto& item : updates->items) items.push_back(&item);
    return encode_updates(message.gateway, updates->module, items);
  }
  if (const auto* second = std::get_if<live_second>(&message.what))
    return encode(message.gateway, *second);
  if (const auto* seen = std::get_if<live_seen>(&message.what))
    return encode(message.gateway, *seen);
  if (std::holds_alternative<live_gap>(message.what))
    return fmt::format("{} {:x} gap\n", version, message.gateway);
  auto out = fmt::format("{} {:x} interest\n", version, message.gateway);
  for (const auto& module : std::get<live_interest>(message.what).modules) {
    out += module.view();
    out += '\n';
  }
  return out;
}

std::optional<live_message> decode_live_message(std::string_view text) {
  if (text.size() > live_message::bytes_max || !text.ends_with('\n')) return std::nullopt;
  line_reader head(take_line(text));
  if (head.word() != version) return std::nullopt;
  const auto gateway = head.number<std::uint64_t>(0, UINT64_MAX, 16);
  auto body = decode_body(head, text);
  if (!body) return std::nullopt;
  return live_message{gateway, *std::move(body)};
}

}  // namespace watchkeeper::actors
