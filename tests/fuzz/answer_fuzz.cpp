// libFuzzer target of what the device SDK reads from outside: answers to heartbeats, the gateway's
// key set, what is stored, DER signatures. The first byte says which; of an answer the second gives
// the number of tokens and the status.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sdk/c/buffer_codec.hpp"
#include "sdk/c/der_signature.hpp"
#include "sdk/c/heartbeat_response.hpp"
#include "sdk/c/key_set.hpp"
#include "sdk/c/limits.hpp"
#include "tests/fuzz/require.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;

namespace {

void check_answer(std::uint8_t kind, const std::string& body) {
  static constexpr int statuses[] = {200, 204, 302, 401, 403, 429, 500, 503};
  std::vector<sent_token> sent(kind % 16 + 1u);
  for (std::size_t i = 0; i < sent.size(); ++i)
    sent[i] = {*session_id::parse("s"), static_cast<std::uint32_t>(i), i % 2 == 1};
  http_response answer;
  answer.status = statuses[kind / 16 % 8];
  answer.body = body;
  const auto read = read_heartbeat_response(answer, sent);
  REQUIRE(read.results.size() == sent.size());
  for (const auto& each : read.results) {
    // Nothing is let go of but for a problem that is known.
    REQUIRE(each.kind != result_kind::rejected || !each.problem.empty());
    REQUIRE(each.kind != result_kind::rejected || (answer.status >= 200 && answer.status < 500));
    REQUIRE(each.kind != result_kind::accepted || answer.status == 200 || answer.status == 204);
    if (each.progress) {
      REQUIRE(each.progress->completion_percentage >= 0 &&
              each.progress->completion_percentage <= 100);
      REQUIRE(each.progress->resume_ms >= 0);
    }
  }
  if (answer.status >= 500 || answer.status == 429) REQUIRE(read.pause);
}

void check_stored(const std::string& content) {
  const auto student = *student_id::parse("ada");
  const auto stored = decode_buffer(content, student);
  REQUIRE(stored.heartbeats.size() <= sdk_limits::stored_heartbeats_max);
  // What was read can be written, and read again.
  const auto again = decode_buffer(encode_buffer(student, stored.heartbeats, {}), student);
  REQUIRE(again.damaged == 0 && again.heartbeats.size() == stored.heartbeats.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string rest{reinterpret_cast<const char*>(data) + 2, size - 2};
  switch (data[0] % 4) {
    case 0:
      check_answer(data[1], rest);
      break;
    case 1:
      if (const auto key = read_key_set(rest)) REQUIRE(key->kid.size() == 43);
      break;
    case 2:
      check_stored(rest);
      break;
    default:
      (void)raw_signature_of({data + 2, size - 2});
  }
  return 0;
}
