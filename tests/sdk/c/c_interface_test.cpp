// watchkeeper.h as an app sees it, with callbacks of the app's own.

#include <malloc.h>

#include <sdk/c/include/watchkeeper.h>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "sdk/c/software_key.hpp"
#include "tests/sdk/c/support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::sdk;
using namespace watchkeeper::sdk::testing;

namespace {

/// What an app brings: a keystore that gives DER, a clock, a storage, a transport.
struct app {
  software_key key = software_key::generate();
  std::int64_t unix_ms = 1'763'812'345'000, monotonic_ms = 77'000;
  std::string stored;
  bool load_fails = false, save_fails = false, bad_der = false;
  std::vector<std::pair<std::uint64_t, std::string>> requests;
  std::vector<std::string> received;
  wk_client* client = nullptr;
  int respond_at_once = 0;  // a status
  wk_options options;

  app() {
    wk_options_init(&options);
    options.student = "ada";
    options.session_keys = 0;
    options.signer.sign = sign;
    options.signer.user = this;
    options.signer.format = WK_SIGNATURE_DER;
    options.signer.public_key = key.public_key().bytes.data();
    options.signer.public_key_size = 64;
    options.clock = {[](void* user, std::int64_t* wall, std::int64_t* steady) {
                       *wall = static_cast<app*>(user)->unix_ms;
                       *steady = static_cast<app*>(user)->monotonic_ms;
                     },
                     this};
    options.storage = {load, save, this};
    options.transport = {send, nullptr, this};
    options.callbacks = {this, on_progress, on_drop, on_failure};
  }
  ~app() { wk_client_destroy(client); }
  void start() {
    char text[200];
    client = wk_client_create(&options, nullptr, text, sizeof text);
    BOOST_REQUIRE_MESSAGE(client != nullptr, text);
    BOOST_REQUIRE_EQUAL(wk_client_open(client, "m1", "s1"), WK_OK);
    BOOST_REQUIRE_EQUAL(wk_client_play(client, 0), WK_OK);
  }
  void pass(std::int64_t ms) {
    unix_ms += ms;
    monotonic_ms += ms;
  }

