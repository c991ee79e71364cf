#pragma once

#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/credit.hpp"
#include "domain/progress.hpp"
#include "storage/hot_store.hpp"
#include "storage/limits.hpp"

/// The binary values of the Redis hot store, as docs/storage-format.md specifies them. Decoding is
/// strict: what is not exactly of the format is nothing.
namespace watchkeeper::storage::redis_codec {

/// The first byte of a pair and of a student.
inline constexpr std::uint8_t format_byte = 0x84;
/// Of format 3, which knew no lives: its values belong to the first, and are written anew with
/// their next change.
inline constexpr std::uint8_t format_byte_3 = 0x83;
/// A pair and a student begin with format byte, mark and nonce.
inline constexpr std::size_t mark_offset = 1;
inline constexpr std::size_t nonce_offset = 2;
inline constexpr std::size_t nonce_bytes = 8;
inline constexpr std::size_t windows_max = 4;
/// The value of the key of a student who was erased, in format 3. It decodes as that of a student
/// whose first epoch ended.
inline constexpr std::string_view erased_3 = "erased";

/// The replay window of a session, in its pair.
struct session_window {
  std::uint64_t tag = 0;
  replay_window window;
  /// The second of the gateway's clock when the session's key was written.
  std::uint32_t renewed_s = 0;
};

/// How long ago a session's key was written; below 0 if the clock went back.
inline std::int64_t age_ms(std::uint32_t renewed_s, wall_ms now_ms) noexcept {
  return now_ms - from_unix_s(renewed_s);
}
/// Whether the session has not ended.
inline bool is_alive(std::uint32_t renewed_s, wall_ms now_ms) noexcept {
  return age_ms(renewed_s, now_ms) < storage_limits::session_ttl_ms;
}

struct pair_value {
  progress state;
  /// The incarnation of Redis in which it was compared with the ledger; 0: in none.
  std::uint64_t compared_in = 0;
  /// Those of the sessions that were used last, the last one first.
  boost::container::static_vector<session_window, windows_max> windows;
  std::uint64_t nonce = 0;  // random; another one after each change. Never 0.
  bool is_marked = false;   // the pair is in the dirty set
};

struct student_value {
  std::uint32_t epoch = 0;  // the highest that was seen
  credit_bucket bucket;
  std::uint64_t nonce = 0;  // as that of a pair

  /// A bucket that was not used for so long counts as absent, and the epoch with it.
  [[nodiscard]] bool is_idle(wall_ms now_ms) const noexcept {
    return bucket.refilled_at_ms() != never &&
           now_ms - bucket.refilled_at_ms() >= storage_limits::student_ttl_ms;
  }
};

/// The value of a session's own key, where its window is when its pair has no room for it.
struct session_value {
  module_id module;
  replay_window window;
  std::uint32_t renewed_s = 0;
};

std::string encode(const pair_value& pair);
std::string encode(const student_value& student);
std::string encode(const session_value& session);

std::optional<pair_value> decode_pair(std::string_view value);
std::optional<student_value> decode_student(std::string_view value);
std::optional<session_value> decode_session(std::string_view value);

/// The nonce in the value of a pair or a student, as its bytes, of erased_3 that value
/// with zeros behind it; zeros if `value` is empty, which
/// stands for a key that is absent. Precondition: `value` is empty or was decoded.
std::string_view nonce_of(std::string_view value) noexcept;

/// What a session is known by among those of its student: 53 bits.
std::uint64_t session_tag(const session_key_id& session) noexcept;

}  // namespace watchkeeper::storage::redis_codec
