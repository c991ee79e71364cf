#include "sdk/c/buffer_codec.hpp"

#include <charconv>
#include <optional>
#include <span>

#include "crypto/digest.hpp"
#include "sdk/c/limits.hpp"

namespace watchkeeper::sdk {
namespace {

constexpr std::string_view heading = "watchkeeper-buffer 1 ";

std::string checksum(std::string_view record) {
  const auto digest = crypto::sha256(record);
  return crypto::hex(std::span{digest}.first(4));
}

/// The text up to the next `separator`, which is eaten.
std::string_view cut(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto part = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return part;
}

template <class Number>
bool read(std::string_view text, Number& into, Number min, Number max) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc{} && end == text.data() + text.size() && into >= min && into <= max;
}

std::optional<pending_heartbeat> decode_record(std::string_view line) {
  const auto last = line.rfind(' ');
  if (last == line.npos || line.substr(last + 1) != checksum(line.substr(0, last)))
    return std::nullopt;
  line = line.substr(0, last);
  pending_heartbeat made;
  const auto session = session_id::parse(cut(line, ' '));
  const auto module = module_id::parse(cut(line, ' '));
  if (!session || !module) return std::nullopt;
  made.session = *session;
  made.module = *module;
  constexpr auto media_max = limits::media_duration_ms_max;
  if (!read<std::uint32_t>(cut(line, ' '), made.sequence, 0, limits::sequence_max) ||
      !read<media_ms>(cut(line, ' '), made.interval.from_ms, 0, media_max) ||
      !read<media_ms>(cut(line, ' '), made.interval.to_ms, made.interval.from_ms + 1, media_max) ||
      !read<std::int32_t>(cut(line, ' '), made.rate_permille, 250, 4000))
    return std::nullopt;
  const auto clock = cut(line, ' ');
  if (clock != "d" && clock != "s") return std::nullopt;
  made.ended_by = clock == "d" ? end_time::stored_device : end_time::stored_server;
  std::int64_t ended_ms = 0;
  if (!read<std::int64_t>(cut(line, ' '), ended_ms, 0, 253'402'300'799'000)) return std::nullopt;
  made.ended.wall = wall_ms(ended_ms);
  if (line != "?" && line != "-") return std::nullopt;
  made.in_doubt = line == "?";
  return made;
}

}  // namespace

std::string encode_buffer(const student_id& student,
                          const std::vector<pending_heartbeat>& heartbeats,
                          const server_clock& clock) {
  std::string text{heading};
  text += student.view();
  text += '\n';
  for (const auto& each : heartbeats) {
    const bool server = each.ended_by == end_time::stored_server ||
                        (each.ended_by == end_time::of_this_run && clock.is_set());
    const auto ended_ms =
        each.ended_by == end_time::of_this_run ? clock.at(each.ended) : each.ended.wall;
    std::string record{each.session.view()};
    record += ' ';
    record += each.module.view();
    for (const std::int64_t number :
         {std::int64_t{each.sequence}, std::int64_t{each.interval.from_ms},
          std::int64_t{each.interval.to_ms}, std::int64_t{each.rate_permille}})
      record += ' ' + std::to_string(number);
    record += server ? " s " : " d ";
    record += std::to_string(std::max<std::int64_t>(0, ended_ms.value()));
    // What is in flight when the program ends is in doubt for the next run.
    record += each.in_doubt || each.in_flight ? " ?" : " -";
    text += record + ' ' + checksum(record) + '\n';
  }
  return text;
}

stored_buffer decode_buffer(std::string_view content, const student_id& student) {
  stored_buffer made;
  if (content.empty()) return made;
  auto first = cut(content, '\n');
  if (first.starts_with(heading)) {
    first.remove_prefix(heading.size());
    const auto owner = student_id::parse(first);
    if (owner && *owner != student) {
      made.foreign = true;
      return made;
    }
    if (!owner) ++made.damaged;
  } else {
    ++made.damaged;
  }
  while (!content.empty()) {
    const auto line = cut(content, '\n');
    const auto record = decode_record(line);
    if (record && made.heartbeats.size() < sdk_limits::stored_heartbeats_max)
      made.heartbeats.push_back(*record);
    else
      ++made.damaged;
  }
  return made;
}

}  // namespace watchkeeper::sdk
