// What one cryptographic operation on the way of a heartbeat costs, in microseconds of CPU time of
// one thread.
//
//   verify_bench [--json]   all of them: the fastest of several rounds, so that a neighbour on the
//                           machine does not count
//   verify_bench --es256    one number: the mean of one ES256 verification by OpenSSL over half a
//                           second, what a program that runs beside it right now would get
//
// The ways to verify ES256 with OpenSSL are those that docs/adr/0002-es256-verification.md
// compares; those of the own arithmetic, docs/adr/0012-own-p256-verification.md.

#include <fmt/format.h>
#include <malloc.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/device_signer.hpp"
#include "crypto/digest.hpp"
#include "crypto/es256.hpp"
#include "crypto/p256.hpp"
#include "crypto/p256_fast.hpp"
#include "crypto/signature_verifier.hpp"
#include "domain/engagement_token.hpp"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // ECDSA_do_verify is compared

namespace {

using namespace watchkeeper;

double thread_cpu_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

void require(bool condition) {
  if (condition) return;
  std::fputs("verify_bench: an operation gave the wrong result\n", stderr);
  std::exit(1);
}

struct measurement {
  std::string_view name;
  std::string_view what;
  double value;  // microseconds of CPU time, unless the name says bytes
};

template <class Operation>
double measure(int times, Operation&& operation) {
  constexpr int rounds = 7;
  double best = 1e12;
  for (int round = 0; round < rounds; ++round) {
    const auto start = thread_cpu_us();
    for (int i = 0; i < times; ++i) operation();
    best = std::min(best, (thread_cpu_us() - start) / times);
  }
  return best;
}

EVP_PKEY* evp_key(const device_public_key& key) {
  unsigned char point[65] = {4};
  std::copy(key.bytes.begin(), key.bytes.end(), point + 1);
  char group[] = "P-256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
      OSSL_PARAM_construct_end()};
  EVP_PKEY* made = nullptr;
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr);
  require(EVP_PKEY_fromdata_init(context) == 1 &&
          EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, params) == 1);
  EVP_PKEY_CTX_free(context);
  return made;
}

using raw_signature = std::array<std::uint8_t, 64>;

ECDSA_SIG* parsed(const raw_signature& raw) {
  ECDSA_SIG* signature = ECDSA_SIG_new();
  ECDSA_SIG_set0(signature, BN_bin2bn(raw.data(), 32, nullptr),
                 BN_bin2bn(raw.data() + 32, 32, nullptr));
  return signature;
}

/// The EVP functions want the signature as DER.
struct der_signature {
  unsigned char* bytes = nullptr;
  std::size_t size = 0;
  explicit der_signature(const raw_signature& raw) {
    ECDSA_SIG* signature = parsed(raw);
    size = static_cast<std::size_t>(i2d_ECDSA_SIG(signature, &bytes));
    ECDSA_SIG_free(signature);
  }
  ~der_signature() { OPENSSL_free(bytes); }
  der_signature(const der_signature&) = delete;
  der_signature& operator=(const der_signature&) = delete;
};

/// `context` is new (then with a key), or was used with its key before.
bool evp_digest_verify(EVP_MD_CTX* context, EVP_PKEY* key, std::string_view input,
                       const raw_signature& raw) {
  const der_signature der{raw};
  return EVP_DigestVerifyInit(context, nullptr, key ? EVP_sha256() : nullptr, nullptr, key) == 1 &&
         EVP_DigestVerify(context, der.bytes, der.size,
                          reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
}

/// What the documentation of OpenSSL leads to.
bool evp_one_shot(EVP_PKEY* key, std::string_view input, const raw_signature& raw) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool valid = evp_digest_verify(context, key, input, raw);
  EVP_MD_CTX_free(context);
  return valid;
}

EC_KEY* low_level_key(const device_public_key& key) {
  unsigned char point[65] = {4};
  std::copy(key.bytes.begin(), key.bytes.end(), point + 1);
  EC_KEY* made = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
  require(EC_KEY_oct2key(made, point, sizeof point, nullptr) == 1);
  return made;
}

