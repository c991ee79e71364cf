#include "storage/redis/codec.hpp"

#include <array>
#include <cassert>
#include <cstring>

#include "storage/byte_codec.hpp"

namespace watchkeeper::storage::redis_codec {

namespace {

constexpr std::size_t header_bytes = nonce_offset + nonce_bytes;

/// No gateway writes a number beyond it, and sums of numbers below it do not overflow.
constexpr std::int64_t number_max = std::int64_t{1} << 53;
constexpr bool is_sound(std::int64_t number) noexcept {
  return number > -number_max && number < number_max;
}
constexpr bool is_sound(wall_ms when) noexcept {
  return is_sound(when.value());
}

constexpr life_number first_life{1, 1};  // of what format 3 wrote

struct header {
  bool is_of_format_3 = false;
  bool is_marked = false;
  std::uint64_t nonce = 0;
};

void put_header(byte_writer& put, bool is_marked, std::uint64_t nonce) {
  assert(nonce != 0);
  put.u8(format_byte);
  put.u8(is_marked ? 1 : 0);
  put.u64(nonce);
}

std::optional<header> get_header(byte_reader& in) {
  const auto format = in.u8();
  const auto mark = in.u8();
  const header read{format == format_byte_3, mark == 1, in.u64()};
  if (!in.good() || (format != format_byte && format != format_byte_3) || mark > 1 ||
      read.nonce == 0)
    return std::nullopt;
  return read;
}

void put_window(byte_writer& put, const replay_window& window, std::uint32_t renewed_s) {
  put.u32(window.highest());
  put.u64(window.seen());
  put.u32(renewed_s);
}

replay_window get_window(byte_reader& in) {
  const auto highest = in.u32();
  return {highest, in.u64()};
}

}  // namespace

std::string encode(const pair_value& pair) {
  const auto& state = pair.state;
  std::string out;
  out.reserve(header_bytes + 69 + 24 * pair.windows.size() + 8 * state.covered.pieces().size());
  byte_writer put(out);
  put_header(put, pair.is_marked, pair.nonce);
  put.u32(state.life.epoch);
  put.u32(state.life.attempt);
  put.u64(pair.compared_in);
  put.i64(state.begins_ms.value());
  put.u32(static_cast<std::uint32_t>(state.covered.covered_ms()));
  put.u32(static_cast<std::uint32_t>(state.duration_ms));
  put.u32(static_cast<std::uint32_t>(state.resume_ms));
  put.i64(state.playtime_ms);
  put.i64(state.resume_at_ms.value());
  put.i64(state.updated_ms.value());
  put.i64(state.mastered_ms.value());
  put.u8(static_cast<std::uint8_t>(pair.windows.size()));
  for (const auto& entry : pair.windows) {
    put.u64(entry.tag);
    put_window(put, entry.window, entry.renewed_s);
  }
  for (const auto& piece : state.covered.pieces()) {
    put.u32(static_cast<std::uint32_t>(piece.from_ms));
    put.u32(static_cast<std::uint32_t>(piece.to_ms));
  }
  return out;
}

std::string encode(const student_value& student) {
  std::string out;
  out.reserve(header_bytes + 20);
  byte_writer put(out);
  put_header(put, false, student.nonce);
  put.u32(student.epoch);
  put.i64(student.bucket.level_us());
  put.i64(student.bucket.refilled_at_ms().value());
  return out;
}

std::string encode(const session_value& session) {
  std::string out;
  byte_writer put(out);
  put_window(put, session.window, session.renewed_s);
  put.bytes(session.module.view());
  return out;
}

std::optional<pair_value> decode_pair(std::string_view value) {
  byte_reader in(value);
  const auto head = get_header(in);
  if (!head) return std::nullopt;
  std::optional<pair_value> pair{std::in_place};
  pair->is_marked = head->is_marked;
  pair->nonce = head->nonce;
  auto& state = pair->state;
  state.life = first_life;
  if (!head->is_of_format_3) {
    state.life.epoch = in.u32();
    state.life.attempt = in.u32();
    pair->compared_in = in.u64();
    state.begins_ms = wall_ms(in.i64());
  }
  const auto covered_ms = in.media();
  state.duration_ms = in.media();
  state.resume_ms = in.media();
  state.playtime_ms = in.i64();
  state.resume_at_ms = wall_ms(in.i64());
  state.updated_ms = wall_ms(in.i64());
  state.mastered_ms = wall_ms(in.i64());
  const std::size_t windows = in.u8();
  if (!in.good() || windows > windows_max || state.playtime_ms < 0 ||
      !is_sound(state.playtime_ms) || !is_sound(state.resume_at_ms) || !is_sound(state.begins_ms) ||
      !is_sound(state.updated_ms) || !is_sound(state.mastered_ms))
    return std::nullopt;
  for (std::size_t i = 0; i < windows; ++i) {
    session_window entry;
    entry.tag = in.u64();
    entry.window = get_window(in);
    entry.renewed_s = in.u32();
    pair->windows.push_back(entry);
  }
  if (!in.good()) return std::nullopt;
  auto covered = coverage::decode(in.rest());
  if (!covered || covered_ms != covered->covered_ms()) return std::nullopt;
  state.covered = std::move(*covered);
  return pair;
}

std::optional<student_value> decode_student(std::string_view value) {
  if (value == erased_3) return student_value{first_life.epoch + 1, {}, 0};
  byte_reader in(value);
  const auto head = get_header(in);
  const auto epoch = head && head->is_of_format_3 ? first_life.epoch : in.u32();
  const auto level_us = in.i64();
  const wall_ms refilled_at_ms(in.i64());
  if (!head || !in.good() || !in.rest().empty() || !is_sound(level_us) || !is_sound(refilled_at_ms))
    return std::nullopt;
  return student_value{epoch, {level_us, refilled_at_ms}, head->nonce};
}

std::optional<session_value> decode_session(std::string_view value) {
  byte_reader in(value);
  session_value session;
  session.window = get_window(in);
  session.renewed_s = in.u32();
  const auto module = module_id::parse(in.rest());
  if (!in.good() || !module) return std::nullopt;
  session.module = *module;
  return session;
}

std::string_view nonce_of(std::string_view value) noexcept {
  static constexpr char absent[nonce_bytes] = {};
  static constexpr char of_erased_3[nonce_bytes] = {'e', 'r', 'a', 's', 'e', 'd'};
  if (value == erased_3) return {of_erased_3, nonce_bytes};
  return value.empty() ? std::string_view(absent, nonce_bytes)
                       : value.substr(nonce_offset, nonce_bytes);
}

std::uint64_t session_tag(const session_key_id& session) noexcept {
  std::array<char, sizeof(thumbprint::bytes) + limits::id_chars_max> text;
  const auto sid = session.session.view();
  std::memcpy(text.data(), session.device.bytes.data(), session.device.bytes.size());
  std::memcpy(text.data() + session.device.bytes.size(), sid.data(), sid.size());
  return stable_hash({text.data(), session.device.bytes.size() + sid.size()}) >> 11;
}

}  // namespace watchkeeper::storage::redis_codec
