#include <boost/test/unit_test.hpp>

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <random>

#include "base/owned.hpp"
#include "server/keys/self_signed_certificate.hpp"
#include "tests/server/scratch.hpp"

namespace {

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;

constexpr std::int64_t day_ms = 86'400'000;
using certificate_ptr = owned<X509, X509_free>;

certificate_ptr read_certificate(const std::string& path) {
  const owned<BIO, BIO_free_all> file(BIO_new_file(path.c_str(), "r"));
  BOOST_REQUIRE(file != nullptr);
  return certificate_ptr(PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr));
}

// As a TLS client would: trusting the certificate itself, for that name, at that time.
bool verifies(X509& certificate, const char* name, const char* address, wall_ms now_ms) {
  const owned<X509_STORE, X509_STORE_free> store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), &certificate);
  const owned<X509_STORE_CTX, X509_STORE_CTX_free> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), &certificate, nullptr);
  auto* parameters = X509_STORE_CTX_get0_param(context.get());
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  X509_VERIFY_PARAM_set_time(parameters, std::time_t{to_unix_s(now_ms)});
  if (name != nullptr) X509_VERIFY_PARAM_set1_host(parameters, name, 0);
  if (address != nullptr) X509_VERIFY_PARAM_set1_ip_asc(parameters, address);
  return X509_verify_cert(context.get()) == 1;
}

std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(self_signed_certificate)

BOOST_AUTO_TEST_CASE(a_client_that_trusts_the_certificate_accepts_it) {
  const scratch_directory scratch;
  const auto made = make_self_signed_pair((scratch.path / "deep" / "er").string(), moment_ms);
  BOOST_REQUIRE(made.has_value());
  BOOST_TEST(made->made_now);
  const auto certificate = read_certificate(made->certificate_path);
  BOOST_REQUIRE(certificate != nullptr);
  BOOST_TEST(verifies(*certificate, "localhost", nullptr, moment_ms));
  BOOST_TEST(verifies(*certificate, nullptr, "127.0.0.1", moment_ms));
  BOOST_TEST(verifies(*certificate, nullptr, "::1", moment_ms));
  BOOST_TEST(!verifies(*certificate, "example.org", nullptr, moment_ms));
  BOOST_TEST(!verifies(*certificate, nullptr, "10.0.0.1", moment_ms));
  // 825 days, and a client whose clock is half an hour slow.
  BOOST_TEST(verifies(*certificate, "localhost", nullptr, moment_ms - 1'800'000));
  BOOST_TEST(verifies(*certificate, "localhost", nullptr, moment_ms + 824 * day_ms));
  BOOST_TEST(!verifies(*certificate, "localhost", nullptr, moment_ms + 826 * day_ms));
  BOOST_TEST(to_unix_s(made->not_after_ms) == to_unix_s(moment_ms + 825 * day_ms));
  BOOST_TEST(made->fingerprint.size() == 32 * 3 - 1U);
}

BOOST_AUTO_TEST_CASE(the_key_is_p256_and_for_its_owner_only) {
  const scratch_directory scratch;
  const auto made = make_self_signed_pair(scratch.path.string(), moment_ms);
  BOOST_REQUIRE(made.has_value());
  struct stat status {};
  BOOST_REQUIRE(::stat(made->key_path.c_str(), &status) == 0);
  BOOST_TEST((status.st_mode & 0777) == 0600U);
  const auto certificate = read_certificate(made->certificate_path);
  char group[32] = {};
  EVP_PKEY_get_group_name(X509_get0_pubkey(certificate.get()), group, sizeof group, nullptr);
  BOOST_TEST(std::string(group) == "prime256v1");
  // Nothing half-written is left behind.
  BOOST_TEST(std::distance(std::filesystem::directory_iterator(scratch.path), {}) == 2);
}

BOOST_AUTO_TEST_CASE(a_good_pair_stays_and_an_old_one_is_renewed) {
  const scratch_directory scratch;
  const auto directory = scratch.path.string();
  const auto first = make_self_signed_pair(directory, moment_ms);
  BOOST_REQUIRE(first.has_value());
  const auto second = make_self_signed_pair(directory, moment_ms + 817 * day_ms);
  BOOST_REQUIRE(second.has_value());
  BOOST_TEST(!second->made_now);
  BOOST_TEST(second->fingerprint == first->fingerprint);
  const auto renewed = make_self_signed_pair(directory, moment_ms + 819 * day_ms);
  BOOST_REQUIRE(renewed.has_value());
  BOOST_TEST(renewed->made_now);
  BOOST_TEST(renewed->fingerprint != first->fingerprint);
}

BOOST_AUTO_TEST_CASE(files_that_are_broken_or_do_not_belong_together_are_replaced) {
  const scratch_directory scratch;
  const auto a = make_self_signed_pair((scratch.path / "a").string(), moment_ms);
  const auto b = make_self_signed_pair((scratch.path / "b").string(), moment_ms);
  BOOST_REQUIRE((a.has_value() && b.has_value()));
  std::filesystem::copy_file(b->key_path, a->key_path,
                             std::filesystem::copy_options::overwrite_existing);
  const auto fixed = make_self_signed_pair((scratch.path / "a").string(), moment_ms);
  BOOST_REQUIRE(fixed.has_value());
  BOOST_TEST(fixed->made_now);
  std::ofstream(fixed->certificate_path) << "-----BEGIN CERTIFICATE-----\nAAAA\n";
  const auto again = make_self_signed_pair((scratch.path / "a").string(), moment_ms);
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(again->made_now);
  BOOST_TEST(!make_self_signed_pair((scratch.path / "a").string(), moment_ms)->made_now);
}

BOOST_AUTO_TEST_CASE(an_error_names_the_file) {
  const scratch_directory scratch;
  std::filesystem::create_directories(scratch.path);
  std::ofstream(scratch.path / "file") << "in the way";
  const auto failed = make_self_signed_pair((scratch.path / "file" / "x").string(), moment_ms);
  BOOST_REQUIRE(!failed.has_value());
  BOOST_TEST(failed.error().find("file") != std::string::npos);
  BOOST_TEST(content_of((scratch.path / "file").string()) == "in the way");
}

BOOST_AUTO_TEST_SUITE_END()
