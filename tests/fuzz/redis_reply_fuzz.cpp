// libFuzzer target of what Redis holds and says. The first byte says what the rest is: a call of
// the hot store and the replies to it as they come from the socket, or one value: a pair, a pair
// with its student, a student, a session, a member of a set, a message of another gateway.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "storage/redis/cas.hpp"
#include "storage/redis/codec.hpp"
#include "storage/redis/keys.hpp"
#include "storage/redis/store.hpp"
#include "tests/fuzz/require.hpp"
#include "tests/fuzz/scripted_redis.hpp"
#include "tests/fuzz/stored_values.hpp"

using namespace watchkeeper;
using namespace watchkeeper::fuzz;

namespace {

constexpr wall_ms now_ms{1'763'812'345'123};

/// Up to 70 heartbeats of a few students, as the numbers say: more than fit into one call.
std::vector<storage::hot_request> requests_of(std::uint8_t first, std::uint8_t second) {
  std::vector<storage::hot_request> requests(1 + (first & 1 ? second % 70 : second % 4));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    auto& credit = requests[i].credit;
    credit.student = *student_id::parse("s" + std::to_string(first & 2 ? i : 0));
    credit.module = *module_id::parse(first & 4 && i % 2 == 1 ? "m2" : "m1");
    credit.session = *session_id::parse("p");
    credit.epoch = 1;
    credit.sequence = static_cast<std::uint32_t>(i) + (first >> 4);
    credit.interval = {static_cast<media_ms>(i * 10'000),
                       static_cast<media_ms>(i * 10'000 + 9'000)};
    credit.played_at_ms = now_ms - 1000;
    credit.now_ms = now_ms + static_cast<std::int64_t>(i) * 10;
    credit.duration_ms = 700'000;
    credit.mastery_measured_ms = 15'000;
    credit.max_rate_permille = 2000;
    requests[i].want_coverage = (first & 8) != 0;
  }
  return requests;
}

void check_answer(const storage::hot_request& request, const storage::applied_credit& answer) {
  const auto& outcome = answer.outcome;
  if (answer.state != storage::applied_state::done) {
    REQUIRE(!answer.covered);
    return;
  }
  REQUIRE(outcome.credited_ms >= 0);
  REQUIRE(outcome.credited_ms <= request.credit.interval.length_ms());
  REQUIRE((outcome.status == credit_status::rejected) == (outcome.why != problem::none));
  REQUIRE(!outcome.newly_mastered || outcome.status <= credit_status::limited);
  REQUIRE(outcome.now.covered_ms >= 0 && outcome.now.playtime_ms >= 0);
  REQUIRE(request.want_coverage == answer.covered.has_value());
  if (answer.covered) check_coverage(*answer.covered);
}

void check_failure(const storage::storage_failure& failure) {
  REQUIRE(failure.code <= storage::storage_error::mismatch && !failure.detail.empty());
}

/// Whatever Redis replies, the store answers within its contract, or with a failure.
void check_call(std::uint8_t what, std::uint8_t first, std::uint8_t second,
                std::string_view bytes) {
  const scripted_redis script(bytes, (first & 0x80) == 0);
  storage::redis_store store({});
  const auto fine = [](const auto& got) {
    if (!got) check_failure(got.error());
    return static_cast<bool>(got);
  };
  const auto requests = requests_of(first, second);
  std::vector<pair_key> keys;
  for (const auto& request : requests) keys.push_back(request.credit.pair());
  switch (what) {
    case 0:
    case 1:
      for (int round = 0; round <= what; ++round) {
        const auto answers = store.apply(requests);
        if (!fine(answers)) continue;
        REQUIRE(answers->size() == requests.size());
        for (std::size_t i = 0; i < requests.size(); ++i) check_answer(requests[i], (*answers)[i]);
      }
      break;
    case 2:
      if (const auto got = store.read(keys); fine(got)) {
        REQUIRE(got->size() == keys.size());
        for (const auto& each : *got)
          if (each) check_progress(*each);
      }
      break;
    case 3: {
      std::vector<storage::pair_progress> pairs;
      for (const auto& key : keys) pairs.push_back({key, some_progress(second)});
      (void)fine(store.merge(pairs, (first & 1) != 0 ? storage::merge_origin::ledger_and_memory
                                                     : storage::merge_origin::memory));
      break;
    }
    case 4:
      if (const auto got = store.modules_of(keys.front().student); fine(got))
        for (const auto& each : *got) REQUIRE(module_id::parse(each.view()) == each);
      break;
    case 5: {
      const auto partition = partition_of(keys.front().student);
      if (const auto got = store.read_dirty(partition, second); fine(got)) {
        REQUIRE(got->size() <= second);
        for (const auto& each : got->pairs) {
          REQUIRE(partition_of(each.key.student) == partition);
          check_progress(each.state);
        }
        (void)fine(store.mark_clean(partition, got->pairs));
      }
      break;
    }
    case 6:
      if (const auto got = store.health(); fine(got))
        REQUIRE(got->durability <= storage::durability_level::fsync);
      break;
    default:
      (void)fine(store.dirty_count());
      (void)fine(store.remove_traces());
      (void)fine(store.end_epochs_below(keys.front().student, second, now_ms));
      (void)fine(store.find_student(keys.front().student, now_ms));
      if (const auto got = store.read_idle("", now_ms, second); fine(got)) {
        for (const auto& each : got->pairs) check_progress(each.state);
        (void)fine(store.retire(got->pairs, now_ms));
      }
  }
}

/// A pair and its student: what heartbeats make of them can be stored and read again.
void check_cas(std::uint8_t first, std::uint8_t second, std::string_view bytes) {
  using storage::redis_cas::decision;
  namespace codec = storage::redis_codec;
  constexpr std::size_t student_bytes = 30;
  if (bytes.size() < student_bytes) return;
  auto requests = requests_of(first, second);
  std::vector<std::uint16_t> chain(requests.size());
  for (std::size_t i = 0; i < chain.size(); ++i) chain[i] = static_cast<std::uint16_t>(i);
  storage::redis_cas::student_values before{.student = bytes.substr(0, student_bytes)};
  const auto module = requests.front().credit.module;
  before.pairs.emplace_back(module, bytes.substr(student_bytes));
  const auto pair = codec::decode_pair(before.pairs.front().second);
  for (auto& request : requests) {
    if (pair) request.credit.epoch = pair->state.life.epoch;
    request.credit.student = requests.front().credit.student;
    before.sessions.emplace_back(codec::session_tag(request.credit.session_key()), "");
  }
  std::vector<storage::applied_credit> answers(requests.size());
  std::uint64_t nonce = pair ? pair->nonce : 0;  // another one, as random numbers are
  const auto made = storage::redis_cas::decide(
      before, {.requests = requests, .chain = chain, .incarnation = pair ? pair->compared_in : 0},
      answers, [&] { return ++nonce; });
  REQUIRE(made.what != decision::kind::needs_sessions);
  if (made.what == decision::kind::corrupt) return;
  for (std::size_t i = 0; i < requests.size(); ++i) check_answer(requests[i], answers[i]);
  if (made.what == decision::kind::nothing) return;
  REQUIRE(codec::decode_student(made.student_after));
  REQUIRE(made.pairs.size() == 1);
  const auto& written = made.pairs.front();
  if (before.pairs.front().second.empty()) return;
  const auto after = codec::decode_pair(written.after);
  REQUIRE(pair && after && after->is_marked && after->nonce != pair->nonce);
  check_progress(after->state);
  REQUIRE(after->state.covered.covered_ms() >= pair->state.covered.covered_ms());
  REQUIRE(after->state.playtime_ms >= pair->state.playtime_ms);
  REQUIRE(after->state.mastered_ms == pair->state.mastered_ms || pair->state.mastered_ms == never);
}

/// A student and a session: what can be read is written as the same bytes.
void check_small_values(std::string_view bytes) {
  namespace codec = storage::redis_codec;
  if (const auto student = codec::decode_student(bytes)) {
    if (is_of_this_format(bytes)) {
      auto same = codec::encode(*student);
      same[codec::mark_offset] = bytes[codec::mark_offset];  // a student's is of no use
      REQUIRE(same == bytes);
    }
  }
  if (const auto session = codec::decode_session(bytes)) REQUIRE(codec::encode(*session) == bytes);
}

void check_member(std::string_view text) {
  if (const auto key = storage::redis_keys::parse_member(text))
    REQUIRE(storage::redis_keys::member(*key) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::string_view rest{reinterpret_cast<const char*>(data) + 3, size - 3};
  switch (const auto what = data[0] % 16; what) {
    case 8:
    case 9:
      check_cas(data[1], data[2], rest);
      break;
    case 10:
      check_small_values(rest);
      break;
    case 11:
    case 12:
      check_pair(rest);
      break;
    case 13:
      check_member(rest);
      break;
    case 14:
    case 15:
      check_message(rest);
      break;
    default:
      check_call(static_cast<std::uint8_t>(what), data[1], data[2], rest);
  }
  return 0;
}