bool low_level_verify(EC_KEY* key, std::string_view input, const raw_signature& raw) {
  const auto digest = crypto::sha256(input);
  ECDSA_SIG* signature = parsed(raw);
  const int valid = ECDSA_do_verify(digest.data(), 32, signature, key);
  ECDSA_SIG_free(signature);
  return valid == 1;
}

/// Bytes of heap that one more kept key takes.
template <class Make, class Free>
double heap_bytes(Make&& make, Free&& free) {
  constexpr std::size_t keys = 200;
  std::vector<decltype(make())> kept;
  kept.reserve(keys);
  const auto before = mallinfo2().uordblks;
  for (std::size_t i = 0; i < keys; ++i) kept.push_back(make());
  const auto after = mallinfo2().uordblks;
  for (auto* object : kept) free(object);
  return static_cast<double>(after - before) / keys;
}

/// Re-used contexts and low-level keys, the alternatives of the decision record.
void compare_es256(const device_public_key& key, std::string_view input, const raw_signature& raw,
                   std::vector<measurement>& results) {
  EVP_PKEY* evp = evp_key(key);
  EVP_MD_CTX* digest_context = EVP_MD_CTX_new();
  require(evp_digest_verify(digest_context, evp, input, raw));
  results.push_back(
      {"es256_verify_evp_kept_context", "ES256, EVP_DigestVerify, context kept",
       measure(500, [&] { require(evp_digest_verify(digest_context, nullptr, input, raw)); })});
  EVP_MD_CTX_free(digest_context);

  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(evp, nullptr);
  require(EVP_PKEY_verify_init(context) == 1);
  results.push_back(
      {"es256_verify_evp_pkey", "ES256, SHA-256 + EVP_PKEY_verify, context kept", measure(500, [&] {
         const auto digest = crypto::sha256(input);
         const der_signature der{raw};
         require(EVP_PKEY_verify(context, der.bytes, der.size, digest.data(), digest.size()) == 1);
       })});
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(evp);

  EC_KEY* low_level = low_level_key(key);
  results.push_back({"es256_verify_low_level", "ES256, SHA-256 + ECDSA_do_verify, key kept",
                     measure(500, [&] { require(low_level_verify(low_level, input, raw)); })});
  EC_KEY_free(low_level);

  const auto with_context = [&] {
    EVP_PKEY* owner = evp_key(key);
    EVP_PKEY_CTX* made = EVP_PKEY_CTX_new(owner, nullptr);
    require(EVP_PKEY_verify_init(made) == 1);
    EVP_PKEY_free(owner);  // the context holds it
    return made;
  };
  results.push_back({"evp_pkey_bytes", "heap bytes of an EVP_PKEY",
                     heap_bytes([&] { return evp_key(key); }, EVP_PKEY_free)});
  results.push_back({"evp_pkey_ctx_bytes", "heap bytes of an EVP_PKEY with its EVP_PKEY_CTX",
                     heap_bytes(with_context, EVP_PKEY_CTX_free)});
  results.push_back({"ec_key_bytes", "heap bytes of an EC_KEY",
                     heap_bytes([&] { return low_level_key(key); }, EC_KEY_free)});
  results.push_back({"signature_verifier_bytes", "bytes of a signature_verifier",
                     static_cast<double>(sizeof(crypto::signature_verifier))});
}

#if defined(__x86_64__)

