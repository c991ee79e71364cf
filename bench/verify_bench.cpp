// What one cryptographic operation on the way of a heartbeat costs, in microseconds of CPU time of
// one thread: the fastest of several rounds, so that a neighbour on the machine does not count.
//
//   verify_bench [--json]

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/device_signer.hpp"
#include "crypto/signature_verifier.hpp"
#include "domain/engagement_token.hpp"

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
  double cpu_us;
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

/// What the documentation of OpenSSL leads to: the raw signature made DER, then EVP_DigestVerify.
bool evp_one_shot(EVP_PKEY* key, std::string_view input, const std::array<std::uint8_t, 64>& raw) {
  ECDSA_SIG* signature = ECDSA_SIG_new();
  ECDSA_SIG_set0(signature, BN_bin2bn(raw.data(), 32, nullptr),
                 BN_bin2bn(raw.data() + 32, 32, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature, &der);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool valid =
      EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key) == 1 &&
      EVP_DigestVerify(context, der, static_cast<std::size_t>(size),
                       reinterpret_cast<const unsigned char*>(input.data()), input.size()) == 1;
  EVP_MD_CTX_free(context);
  OPENSSL_free(der);
  ECDSA_SIG_free(signature);
  return valid;
}

std::vector<measurement> run() {
  token_claims claims;
  claims.student = *student_id::parse("student-4711");
  claims.module = *module_id::parse("linear-algebra-07");
  claims.session = *session_id::parse("0f8fad5b-d9cb-469f-a165-70867728950e");
  claims.sequence = 17;
  claims.interval = {160'000, 170'000};
  claims.issued_at_ms = 1'763'812'345'123;

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
  const crypto::signature_verifier p256_verifier{p256.public_key()};
  results.push_back({"es256_verify", "ES256, signature_verifier",
                     measure(500, [&] { require(p256_verifier.verify(input, signature)); })});

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
  const bool json = argc == 2 && std::string_view{argv[1]} == "--json";
  if (argc > 1 && !json) {
    std::fputs("usage: verify_bench [--json]\n", stderr);
    return 2;
  }
  const auto results = run();
  if (!json) {
    for (const auto& r : results) fmt::print("{:<45} {:>9.2f} us CPU\n", r.what, r.cpu_us);
    return 0;
  }
  fmt::print("{{\"unit\":\"us_cpu\"");
  for (const auto& r : results) fmt::print(",\"{}\":{:.3f}", r.name, r.cpu_us);
  fmt::print("}}\n");
}