  static int sign(void* user, const std::uint8_t* data, std::size_t size, std::uint8_t* out,
                  std::size_t* out_size) {
    auto& self = *static_cast<app*>(user);
    const auto raw = self.key.sign({reinterpret_cast<const char*>(data), size});
    std::vector<std::uint8_t> der{0x30, 0};
    for (int part = 0; part < 2; ++part) {
      std::vector<std::uint8_t> number(raw.begin() + part * 32, raw.begin() + part * 32 + 32);
      while (number.size() > 1 && number[0] == 0) number.erase(number.begin());
      if (number[0] & 0x80) number.insert(number.begin(), 0);
      der.push_back(2);
      der.push_back(static_cast<std::uint8_t>(number.size()));
      der.insert(der.end(), number.begin(), number.end());
    }
    der[1] = static_cast<std::uint8_t>(der.size() - 2);
    if (self.bad_der) der[0] = 0x31;
    BOOST_REQUIRE_LE(der.size(), *out_size);
    std::memcpy(out, der.data(), der.size());
    *out_size = der.size();
    return 0;
  }
  static int load(void* user, std::uint8_t* data, std::size_t capacity, std::size_t* size) {
    auto& self = *static_cast<app*>(user);
    if (self.load_fails) return 1;
    *size = std::min(capacity, self.stored.size());
    std::memcpy(data, self.stored.data(), *size);
    return 0;
  }
  static int save(void* user, const std::uint8_t* data, std::size_t size) {
    auto& self = *static_cast<app*>(user);
    if (self.save_fails) return 1;
    self.stored.assign(reinterpret_cast<const char*>(data), size);
    return 0;
  }
  static int send(void* user, wk_client* client, const wk_request* request) {
    auto& self = *static_cast<app*>(user);
    self.requests.emplace_back(
        request->id, std::string{reinterpret_cast<const char*>(request->body), request->body_size});
    if (self.respond_at_once != 0) {
      const auto body = response_to(lines_of(self.requests.back().second), credited);
      const wk_response response{self.respond_at_once, -1,
                                 reinterpret_cast<const std::uint8_t*>(body.data()), body.size()};
      BOOST_CHECK_EQUAL(wk_client_respond(client, request->id, &response), WK_OK);
    }
    return 0;
  }
  static void on_progress(void* user, const wk_progress* of) {
    auto& self = *static_cast<app*>(user);
    self.received.push_back(std::string{"progress "} + of->module + " " + of->session + " " +
                            std::to_string(of->seconds_watched));
    // The client is at rest: everything may be called.
    wk_status status;
    BOOST_CHECK_EQUAL(wk_client_status(self.client, &status), WK_OK);
    BOOST_CHECK_EQUAL(wk_client_poll(self.client), WK_OK);
  }
  static void on_drop(void* user, const wk_drop* drops, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
      static_cast<app*>(user)->received.push_back(std::string{"drop "} + drops[i].problem);
  }
  static void on_failure(void* user, wk_failure which, const char*) {
    static_cast<app*>(user)->received.push_back("failure " + std::to_string(which));
  }
};

std::size_t heap_in_use() {
  return mallinfo2().uordblks;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(c_interface_suite)

BOOST_FIXTURE_TEST_CASE(an_app_with_a_keystore_and_a_transport_of_its_own, app) {
  start();
  pass(10'000);
  BOOST_CHECK_EQUAL(wk_client_position(client, 10'000), WK_OK);
  BOOST_CHECK_EQUAL(wk_client_next_due_ms(client), 0);
  BOOST_CHECK_EQUAL(wk_client_poll(client), WK_OK);
  BOOST_REQUIRE_EQUAL(requests.size(), 1);
  const auto parsed = parse_engagement_token(requests[0].second);
  BOOST_REQUIRE(parsed);
  const auto body = response_to({requests[0].second}, credited);
  wk_response response{200, -1, reinterpret_cast<const std::uint8_t*>(body.data()), body.size()};
  BOOST_CHECK_EQUAL(wk_client_respond(client, requests[0].first + 1, &response), WK_ERROR_STATE);
  BOOST_CHECK_EQUAL(wk_client_respond(client, requests[0].first, &response), WK_OK);
  BOOST_CHECK_EQUAL(wk_client_respond(client, requests[0].first, &response), WK_ERROR_STATE);
  BOOST_CHECK((received == std::vector<std::string>{"progress m1 s1 10"}));
  wk_status status;
  BOOST_REQUIRE_EQUAL(wk_client_status(client, &status), WK_OK);
  BOOST_CHECK_EQUAL(status.acknowledged, 1);
  BOOST_CHECK_EQUAL(status.seconds_watched, 10);
  BOOST_CHECK_EQUAL(status.progress_known, 1);
  BOOST_CHECK_EQUAL(status.playing, 1);
  BOOST_CHECK_EQUAL(wk_client_descriptor(client, nullptr), -1);
}

BOOST_FIXTURE_TEST_CASE(a_response_within_send_is_reported_after_it, app) {
  start();
  respond_at_once = 200;
  pass(10'000);
  wk_client_position(client, 10'000);
  wk_client_poll(client);
  BOOST_CHECK((received == std::vector<std::string>{"progress m1 s1 10"}));
}

BOOST_FIXTURE_TEST_CASE(a_clock_that_calls_the_client_is_refused, app) {
  struct caller {
    app* of;
    int calls = 0;
  } by{this};
  options.clock = {[](void* user, std::int64_t* wall, std::int64_t* steady) {
                     auto& self = *static_cast<caller*>(user);
                     *wall = self.of->unix_ms;
                     *steady = self.of->monotonic_ms;
                     if (self.of->client == nullptr) return;
                     ++self.calls;
                     wk_status status;
                     BOOST_CHECK_EQUAL(wk_client_pause(self.of->client, 1), WK_ERROR_STATE);
                     BOOST_CHECK_EQUAL(wk_client_poll(self.of->client), WK_ERROR_STATE);
                     BOOST_CHECK_EQUAL(wk_client_wait(self.of->client, 0), WK_ERROR_STATE);
                     BOOST_CHECK_EQUAL(wk_client_status(self.of->client, &status), WK_ERROR_STATE);
                     BOOST_CHECK_EQUAL(wk_client_next_due_ms(self.of->client), -1);
                   },
                   &by};
  start();
  pass(10'000);
  BOOST_CHECK_EQUAL(wk_client_position(client, 10'000), WK_OK);
  BOOST_CHECK_EQUAL(wk_client_poll(client), WK_OK);
  BOOST_CHECK_EQUAL(requests.size(), 1);
  BOOST_CHECK_GT(by.calls, 0);
  wk_client_destroy(client);  // it asks the clock, which is gone with this scope
  client = nullptr;
}

BOOST_FIXTURE_TEST_CASE(a_keystore_that_gives_no_good_der_sends_nothing, app) {
  start();
  bad_der = true;
  pass(10'000);
  wk_client_position(client, 10'000);
  wk_client_poll(client);
  BOOST_CHECK(requests.empty());
  BOOST_CHECK((received == std::vector<std::string>{"failure 3"}));
  bad_der = false;
  pass(60'000);
  wk_client_poll(client);
  BOOST_CHECK_EQUAL(requests.size(), 1);
}

BOOST_FIXTURE_TEST_CASE(callbacks_of_the_storage_that_fail_are_reported_and_nothing_is_lost, app) {
  save_fails = true;
  start();
  pass(10'000);
  wk_client_position(client, 10'000);
  BOOST_CHECK((received == std::vector<std::string>{"failure 5"}));
  wk_status status;
  wk_client_status(client, &status);
  BOOST_CHECK_EQUAL(status.storage_failing, 1);
  BOOST_CHECK_EQUAL(status.buffered, 1);
  save_fails = false;
  wk_client_flush(client);
  BOOST_CHECK(stored.find("s1 m1 0 0 10000") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(arguments_out_of_range_are_refused_by_name, app) {
  start();
  BOOST_CHECK_EQUAL(wk_client_position(client, -2), WK_ERROR_ARGUMENT);
  BOOST_CHECK_EQUAL(wk_client_position(client, INT64_MAX), WK_ERROR_ARGUMENT);
  for (const double rate : {0.0, -1.0, 4.1, 1e300, std::nan(""), HUGE_VAL})
    BOOST_CHECK_EQUAL(wk_client_rate(client, 0, rate), WK_ERROR_ARGUMENT);
  BOOST_CHECK_EQUAL(wk_client_open(client, "no spaces", nullptr), WK_ERROR_ARGUMENT);
  BOOST_CHECK_EQUAL(wk_client_open(client, "..", nullptr), WK_ERROR_ARGUMENT);
  BOOST_CHECK_EQUAL(wk_client_open(client, nullptr, nullptr), WK_ERROR_ARGUMENT);
  BOOST_CHECK_EQUAL(wk_client_respond(client, 1, nullptr), WK_ERROR_ARGUMENT);
  BOOST_CHECK_EQUAL(wk_client_play(nullptr, 0), WK_ERROR_ARGUMENT);
  BOOST_CHECK_EQUAL(wk_client_poll(nullptr), WK_ERROR_ARGUMENT);
  wk_client_destroy(nullptr);

  const auto refused = [](wk_options with) {
    char text[200];
    wk_result result = WK_OK;
    BOOST_CHECK(wk_client_create(&with, &result, text, sizeof text) == nullptr);
    BOOST_CHECK_GT(std::strlen(text), 10);
    return result;
  };
  auto with = options;
  with.student = "no spaces";
  BOOST_CHECK_EQUAL(refused(with), WK_ERROR_ARGUMENT);
  with = options;
  with.heartbeat_ms = 30'001;
  BOOST_CHECK_EQUAL(refused(with), WK_ERROR_ARGUMENT);
  for (const int every : {0, -1, 1'001}) {
    with = options;
    with.full_response_every = every;
    BOOST_CHECK_EQUAL(refused(with), WK_ERROR_ARGUMENT);
  }
  with = options;
  with.signer.public_key_size = 63;
  BOOST_CHECK_EQUAL(refused(with), WK_ERROR_KEY);
  with = options;
  with.signer.sign = nullptr;
  BOOST_CHECK_EQUAL(refused(with), WK_ERROR_KEY);
  with = options;
  with.transport.send = nullptr;
  with.url = "watch.example.org";
  BOOST_CHECK_EQUAL(refused(with), WK_ERROR_URL);
  with = options;
  with.struct_size = 0;
  BOOST_CHECK_EQUAL(refused(with), WK_ERROR_ARGUMENT);
  stored = "watchkeeper-buffer 1 grace\n";
  BOOST_CHECK_EQUAL(refused(options), WK_ERROR_FOREIGN_STORAGE);
}

BOOST_FIXTURE_TEST_CASE(without_a_session_there_is_nothing_to_report, app) {
  client = wk_client_create(&options, nullptr, nullptr, 0);
  BOOST_REQUIRE(client != nullptr);
  BOOST_CHECK_EQUAL(wk_client_play(client, 0), WK_ERROR_STATE);
  BOOST_CHECK_EQUAL(wk_client_open(client, "m", nullptr), WK_OK);
  BOOST_CHECK_EQUAL(wk_client_play(client, 0), WK_OK);
}

BOOST_FIXTURE_TEST_CASE(a_host_built_with_an_older_or_a_newer_header, app) {
  struct newer {
    wk_options now;
    void* later;
  } options_of_tomorrow;
  std::memset(&options_of_tomorrow, 0xee, sizeof options_of_tomorrow);
  wk_options_init_sized(&options_of_tomorrow.now, sizeof options_of_tomorrow);
  BOOST_CHECK(options_of_tomorrow.later == nullptr);
  BOOST_CHECK_EQUAL(options_of_tomorrow.now.heartbeat_ms, 10'000);
  // Of an older one the last members are not there: they have their defaults.
  options.struct_size = offsetof(wk_options, request_timeout_ms);
  options.request_timeout_ms = -1;
  start();
  std::vector<unsigned char> small(sizeof(wk_status), 0xee);
  wk_client_status_sized(client, reinterpret_cast<wk_status*>(small.data()),
                         offsetof(wk_status, made));
  BOOST_CHECK_EQUAL(small[offsetof(wk_status, made)], 0xee);
}

BOOST_AUTO_TEST_CASE(public_keys_in_the_three_forms_name_one_device) {
  const auto key = software_key::generate();
  std::vector<std::uint8_t> raw(key.public_key().bytes.begin(), key.public_key().bytes.end());
  auto uncompressed = raw;
  uncompressed.insert(uncompressed.begin(), 4);
  std::vector<std::uint8_t> info{0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
  info.insert(info.end(), uncompressed.begin(), uncompressed.end());
  for (const auto& form : {raw, uncompressed, info}) {
    wk_identity identity;
    BOOST_REQUIRE_EQUAL(wk_identity_of_public_key(form.data(), form.size(), &identity), WK_OK);
    BOOST_CHECK_EQUAL(identity.kid, key.kid_text());
    BOOST_CHECK(std::strstr(identity.jwk, "\"kty\":\"EC\"") != nullptr);
    BOOST_CHECK_EQUAL(std::strlen(identity.jwk), public_jwk(key.identity()).size());
  }
  wk_identity identity;
  info[5] ^= 1;
  BOOST_CHECK_EQUAL(wk_identity_of_public_key(info.data(), info.size(), &identity), WK_ERROR_KEY);
  uncompressed[0] = 2;
  BOOST_CHECK_EQUAL(wk_identity_of_public_key(uncompressed.data(), 65, &identity), WK_ERROR_KEY);
  raw[0] ^= 1;
  BOOST_CHECK_EQUAL(wk_identity_of_public_key(raw.data(), 64, &identity), WK_ERROR_KEY);
}

BOOST_AUTO_TEST_CASE(a_thousand_clients_in_one_process_take_less_than_8_kb_each) {
  constexpr std::size_t count = 1000;
  app first;  // what OpenSSL keeps for the thread is not a client's
  first.start();
  std::vector<std::unique_ptr<app>> apps;
  for (std::size_t i = 0; i < count; ++i) apps.push_back(std::make_unique<app>());
  std::vector<wk_client*> clients(count);
  const auto before = heap_in_use();
  for (std::size_t i = 0; i < count; ++i) {
    clients[i] = wk_client_create(&apps[i]->options, nullptr, nullptr, 0);
    BOOST_REQUIRE(clients[i] != nullptr);
  }
  const auto idle = heap_in_use();
  // Each plays, and holds a full buffer.
  for (std::size_t i = 0; i < count; ++i) {
    apps[i]->client = clients[i];
    BOOST_REQUIRE_EQUAL(wk_client_open(clients[i], "m1", nullptr), WK_OK);
    wk_client_play(clients[i], 0);
    for (int n = 1; n <= 5; ++n) {
      apps[i]->pass(10'000);
      BOOST_REQUIRE_EQUAL(wk_client_position(clients[i], n * 10'000), WK_OK);
    }
    BOOST_REQUIRE_EQUAL(wk_client_poll(clients[i]), WK_OK);
    BOOST_REQUIRE_EQUAL(apps[i]->requests.size(), 1);
    BOOST_REQUIRE_EQUAL(lines_of(apps[i]->requests[0].second).size(), 5);
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const auto bytes = (idle - before) / count;
  BOOST_TEST_MESSAGE("an idle client takes " << bytes << " bytes");
  BOOST_CHECK_GT(bytes, 100);
  BOOST_CHECK_LT(bytes, 8 * 1024);
#else
  (void)idle;
  (void)before;
#endif
}

BOOST_AUTO_TEST_SUITE_END()