/// The own arithmetic beside OpenSSL's bare one, by turns in one run: each figure is the fastest of
/// its rounds, so that a ratio is of the same minutes.
void compare_own(std::vector<measurement>& results) {
  namespace p256 = crypto::p256;
  if (!p256::fast_is_supported()) return;
  struct signed_digest {
    std::array<std::uint8_t, 64> point{};
    crypto::sha256_digest digest{};
    raw_signature signature{};
  };
  // As many devices as make every table leave the second-level cache: 20 MB of tables.
  std::vector<signed_digest> devices(10'000);
  for (auto& device : devices) {
    p256::private_key secret{};
    p256::generate(secret, device.point);
    crypto::random_bytes(device.digest);
    device.signature = p256::sign(secret, device.digest);
    // At the second verification the table is made.
    for (int i = 0; i < 2; ++i)
      require(crypto::es256::verify(device.point, device.digest, device.signature));
  }
  std::mt19937 random{1};
  std::shuffle(devices.begin(), devices.end(), random);

  const auto& one = devices.front();
  p256::affine_point point;
  p256::key_table table;
  require(p256::read_point(one.point, point));
  p256::make_table(point, table);

  std::size_t at = 0;
  const auto next = [&]() -> const signed_digest& {
    at = at + 1 < devices.size() ? at + 1 : 0;
    return devices[at];
  };
  constexpr int rounds = 15, times = 200, crowd_times = 2'000;
  std::array<double, 6> best;
  best.fill(1e12);
  const auto take_turn = [&](std::size_t which, int repeated, auto&& operation) {
    const auto start = thread_cpu_us();
    for (int i = 0; i < repeated; ++i) operation();
    best[which] = std::min(best[which], (thread_cpu_us() - start) / repeated);
  };
  for (int round = 0; round < rounds; ++round) {
    take_turn(0, times, [&] { require(p256::verify(one.point, one.digest, one.signature)); });
    take_turn(1, times, [&] { require(p256::verify_fast(one.point, one.digest, one.signature)); });
    take_turn(2, times, [&] { require(p256::verify_fast(table, one.digest, one.signature)); });
    take_turn(3, times, [&] { p256::make_table(point, table); });
    take_turn(4, crowd_times / 10, [&] {
      const auto& device = next();
      require(p256::verify(device.point, device.digest, device.signature));
    });
    take_turn(5, crowd_times, [&] {
      const auto& device = next();
      require(crypto::es256::verify(device.point, device.digest, device.signature));
    });
  }
  results.push_back({"p256_openssl", "P-256 by turns: OpenSSL, without the hash", best[0]});
  results.push_back({"p256_own", "P-256 by turns: own, without a table", best[1]});
  results.push_back({"p256_own_table", "P-256 by turns: own, with a table", best[2]});
  results.push_back({"p256_make_table", "P-256 by turns: making a table", best[3]});
  results.push_back({"p256_openssl_10k", "P-256 by turns: OpenSSL, 10,000 keys", best[4]});
  results.push_back({"p256_own_10k", "P-256 by turns: own, 10,000 keys and tables", best[5]});
  results.push_back({"p256_ratio_own", "ratio to OpenSSL, without a table", best[1] / best[0]});
  results.push_back({"p256_ratio_table", "ratio to OpenSSL, with a table", best[2] / best[0]});
  results.push_back({"p256_ratio_10k", "ratio to OpenSSL, 10,000 keys", best[5] / best[4]});
}

#else

void compare_own(std::vector<measurement>&) {}

#endif

token_claims example_claims() {
  token_claims claims;
  claims.student = *student_id::parse("student-4711");
  claims.module = *module_id::parse("linear-algebra-07");
  claims.session = *session_id::parse("0f8fad5b-d9cb-469f-a165-70867728950e");
  claims.sequence = 17;
  claims.interval = {160'000, 170'000};
  claims.issued_at_ms = wall_ms{1'763'812'345'123};
  return claims;
}

/// The mean over half a second: no round is picked. OpenSSL's, as what others would pay.
double es256_mean_us() {
  require(crypto::es256::use(crypto::es256::choice::openssl) ==
          crypto::es256::arithmetic::openssl_chosen);
  const auto signer = crypto::device_signer::generate(signature_algorithm::es256);
  const auto token = signer.sign_token(example_claims());
  const std::string_view input = std::string_view{token}.substr(0, token.rfind('.'));
  const auto signature = signer.sign(input);
  const crypto::signature_verifier verifier{signer.public_key()};
  const auto start = thread_cpu_us();
  double elapsed_us = 0;
  int times = 0;
  for (; elapsed_us < 500'000; elapsed_us = thread_cpu_us() - start)
    for (int i = 0; i < 100; ++i, ++times) require(verifier.verify(input, signature));
  return elapsed_us / times;
}

std::vector<measurement> run() {
  const auto claims = example_claims();
  std::vector<measurement> results;
  const auto p256 = crypto::device_signer::generate(signature_algorithm::es256);
  const auto token = p256.sign_token(claims);
  const std::string_view input = std::string_view{token}.substr(0, token.rfind('.'));
  const auto signature = p256.sign(input);

  results.push_back(
      {"es256_verify_evp_parse_key", "ES256, EVP one-shot, key parsed each time", measure(500, [&] {
         EVP_PKEY* key = evp_key(p256.public_key());
         require(evp_one_shot(key, input, signature));
         EVP_PKEY_free(key);
       })});
  EVP_PKEY* kept = evp_key(p256.public_key());
  results.push_back({"es256_verify_evp", "ES256, EVP one-shot, key kept",
                     measure(500, [&] { require(evp_one_shot(kept, input, signature)); })});
  EVP_PKEY_free(kept);
  compare_es256(p256.public_key(), input, signature, results);
  const crypto::signature_verifier p256_verifier{p256.public_key()};
  results.push_back({"es256_verify", "ES256, signature_verifier",
                     measure(500, [&] { require(p256_verifier.verify(input, signature)); })});

  compare_own(results);

  const auto ed25519 = crypto::device_signer::generate(signature_algorithm::eddsa);
  const auto ed25519_signature = ed25519.sign(input);
  const crypto::signature_verifier ed25519_verifier{ed25519.public_key()};
  results.push_back({"eddsa_verify", "Ed25519, signature_verifier", measure(500, [&] {
                       require(ed25519_verifier.verify(input, ed25519_signature));
                     })});

  const std::string mac_key(32, 'k');
  results.push_back({"hmac_sha256", "HMAC-SHA-256, OpenSSL one-shot", measure(5'000, [&] {
                       unsigned char mac[32];
                       require(HMAC(EVP_sha256(), mac_key.data(), 32,
                                    reinterpret_cast<const unsigned char*>(input.data()),
                                    input.size(), mac, nullptr) != nullptr);
                     })});
  results.push_back({"token_parse", "parse_engagement_token",
                     measure(20'000, [&] { require(parse_engagement_token(token).has_value()); })});
  results.push_back({"es256_sign", "ES256, device_signer",
                     measure(500, [&] { require(p256.sign(input)[0] + 1 > 0); })});
  results.push_back({"eddsa_sign", "Ed25519, device_signer",
                     measure(500, [&] { require(ed25519.sign(input)[0] + 1 > 0); })});
  results.push_back({"es256_generate", "ES256, a new device key", measure(200, [&] {
                       (void)crypto::device_signer::generate(signature_algorithm::es256);
                     })});
  return results;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view option = argc == 2 ? argv[1] : "";
  const bool json = option == "--json";
  if (option == "--es256") {
    fmt::print("{:.2f}\n", es256_mean_us());
    return 0;
  }
  if (argc > 1 && !json) {
    std::fputs("usage: verify_bench [--json | --es256]\n", stderr);
    return 2;
  }
  const auto results = run();
  if (!json) {
    fmt::print("{:<50} {:>9}\n", "microseconds of CPU time, one thread", "");
    for (const auto& r : results) fmt::print("{:<50} {:>9.2f}\n", r.what, r.value);
    return 0;
  }
  fmt::print("{{\"unit\":\"microseconds of CPU time\"");
  for (const auto& r : results) fmt::print(",\"{}\":{:.3f}", r.name, r.value);
  fmt::print("}}\n");
}
