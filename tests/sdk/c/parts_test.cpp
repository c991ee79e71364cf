// The smaller parts: buffer, stored form, cooldown, clock, responses, keys, tokens.

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <random>

#include "base/base64url.hpp"
#include "crypto/device_key.hpp"
#include "crypto/signature_verifier.hpp"
#include "sdk/c/buffer_codec.hpp"
#include "sdk/c/cooldown.hpp"
#include "sdk/c/defaults.hpp"
#include "sdk/c/der_signature.hpp"
#include "sdk/c/gateway_url.hpp"
#include "sdk/c/heartbeat_buffer.hpp"
#include "sdk/c/heartbeat_response.hpp"
#include "sdk/c/key_set.hpp"
#include "sdk/c/session_key.hpp"
#include "sdk/c/software_key.hpp"
#include "sdk/c/token_writer.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;

namespace {

pending_heartbeat made(std::uint32_t sequence, media_ms from, media_ms to,
                       const char* session = "s") {
  pending_heartbeat c;
  c.module = *module_id::parse("m");
  c.session = *session_id::parse(session);
  c.sequence = sequence;
  c.interval = {from, to};
  c.ended = {wall_ms{1'763'812'345'000 + to}, mono_ms{to}};
  return c;
}

std::string text_of(const heartbeat_buffer& buffer) {
  std::string text;
  for (const auto& each : buffer.heartbeats())
    text += std::to_string(each.interval.from_ms / 1000) + "-" +
            std::to_string(each.interval.to_ms / 1000) + " ";
  return text;
}

struct directory {
  std::filesystem::path path;
  directory() {
    std::string name =
        (std::filesystem::temp_directory_path() / "watchkeeper-client-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~directory() { std::filesystem::remove_all(path); }
  [[nodiscard]] std::string file(const char* name) const { return (path / name).string(); }
};

std::vector<std::uint8_t> der_of(std::vector<std::uint8_t> r, std::vector<std::uint8_t> s) {
  std::vector<std::uint8_t> der{0x30, static_cast<std::uint8_t>(r.size() + s.size() + 4)};
  for (const auto& each : {r, s}) {
    der.push_back(2);
    der.push_back(static_cast<std::uint8_t>(each.size()));
    der.insert(der.end(), each.begin(), each.end());
  }
  return der;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(buffer_suite)

BOOST_AUTO_TEST_CASE(neighbours_are_joined_before_anything_is_dropped) {
  heartbeat_buffer b;
  for (unsigned i = 0; i < 15; ++i)
    BOOST_CHECK(b.add(made(i, media_ms(i) * 10'000, media_ms(i + 1) * 10'000)).empty());
  BOOST_CHECK_EQUAL(text_of(b), "0-30 30-60 60-90 90-120 120-150 ");
  const auto gone = b.add(made(15, 150'000, 160'000));
  BOOST_REQUIRE_EQUAL(gone.size(), 1);
  BOOST_CHECK((gone[0].interval == media_interval{0, 30'000}));
  BOOST_CHECK_EQUAL(b.size(), sdk_limits::buffer_heartbeats);
}

BOOST_AUTO_TEST_CASE(only_what_adjoins_in_one_session_at_one_rate_and_is_not_in_doubt_is_joined) {
  const auto first = made(0, 0, 10'000);
  auto other_rate = made(1, 10'000, 20'000), in_doubt = other_rate;
  other_rate.rate_permille = 2000;
  in_doubt.in_doubt = true;
  for (const auto& second : {made(1, 10'001, 20'000), made(1, 10'000, 20'000, "t"), other_rate,
                             in_doubt, made(1, 10'000, 30'001)}) {
    heartbeat_buffer b;
    (void)b.add(first);
    (void)b.add(second);
    for (unsigned i = 0; i < 3; ++i)
      (void)b.add(made(2 + i, 100'000 + media_ms(i) * 20'000, 110'000 + media_ms(i) * 20'000));
    const auto gone = b.add(made(9, 500'000, 510'000));
    BOOST_REQUIRE_EQUAL(gone.size(), 1);
    BOOST_CHECK_EQUAL(gone[0].sequence, 0);
  }
}

BOOST_AUTO_TEST_CASE(what_is_under_way_is_neither_joined_nor_dropped) {
  heartbeat_buffer b;
  for (unsigned i = 0; i < 5; ++i)
    (void)b.add(made(i, media_ms(i) * 20'000, media_ms(i) * 20'000 + 10'000));
  b.take(5);
  for (unsigned i = 5; i < 10; ++i)
    BOOST_CHECK(b.add(made(i, media_ms(i) * 20'000, media_ms(i) * 20'000 + 10'000)).empty());
  BOOST_CHECK_EQUAL(b.size(), sdk_limits::heartbeats_per_request_max);
  BOOST_CHECK_EQUAL(b.add(made(10, 200'000, 210'000)).at(0).sequence, 5);
  const auto gone = b.complete({true, true, false, true, true});  // one comes back
  BOOST_REQUIRE_EQUAL(gone.size(), 1);
  BOOST_CHECK_EQUAL(gone[0].sequence, 2);
  BOOST_CHECK_EQUAL(b.size(), 5);
}

BOOST_AUTO_TEST_CASE(the_stored_form_is_what_the_grammar_says) {
  const auto ada = *student_id::parse("ada");
  auto c = made(7, 0, 10'000);
  c.in_doubt = true;
  const auto text = encode_buffer(ada, {c}, {});
  BOOST_CHECK_EQUAL(text,
                    "watchkeeper-buffer 1 ada\n"
                    "s m 7 0 10000 1000 d 1763812355000 ? 512ce725\n");
  const auto back = decode_buffer(text, ada);
  BOOST_REQUIRE_EQUAL(back.heartbeats.size(), 1);
  BOOST_CHECK_EQUAL(back.damaged, 0);
  BOOST_CHECK(back.heartbeats[0].in_doubt);
  BOOST_CHECK(back.heartbeats[0].ended_by == end_time::stored_device);
  server_clock clock;
  clock.learn(wall_ms{1'000'000'000'000}, 0, {wall_ms{5'000}, mono_ms{100}});
  BOOST_CHECK(encode_buffer(ada, {c}, clock).find(" s 1000000009900 ? ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(whatever_is_stored_is_read_without_harm) {
  const auto ada = *student_id::parse("ada");
  std::vector<pending_heartbeat> heartbeats;
  for (unsigned i = 0; i < 6; ++i) heartbeats.push_back(made(i, media_ms(i), media_ms(i) + 1));
  const auto good = encode_buffer(ada, heartbeats, {});
  std::mt19937_64 random{7};
  for (int i = 0; i < 20'000; ++i) {
    auto text = good;
    for (auto n = random() % 4 + 1; n > 0; --n) {
      const auto at = random() % text.size();
      if (random() % 3 == 0)
        text.erase(at, random() % 40);
      else
        text[at] = static_cast<char>(random());
      if (text.empty()) break;
    }
    const auto read = decode_buffer(text, ada);
    for (const auto& each : read.heartbeats)  // a record that is read is one that was written
      BOOST_REQUIRE(each.interval.length_ms() == 1 && each.sequence < 6);
    if (!text.empty() && !read.foreign)
      BOOST_REQUIRE(read.heartbeats.size() == 6 || read.damaged > 0 || text.size() < good.size());
  }
  std::string many = good;
  for (int i = 0; i < 5; ++i) many += good.substr(good.find('\n') + 1);
  BOOST_CHECK_EQUAL(decode_buffer(many, ada).heartbeats.size(), sdk_limits::stored_heartbeats_max);
  BOOST_CHECK(decode_buffer(good, *student_id::parse("eve")).foreign);
  BOOST_CHECK(decode_buffer("", ada).heartbeats.empty());
}

BOOST_AUTO_TEST_CASE(a_file_keeps_it_and_says_when_it_cannot) {
  const directory at;
  file_storage storage{at.file("buffer")};
  BOOST_CHECK(storage.load() == std::string{});
  BOOST_CHECK(storage.save("one"));
  BOOST_CHECK(storage.save("two"));
  BOOST_CHECK(storage.load() == std::string{"two"});
  struct stat info {};
  BOOST_REQUIRE_EQUAL(stat(at.file("buffer").c_str(), &info), 0);
  BOOST_CHECK_EQUAL(info.st_mode & 0777, 0600);
  file_storage nowhere{at.file("no/such/place")};
  BOOST_CHECK(!nowhere.save("x"));
  file_storage folder{at.path.string()};
  BOOST_CHECK(!folder.load());
  std::ofstream{at.file("big")} << std::string(100'000, 'x');
  BOOST_CHECK_EQUAL(file_storage{at.file("big")}.load()->size(), sdk_limits::stored_bytes_max);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(cooldown_and_clock_suite)

BOOST_AUTO_TEST_CASE(jitter_is_full_and_the_ceiling_doubles_to_the_cap) {
  std::mt19937_64 random{1};
  for (unsigned failures = 1; failures < 12; ++failures) {
    const auto ceiling = std::min<std::int64_t>(60'000, 1000ll << (failures - 1));
    std::int64_t least = ceiling, most = 0;
    for (int i = 0; i < 2000; ++i) {
      cooldown b{1000, 60'000};
      for (unsigned n = 0; n < failures; ++n) b.failed(mono_ms{0}, std::nullopt, random());
      least = std::min(least, b.left_ms(mono_ms{0}));
      most = std::max(most, b.left_ms(mono_ms{0}));
    }
    BOOST_CHECK_LE(most, ceiling);
    BOOST_CHECK_GE(most, ceiling * 95 / 100);
    BOOST_CHECK_LE(least, ceiling * 5 / 100);
  }
}

BOOST_AUTO_TEST_CASE(retry_after_is_bounded_and_success_begins_anew) {
  cooldown b{1000, 60'000};
  b.failed(mono_ms{0}, 999'999'999'999, 0);
  BOOST_CHECK_EQUAL(b.left_ms(mono_ms{0}), sdk_limits::retry_after_ms_max);
  b.hurry();
  BOOST_CHECK_EQUAL(b.left_ms(mono_ms{0}), sdk_limits::retry_after_ms_max);
  b.succeeded();
  BOOST_CHECK_EQUAL(b.left_ms(mono_ms{0}), 0);
  b.failed(mono_ms{0}, -5, 1000);
  BOOST_CHECK_EQUAL(b.left_ms(mono_ms{0}), 1000);
  b.hurry();
  BOOST_CHECK_EQUAL(b.left_ms(mono_ms{0}), 0);
}

BOOST_AUTO_TEST_CASE(the_gateways_time_is_carried_on_by_the_monotonic_clock) {
  server_clock clock;
  BOOST_CHECK_EQUAL(clock.at({wall_ms{1000}, mono_ms{5}}), wall_ms{1000});
  clock.learn(wall_ms{9'000'000}, 200, {wall_ms{1000}, mono_ms{50}});
  BOOST_CHECK_EQUAL(clock.at({wall_ms{1000}, mono_ms{50}}), wall_ms{9'000'100});
  BOOST_CHECK_EQUAL(clock.at({wall_ms{-777}, mono_ms{60}}), wall_ms{9'000'110});
  BOOST_CHECK_EQUAL(clock.offset_ms({wall_ms{2000}, mono_ms{60}}), 9'000'110 - 2000);
  clock.learn(wall_ms{9'000'000}, 3'600'000,
              {wall_ms{0}, mono_ms{0}});  // no round trip takes an hour
  BOOST_CHECK_EQUAL(clock.at({wall_ms{0}, mono_ms{0}}), wall_ms{9'005'000});
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(response_suite)

BOOST_AUTO_TEST_CASE(a_response_as_the_protocol_shows_it) {
  http_response response;
  response.status = 200;
  response.body =
      R"({"server_time":1763812345.123,"results":[{"sid":"4f","sn":17,"status":"limited","credited_ms":1,)"
      R"("seconds_watched":170,"completion_percentage":28.33,"state":"IN_PROGRESS","resume_ms":170000,"new":[{}]}]})";
  const sent_token token{*session_id::parse("4f"), 17, false};
  const auto read = read_heartbeat_response(response, std::span{&token, 1});
  BOOST_CHECK_EQUAL(*read.server_time_ms, wall_ms{1'763'812'345'123});
  BOOST_REQUIRE_EQUAL(read.results.size(), 1);
  BOOST_CHECK(read.results[0].kind == result_kind::accepted &&
              read.results[0].credit == credit_status::limited);
  BOOST_REQUIRE(read.results[0].progress);
  BOOST_CHECK_EQUAL(read.results[0].progress->resume_ms, 170'000);
  BOOST_CHECK_EQUAL(read.results[0].progress->seconds_watched, 170);
}

BOOST_AUTO_TEST_CASE(a_session_key_that_does_not_fit_leads_to_the_devices_signature) {
  for (const char* name : {"session-key-unknown", "bad-signature"})
    for (const bool session_key : {true, false}) {
      http_response response;
      response.status = 401;
      response.body = std::string{R"({"type":"urn:watchkeeper:problem:)"} + name + "\"}";
      const sent_token token{*session_id::parse("s"), 0, session_key};
      const auto read = read_heartbeat_response(response, std::span{&token, 1});
      const auto expected = session_key ? result_kind::sign_by_device
                            : std::string_view{name} == "bad-signature" ? result_kind::rejected
                                                                        : result_kind::retry;
      BOOST_CHECK(read.results[0].kind == expected);
    }
}

BOOST_AUTO_TEST_CASE(key_sets_good_and_bad) {
  const auto key = software_key::generate();
  const auto& kid = key.kid_text();
  const auto x = base64url::encode(key.public_key().raw().first(32));
  const auto y = base64url::encode(key.public_key().raw().subspan(32));
  const auto jwk = [&](const std::string& use, const std::string& id, const std::string& ex) {
    return R"({"kty":"EC","crv":"P-256","use":")" + use + R"(","kid":")" + id + R"(","x":")" + ex +
           R"(","y":")" + y + R"(","alg":"ECDH-ES"})";
  };
  std::string good =
      R"({"keys":[{"kty":"OKP","x":"AA"},)" + jwk("sig", "a", x) + "," + jwk("enc", kid, x) + "]}";
  const auto found = read_key_set(good);
  BOOST_REQUIRE(found);
  BOOST_CHECK_EQUAL(found->kid, kid);
  BOOST_CHECK(std::equal(found->point.begin(), found->point.end(), key.public_key().bytes.begin()));
  std::string seventeen = R"({"keys":[)";
  for (int i = 0; i < 17; ++i) seventeen += (i ? "," : "") + jwk("enc", kid, x);
  for (std::string bad :
       {std::string{}, std::string{"{}"}, std::string{"[]"}, std::string{R"({"keys":{}})"},
        std::string{R"({"keys":[]})"}, std::string{R"({"keys":[1]})"},
        R"({"keys":[)" + jwk("enc", kid.substr(1), x) + "]}",
        R"({"keys":[)" + jwk("enc", "a\\\"b", x) + "]}",
        R"({"keys":[)" + jwk("enc", kid + "k", x) + "]}",
        R"({"keys":[)" + jwk("enc", kid, y) + "]}",  // not on the curve
        R"({"keys":[)" + jwk("enc", kid, x.substr(1)) + "]}",
        R"({"keys":[)" + jwk("enc", kid, x) + "]} x", seventeen + "]}"})
    BOOST_CHECK_MESSAGE(!read_key_set(bad), bad);
}

BOOST_AUTO_TEST_CASE(urls) {
  std::string why;
  const auto good = parse_gateway_url("https://watch.example.org/", why);
  BOOST_REQUIRE(good);
  BOOST_CHECK(good->tls && good->port == 443 && good->authority == "watch.example.org");
  const auto six = parse_gateway_url("http://[::1]:8080", why);
  BOOST_REQUIRE(six);
  BOOST_CHECK(!six->tls && six->port == 8080 && six->host == "::1");
  for (const char* bad :
       {"", "watch.example.org", "ftp://x", "https://", "https://x/v1", "https://x:0",
        "https://x:65536", "https://x:", "https://u@x", "https://[::1", "https://x y"})
    if (std::string_view{bad} != "https://x:") {
      why.clear();
      BOOST_CHECK_MESSAGE(!parse_gateway_url(bad, why) && !why.empty(), bad);
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(signing_suite)

BOOST_AUTO_TEST_CASE(der_becomes_raw_with_leading_zeros_put_back_and_taken_away) {
  const auto raw = raw_signature_of(der_of({0x01}, {0x00, 0x80}));
  BOOST_REQUIRE(raw);
  BOOST_CHECK_EQUAL((*raw)[31], 1);
  BOOST_CHECK_EQUAL((*raw)[63], 0x80);
  BOOST_CHECK_EQUAL(std::count(raw->begin(), raw->end(), 0), 62);
  std::vector<std::uint8_t> high(33, 0xff);
  high[0] = 0;
  BOOST_CHECK(raw_signature_of(der_of(high, high)));
}

BOOST_AUTO_TEST_CASE(bad_der_is_no_signature) {
  const auto good = der_of({0x11, 0x22}, {0x33});
  BOOST_REQUIRE(raw_signature_of(good));
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    BOOST_CHECK(!raw_signature_of(std::span{good}.first(cut)));
  auto longer = good;
  longer.push_back(0);
  BOOST_CHECK(!raw_signature_of(longer));
  std::vector<std::uint8_t> too_high(33, 0xff);
  std::vector<std::uint8_t> too_long(34, 1);
  too_long[0] = 0;
  for (const auto& bad : {der_of({}, {1}), der_of({0}, {1}), der_of({1}, {0}), der_of({0x80}, {1}),
                          der_of({0, 1}, {1}), der_of(too_high, {1}), der_of({1}, too_long),
                          std::vector<std::uint8_t>{0x30, 0x81, 6, 2, 1, 1, 2, 1, 1},
                          std::vector<std::uint8_t>{0x31, 6, 2, 1, 1, 2, 1, 1},
                          std::vector<std::uint8_t>{0x30, 6, 3, 1, 1, 2, 1, 1},
                          std::vector<std::uint8_t>{0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1}})
    BOOST_CHECK(!raw_signature_of(bad));
}

BOOST_AUTO_TEST_CASE(what_is_signed_is_what_the_strict_parser_reads_and_the_verifier_accepts) {
  std::mt19937_64 random{3};
  const std::string alphabet = "ABCxyz019._~:@-";
  const auto id = [&] {
    std::string text = "A";  // neither '.' nor '..'
    for (auto n = random() % 64; n > 0; --n) text += alphabet[random() % alphabet.size()];
    return text;
  };
  const auto key = software_key::generate();
  BOOST_CHECK(key.kid() == crypto::thumbprint_of(key.public_key()));
  const crypto::signature_verifier verifier{key.public_key()};
  for (int i = 0; i < 300; ++i) {
    token_claims claims;
    claims.student = *student_id::parse(id());
    claims.module = *module_id::parse(id());
    claims.session = *session_id::parse(id());
    claims.sequence = static_cast<std::uint32_t>(random() % 0x8000'0000);
    claims.interval.from_ms = static_cast<media_ms>(random() % 86'000'000);
    claims.interval.to_ms = claims.interval.from_ms + 1 + static_cast<media_ms>(random() % 30'000);
    claims.playback_rate_permille = 250 + static_cast<std::int32_t>(random() % 3751);
    claims.issued_at_ms = static_cast<wall_ms>(random() % 4'000'000'000'000);
    const auto token = key.sign_token(claims);
    std::string_view detail;
    const auto parsed = parse_engagement_token(token, &detail);
    BOOST_REQUIRE_MESSAGE(parsed, detail);
    BOOST_CHECK(verifier.verify(parsed->signing_input, parsed->signature));
    BOOST_CHECK(parsed->claims.student == claims.student && parsed->claims.module == claims.module);
    BOOST_CHECK(parsed->claims.interval == claims.interval);
    BOOST_CHECK_EQUAL(parsed->claims.sequence, claims.sequence);
    BOOST_CHECK_EQUAL(parsed->claims.playback_rate_permille, claims.playback_rate_permille);
    BOOST_CHECK_EQUAL(parsed->claims.issued_at_ms, claims.issued_at_ms);
  }
}

BOOST_AUTO_TEST_CASE(the_longest_token_with_an_offered_key_is_within_the_limit) {
  const std::string longest(limits::id_chars_max, 'x');
  token_claims claims;
  claims.student = *student_id::parse(longest);
  claims.module = *module_id::parse(longest);
  claims.session = *session_id::parse(longest);
  claims.sequence = limits::sequence_max;
  claims.interval = {limits::media_duration_ms_max - 1, limits::media_duration_ms_max};
  claims.playback_rate_permille = 1001;
  claims.issued_at_ms = wall_ms{253'402'300'799'999};
  key_offer offer;
  const auto kid = std::string(limits::id_chars_max, 'k');
  offer.gateway_kid = kid;
  const auto token =
      finish_token(signing_input(device_header(std::string(43, 'k')), claims, &offer),
                   std::array<std::uint8_t, 64>{});
  BOOST_TEST_MESSAGE("longest token: " << token.size());
  BOOST_CHECK_LE(token.size(), limits::token_bytes_max);
}

BOOST_AUTO_TEST_CASE(a_key_file_is_made_once_and_is_pem_that_others_read) {
  const directory at;
  const auto path = at.file("device.pem");
  const auto first = open_key_file(path);
  BOOST_REQUIRE_MESSAGE(first.key, first.error);
  const auto again = open_key_file(path);
  BOOST_REQUIRE(again.key);
  BOOST_CHECK(first.key->kid() == again.key->kid());
  struct stat info {};
  BOOST_REQUIRE_EQUAL(stat(path.c_str(), &info), 0);
  BOOST_CHECK_EQUAL(info.st_mode & 0777, 0600);
  std::ofstream{at.file("text")} << "no key";
  BOOST_CHECK(!open_key_file(at.file("text")).key);
  BOOST_CHECK(!open_key_file(at.file("no/such/place")).key);
  BOOST_CHECK(open_key_file(at.file("no/such/place")).error.find("written") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(key_agreement_is_that_of_nist_and_the_derivation_that_of_rfc_5869) {
  // NIST CAVS 14.1, ECC CDH primitive, P-256, COUNT 0.
  const auto bytes = []<std::size_t N>(const char* hex, std::array<std::uint8_t, N>& into) {
    for (std::size_t i = 0; i < N; ++i)
      into[i] = static_cast<std::uint8_t>(std::stoi(std::string(hex + 2 * i, 2), nullptr, 16));
  };
  std::array<std::uint8_t, 64> peer;
  std::array<std::uint8_t, 32> scalar;
  shared_secret expected, z;
  bytes(
      "700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"
      "db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac",
      peer);
  bytes("7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534", scalar);
  bytes("46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b", expected);
  BOOST_REQUIRE(agree_with(scalar, peer, z));
  BOOST_CHECK(z == expected);
  peer[0] ^= 1;
  BOOST_CHECK(!agree_with(scalar, peer, z));
  // RFC 4231, test case 2.
  std::array<std::uint8_t, 32> mac;
  bytes("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", mac);
  const std::string key = "Jefe";
  BOOST_CHECK(hmac_sha256(std::span{reinterpret_cast<const std::uint8_t*>(key.data()), key.size()},
                          "what do ya want for nothing?") == mac);
  // Two sides agree.
  std::array<std::uint8_t, 64> own;
  const auto gateway = software_key::generate();
  shared_secret there;
  BOOST_REQUIRE(agree(std::span<const std::uint8_t, 64>{gateway.public_key().bytes}, own, z));
  BOOST_REQUIRE(agree_with(gateway.private_scalar(), own, there));
  BOOST_CHECK(z == there);
  BOOST_CHECK(derive_session_key(z, "a.b") == derive_session_key(there, "a.b"));
  BOOST_CHECK(derive_session_key(z, "a.b") != derive_session_key(there, "a.c"));
}

BOOST_AUTO_TEST_SUITE_END()
