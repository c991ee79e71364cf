#include "server/keys/self_signed_certificate.hpp"

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/atomic_file.hpp"
#include "base/openssl_pointers.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::int64_t hour_s = 3600;
constexpr std::int64_t day_s = 24 * hour_s;

using certificate_ptr = owned<X509, X509_free>;
using extension_ptr = owned<X509_EXTENSION, X509_EXTENSION_free>;

std::string fingerprint_of(const X509& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  X509_digest(&certificate, EVP_sha256(), digest.data(), &length);
  std::string out;
  for (unsigned i = 0; i < length; ++i) out += fmt::format("{}{:02X}", i ? ":" : "", digest[i]);
  return out;
}

wall_ms not_after_ms(const X509& certificate) {
  std::tm when{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &when) != 1) return never;
  return from_unix_s(timegm(&when));
}

// Whatever is wrong with the files is a reason to make new ones.
std::optional<self_signed_pair> load(const self_signed_pair& paths, wall_ms now_ms) {
  const bio_ptr certificate_file(BIO_new_file(paths.certificate_path.c_str(), "r"));
  const bio_ptr key_file(BIO_new_file(paths.key_path.c_str(), "r"));
  if (!certificate_file || !key_file) return {};
  const certificate_ptr certificate(
      PEM_read_bio_X509(certificate_file.get(), nullptr, nullptr, nullptr));
  const key_ptr key(PEM_read_bio_PrivateKey(key_file.get(), nullptr, nullptr, nullptr));
  if (!certificate || !key || X509_check_private_key(certificate.get(), key.get()) != 1) return {};
  auto pair = paths;
  pair.not_after_ms = not_after_ms(*certificate);
  if (pair.not_after_ms <= now_ms + self_signed_renewal_days * day_s * 1000) return {};
  pair.fingerprint = fingerprint_of(*certificate);
  return pair;
}

bool add_extension(X509& certificate, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, &certificate, &certificate, nullptr, nullptr, 0);
  const extension_ptr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

certificate_ptr make_certificate(EVP_PKEY& key, wall_ms now_ms) {
  certificate_ptr certificate(X509_new());
  if (!certificate) return nullptr;
  auto* x = certificate.get();
  std::array<unsigned char, 16> serial{};
  if (RAND_bytes(serial.data(), serial.size()) != 1) return nullptr;
  serial[0] = (serial[0] & 0x7f) | 0x40;  // positive and of full length
  owned<BIGNUM, BN_free> number(BN_bin2bn(serial.data(), serial.size(), nullptr));
  auto now_s = std::time_t{to_unix_s(now_ms)};
  auto* name = X509_get_subject_name(x);
  const bool made =
      number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(x)) != nullptr &&
      X509_set_version(x, X509_VERSION_3) == 1 &&
      // An hour back: the clock of a client may be slow.
      X509_time_adj_ex(X509_getm_notBefore(x), 0, -hour_s, &now_s) != nullptr &&
      X509_time_adj_ex(X509_getm_notAfter(x), self_signed_days, 0, &now_s) != nullptr &&
      X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>("localhost"), -1, -1,
                                 0) == 1 &&
      X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, &key) == 1 &&
      add_extension(*x, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
      add_extension(*x, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(*x, NID_key_usage, "critical,digitalSignature") &&
      add_extension(*x, NID_ext_key_usage, "serverAuth") &&
      add_extension(*x, NID_subject_key_identifier, "hash") && X509_sign(x, &key, EVP_sha256()) > 0;
  return made ? std::move(certificate) : nullptr;
}

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const auto length = BIO_get_mem_data(memory, &data);
  return {data, static_cast<std::size_t>(length)};
}

}  // namespace

result<self_signed_pair, std::string> make_self_signed_pair(const std::string& data_dir,
                                                            wall_ms now_ms) {
  const std::filesystem::path directory(data_dir);
  self_signed_pair pair;
  pair.certificate_path = (directory / "tls-certificate.pem").string();
  pair.key_path = (directory / "tls-key.pem").string();

  auto found = load(pair, now_ms);
  ERR_clear_error();
  if (found) return std::move(*found);

  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return fmt::format("cannot create the directory {}: {}", data_dir, error.message());

  const key_ptr key(EVP_EC_gen("P-256"));
  const auto certificate = key ? make_certificate(*key, now_ms) : nullptr;
  const bio_ptr key_text(BIO_new(BIO_s_mem()));
  const bio_ptr certificate_text(BIO_new(BIO_s_mem()));
  if (!certificate || !key_text || !certificate_text ||
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1 ||
      PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1) {
    ERR_clear_error();
    return std::string("OpenSSL cannot create a self-signed certificate");
  }
  // The key first: `load` rejects a certificate without its key, and both are made again.
  if (const auto written = write_whole(pair.key_path, text_of(key_text.get()), 0600); !written)
    return written.error();
  if (const auto written =
          write_whole(pair.certificate_path, text_of(certificate_text.get()), 0644);
      !written)
    return written.error();
  pair.fingerprint = fingerprint_of(*certificate);
  pair.not_after_ms = not_after_ms(*certificate);
  pair.made_now = true;
  return pair;
}

}  // namespace watchkeeper::server
