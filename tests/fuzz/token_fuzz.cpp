// libFuzzer target of the engagement token parser. The first byte of the input says what it is:
// an even one, the text of a token; an odd one, header and payload as JSON, separated by a zero
// byte (so that the fuzzer need not find its way through base64url).

#include <cstdint>
#include <string>

#include "base/base64url.hpp"
#include "domain/engagement_token.hpp"
#include "tests/fuzz/require.hpp"

using namespace watchkeeper;

namespace {

std::string base64url_of(std::string_view text) {
  return base64url::encode(
      std::span{reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::string token_from_json(std::string_view json) {
  const auto end = json.find('\0');
  const auto header = json.substr(0, end);
  const auto payload = end == std::string_view::npos ? std::string_view{} : json.substr(end + 1);
  return base64url_of(header) + '.' + base64url_of(payload) + '.' +
         base64url_of(std::string(64, 's'));
}

bool same(const engagement_token& a, const engagement_token& b) {
  return a.algorithm == b.algorithm && a.device == b.device &&
         a.claims.student == b.claims.student && a.claims.module == b.claims.module &&
         a.claims.session == b.claims.session && a.claims.sequence == b.claims.sequence &&
         a.claims.interval == b.claims.interval &&
         a.claims.playback_rate_permille == b.claims.playback_rate_permille &&
         a.claims.issued_at_ms == b.claims.issued_at_ms &&
         a.claims.expires_at_ms == b.claims.expires_at_ms &&
         a.claims.key_offer == b.claims.key_offer &&
         a.signing_input.size() == b.signing_input.size() && a.signature == b.signature &&
         a.signature_bytes == b.signature_bytes;
}

void check_ranges(const engagement_token& token) {
  const auto& c = token.claims;
  REQUIRE(student_id::parse(c.student.view()) == c.student);
  REQUIRE(module_id::parse(c.module.view()) == c.module);
  REQUIRE(session_id::parse(c.session.view()) == c.session);
  REQUIRE(c.sequence <= limits::sequence_max);
  REQUIRE(c.interval.from_ms >= 0 && c.interval.from_ms < c.interval.to_ms);
  REQUIRE(c.interval.to_ms <= limits::media_duration_ms_max);
  REQUIRE(c.playback_rate_permille >= 250 && c.playback_rate_permille <= 4000);
  REQUIRE(c.issued_at_ms >= never && c.issued_at_ms <= wall_ms{253'402'300'799'000});
  REQUIRE(!c.expires_at_ms ||
          (*c.expires_at_ms >= never && *c.expires_at_ms <= wall_ms{253'402'300'799'000}));
  REQUIRE(token.signature_bytes >= 1 && token.signature_bytes <= 65);
}

void check(const std::string& text) {
  std::string_view detail;
  const auto parsed = parse_engagement_token(text, &detail);
  REQUIRE(parsed.has_value() == detail.empty());
  REQUIRE((text.size() > limits::token_bytes_max) ==
          (!parsed.has_value() && parsed.error() == problem::token_too_large));

  // The same bytes elsewhere in memory give the same answer.
  const std::string copy = text;
  const auto again = parse_engagement_token(copy);
  REQUIRE(parsed.has_value() == again.has_value());
  if (!parsed.has_value()) {
    REQUIRE(parsed.error() == again.error());
    return;
  }
  REQUIRE(same(*parsed, *again));
  check_ranges(*parsed);

  // What is signed is the text up to the second dot, nothing else.
  const auto input = parsed->signing_input;
  REQUIRE(input.data() == text.data());
  REQUIRE(input.size() < text.size() && text[input.size()] == '.');
  REQUIRE(text.find('.') != input.size() && text.rfind('.') == input.size());

  // A signature that fits says all of its text: encoding it again gives the same characters.
  if (parsed->signature_bytes <= parsed->signature.size())
    REQUIRE(base64url::encode(std::span{parsed->signature}.first(parsed->signature_bytes)) ==
            text.substr(input.size() + 1));

  // Nothing may be added to, or taken from, a good token's structure.
  REQUIRE(!parse_engagement_token(text + '.').has_value());
  REQUIRE(!parse_engagement_token(text + '\n').has_value());
  REQUIRE(!parse_engagement_token(input).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
  check(data[0] % 2 == 0 ? std::string{rest} : token_from_json(rest));
  return 0;
}
