#include <boost/test/unit_test.hpp>

#include "storage/limits.hpp"
#include "tests/server/api/api_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;
using net::http_method;
using nlohmann::json;

namespace {

struct device {
  explicit device(signature_algorithm algorithm)
      : signer(crypto::device_signer::generate(algorithm)),
        kid(signer.kid().text()),
        jwk(json::parse(crypto::public_jwk_json(signer.public_key()))) {}
  crypto::device_signer signer;
  std::string kid;
  json jwk;
  [[nodiscard]] std::string path() const { return "/v1/devices/" + kid; }
};

/// A student whose progress is in the hot store alone, clean, once the ledger has lost the
/// enrolment.
struct lost_enrolment : api_fixture {
  lost_enrolment() {
    BOOST_TEST(enrol_again() == 201);
    life = ledger_store->life_of(student).value();
    storage::hot_request played;
    auto& credit = played.credit;
    credit.student = student;
    credit.module = pair_of("s1", "m1").module;
    credit.session = *session_id::parse("s");
    credit.epoch = life.epoch;
    credit.interval = {0, 1'000};
    credit.played_at_ms = credit.now_ms = now;
    credit.duration_ms = 60'000;
    credit.mastery_measured_ms = 57'000;
    credit.max_rate_permille = 2000;
    const storage::pair_progress blank{credit.pair(), blank_progress(life)};
    BOOST_REQUIRE(hot->merge({&blank, 1}, storage::merge_origin::ledger).has_value());
    BOOST_REQUIRE(hot->apply({&played, 1}).value()[0].state == storage::applied_state::done);
    const auto partition = partition_of(student);
    const auto dirty = hot->read_dirty(partition, 10).value().pairs;
    BOOST_REQUIRE(hot->mark_clean(partition, dirty).has_value());
    BOOST_TEST(hot->dirty_count().value() == 0u);
  }
  void lose() const {
    storage::sqlite_database((directory.path / "ledger.db").string(), {})
        .execute("DELETE FROM device; DELETE FROM student");
  }
  int enrol_again() { return put(d.path(), {{"student", "s1"}, {"jwk", d.jwk}}).status; }
  std::uint32_t epoch() { return ledger_store->life_of(student).value().epoch; }

  const device d{signature_algorithm::es256};
  const student_id student = pair_of("s1", "m1").student;
  student_life life;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(api_devices)

BOOST_FIXTURE_TEST_CASE(a_device_is_enrolled_read_and_revoked, api_fixture) {
  for (const auto algorithm : {signature_algorithm::es256, signature_algorithm::eddsa}) {
    const device d(algorithm);
    (void)gateway.take_notes();
    check_problem(get(d.path()), 404, "not-found");
    check_problem(del(d.path()), 404, "not-found");
    const auto first = put(d.path(), {{"student", "s1"}, {"jwk", d.jwk}});
    BOOST_TEST(first.status == 201, first.body);
    const auto document = json_of(first);
    BOOST_TEST(document["kid"] == d.kid);
    BOOST_TEST(document["student"] == "s1");
    BOOST_TEST(document["jwk"] == d.jwk);
    BOOST_TEST(document["revoked"] == false);
    BOOST_TEST(gateway.take_notes() == (std::vector<std::string>{"forget_device " + d.kid}),
               boost::test_tools::per_element());

    clock.advance(1000);  // the time of enrolment stays
    const auto again = put(d.path(), {{"student", "s1"}, {"jwk", d.jwk}});
    BOOST_TEST(again.status == 200);
    BOOST_TEST(json_of(again) == document);
    BOOST_TEST(json_of(get(d.path())) == document);
    check_problem(put(d.path(), {{"student", "s2"}, {"jwk", d.jwk}}), 409, "conflict");
    BOOST_TEST(json_of(get(d.path())) == document);

    (void)gateway.take_notes();
    BOOST_TEST(del(d.path()).status == 204);
    BOOST_TEST(gateway.take_notes() == (std::vector<std::string>{"forget_device " + d.kid}),
               boost::test_tools::per_element());
    BOOST_TEST(json_of(get(d.path()))["revoked"] == true);
    BOOST_TEST(del(d.path()).status == 204);
    BOOST_TEST(put(d.path(), {{"student", "s1"}, {"jwk", d.jwk}}).status == 200);
    BOOST_TEST(json_of(get(d.path()))["revoked"] == false);
  }
}

BOOST_FIXTURE_TEST_CASE(who_enrols_after_the_ledger_lost_it_goes_on, lost_enrolment) {
  const device second(signature_algorithm::eddsa);
  BOOST_TEST(put(second.path(), {{"student", "s1"}, {"jwk", second.jwk}}).status == 201);
  BOOST_TEST(hot->dirty_count().value() == 0u);
  lose();
  BOOST_TEST(enrol_again() == 201);
  BOOST_TEST(epoch() == life.epoch);
  BOOST_TEST(hot->dirty_count().value() == 1u);
}

BOOST_FIXTURE_TEST_CASE(so_does_who_has_not_played_for_days, lost_enrolment) {
  lose();
  clock.advance(3 * storage_limits::student_ttl_ms);
  BOOST_TEST(enrol_again() == 201);
  BOOST_TEST(epoch() == life.epoch);
  BOOST_TEST(hot->dirty_count().value() == 1u);
}

BOOST_FIXTURE_TEST_CASE(so_does_who_enrols_twice_because_the_hot_store_failed, lost_enrolment) {
  lose();
  {
    storage::sqlite_database other((directory.path / "hot.db").string(), {});
    const storage::sqlite_transaction held(other, storage::sqlite_transaction::mode::write);
    BOOST_TEST(enrol_again() == 503);  // after 2 s
  }
  BOOST_TEST(hot->dirty_count().value() == 0u);
  BOOST_TEST(enrol_again() == 200);
  BOOST_TEST(epoch() == life.epoch);
  BOOST_TEST(hot->dirty_count().value() == 1u);
}

/// The hot store has come back older than an erasure that the ledger has forgotten since.
BOOST_FIXTURE_TEST_CASE(who_was_erased_begins_anew_whatever_the_hot_store_has, lost_enrolment) {
  for (const auto idle_ms : {std::int64_t{0}, 3 * storage_limits::student_ttl_ms}) {
    lose();
    clock.advance(idle_ms);
    gateway.erased[student] = life.epoch + 1;
    BOOST_TEST(enrol_again() == 201);
    BOOST_TEST(epoch() > life.epoch);
    BOOST_TEST(hot->dirty_count().value() == 0u);
  }
}

BOOST_FIXTURE_TEST_CASE(malformed_keys_are_rejected, api_fixture) {
  const device d(signature_algorithm::es256);
  const device e(signature_algorithm::eddsa);
  const auto rejected = [&](const device& of, json jwk, const std::string& named) {
    const auto response = put(of.path(), {{"student", "s1"}, {"jwk", std::move(jwk)}});
    check_problem(response, 400, "malformed-request");
    const auto detail = json_of(response).value("detail", "");
    BOOST_TEST(detail.find(named) != std::string::npos, named << " is not in: " << detail);
  };
  const auto changed = [](json jwk, const std::string& member, json value) {
    jwk[member] = std::move(value);
    return jwk;
  };
  rejected(d, changed(d.jwk, "d", "secret"), "private");
  rejected(e, changed(e.jwk, "d", "secret"), "private");
  rejected(d, changed(d.jwk, "kty", "RSA"), "jwk.kty must be");
  rejected(d, changed(d.jwk, "kty", "oct"), "jwk.kty must be");
  rejected(d, changed(d.jwk, "crv", "P-384"), "jwk.crv must be");
  rejected(e, changed(e.jwk, "crv", "X25519"), "jwk.crv must be");
  rejected(d, changed(d.jwk, "x", 1), "jwk.x must be");
  rejected(d, changed(d.jwk, "x", d.jwk["x"].get<std::string>() + "="), "jwk.x must be");
  rejected(d, changed(d.jwk, "x", d.jwk["y"]), "not a usable key");  // off the curve
  rejected(d, changed(d.jwk, "use", "enc"), "jwk.use must be");
  rejected(d, changed(d.jwk, "alg", "EdDSA"), "jwk.alg must be");
  rejected(d, changed(d.jwk, "kid", "other"), "jwk.kid must be");
  rejected(d, changed(d.jwk, "key_ops", json::array({"sign"})), "jwk.key_ops must be");
  rejected(d, changed(d.jwk, "x5u", "https://x"), "unknown member in jwk");
  rejected(d, "text", "jwk must be a JSON object");
  rejected(d, e.jwk, "not the thumbprint");
  // Points of small order: forgeries verify under them.
  rejected(e, changed(e.jwk, "x", std::string(43, 'A')), "not a usable key");
  rejected(e, changed(e.jwk, "x", "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
           "not a usable key");
  // The identity element in another encoding: y = p + 1.
  rejected(e, changed(e.jwk, "x", "7v_______________________________________38"),
           "not a usable key");

  auto tolerated = d.jwk;
  tolerated.update({{"use", "sig"}, {"alg", "ES256"}, {"kid", d.kid}, {"key_ops", {"verify"}}});
  BOOST_TEST(put(d.path(), {{"student", "s1"}, {"jwk", tolerated}}).status == 201);
  check_problem(put(d.path(), {{"student", "no spaces"}, {"jwk", d.jwk}}), 400,
                "malformed-request");
  check_problem(put(d.path(), {{"student", ".."}, {"jwk", d.jwk}}), 400, "malformed-request");
  check_problem(put(d.path(), {{"jwk", d.jwk}}), 400, "malformed-request");
  check_problem(put("/v1/devices/short", {{"student", "s1"}, {"jwk", d.jwk}}), 400,
                "malformed-request");
}

BOOST_FIXTURE_TEST_CASE(a_failing_gateway_is_503_and_says_nothing_of_the_store, api_fixture) {
  gateway.fails = true;
  const auto response = del("/v1/students/s1");
  check_problem(response, 503, "storage-unavailable");
  BOOST_TEST(response.body.find("secret of the store") == std::string::npos);
  BOOST_TEST(header_of(response, "retry-after") != "");
  BOOST_TEST(logged().find("secret of the store") != std::string::npos);
  gateway.fails = false;
  BOOST_TEST(del("/v1/students/s1").status == 204);
}

BOOST_AUTO_TEST_SUITE_END()
