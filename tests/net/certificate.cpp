#include "tests/net/certificate.hpp"
#include "base/owned.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <stdexcept>

namespace watchkeeper::net::test {
namespace {

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

}  // namespace

temporary_directory::temporary_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "watchkeeper-net-XXXXXX").string();
  require(::mkdtemp(name.data()) != nullptr, "mkdtemp");
  path_ = name;
}

temporary_directory::~temporary_directory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

tls_files make_certificate(const temporary_directory& where, const std::string& name) {
  const owned<EVP_PKEY, EVP_PKEY_free> key(EVP_EC_gen("P-256"));
  const owned<X509, X509_free> certificate(X509_new());
  require(key && certificate, "key");
  X509* x = certificate.get();
  X509_set_version(x, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
  X509_gmtime_adj(X509_getm_notBefore(x), -3600);
  X509_gmtime_adj(X509_getm_notAfter(x), 24L * 3600);
  X509_set_pubkey(x, key.get());
  X509_NAME* subject = X509_get_subject_name(x);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x, subject);
  X509_EXTENSION* names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1");
  require(names != nullptr, "subject alternative names");
  X509_add_ext(x, names, -1);
  X509_EXTENSION_free(names);
  require(X509_sign(x, key.get(), EVP_sha256()) > 0, "signature");

  tls_files files{where.path(name + ".pem"), where.path(name + ".key")};
  const auto write = [](const std::string& path, auto put) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    require(file != nullptr, "file");
    const bool good = put(file) == 1;
    std::fclose(file);
    require(good, "pem");
  };
  write(files.certificate_path, [&](std::FILE* f) { return PEM_write_X509(f, x); });
  write(files.key_path, [&](std::FILE* f) {
    return PEM_write_PrivateKey(f, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return files;
}

}  // namespace watchkeeper::net::test
