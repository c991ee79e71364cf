#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/c/pending_heartbeat.hpp"
#include "sdk/c/server_clock.hpp"

namespace watchkeeper::sdk {

/// The part of a buffer that survives a restart. Text, one record a line:
///
///     content = %s"watchkeeper-buffer 1 " student LF *( record LF )
///     record  = session SP module SP sn SP from SP to SP rate SP clock SP ended SP fate SP sum
///     rate    = permille           ended = milliseconds since 1970
///     clock   = "d" / "s"          of the device, of the gateway
///     fate    = "?" / "-"          was sent and in doubt, or not
///     sum     = the first 8 hexadecimal digits of SHA-256 of the record before " " sum
///
/// It has heartbeats that are not signed, and no tokens: nothing in it is a credential.
std::string encode_buffer(const student_id& student,
                          const std::vector<pending_heartbeat>& heartbeats,
                          const server_clock& clock);

struct stored_buffer {
  std::vector<pending_heartbeat> heartbeats;
  std::size_t damaged = 0;  // records that were left out
  bool foreign = false;     // it is of another student; nothing was read
};
/// Reads what can be read: a damaged record is left out, and harms no other.
stored_buffer decode_buffer(std::string_view content, const student_id& student);

}  // namespace watchkeeper::sdk
