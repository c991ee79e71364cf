#include "tools/fleet/key_file.hpp"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "tests/tools/fleet/node_gateway.hpp"

using namespace watchkeeper;
using namespace watchkeeper::fleet;

namespace {

sdk::software_key::secret secret_of(std::uint8_t last) {
  sdk::software_key::secret made{};
  made.back() = last;
  return made;
}

std::string error_of(const std::string& text) {
  const fleet::testing::temporary_directory directory;
  std::ofstream{directory.file("keys")} << text;
  const auto loaded = load_keys(directory.file("keys"));
  return loaded ? "" : loaded.error();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(key_file_suite)

BOOST_AUTO_TEST_CASE(the_public_key_of_scalar_1_is_the_base_point) {
  // SEC 2 version 2, section 2.4.2: the base point G of secp256r1.
  constexpr std::uint8_t g_x[] = {0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6,
                                  0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb,
                                  0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96};
  const auto key = sdk::software_key::from_secret(secret_of(1));
  BOOST_REQUIRE(key);
  BOOST_CHECK_EQUAL_COLLECTIONS(std::begin(g_x), std::end(g_x), key->public_key().bytes.begin(),
                                key->public_key().bytes.begin() + 32);
}

BOOST_AUTO_TEST_CASE(scalars_out_of_range_are_no_keys) {
  BOOST_CHECK(!sdk::software_key::from_secret(secret_of(0)));
  sdk::software_key::secret all_ones;
  all_ones.fill(0xff);
  BOOST_CHECK(!sdk::software_key::from_secret(all_ones));
}

BOOST_AUTO_TEST_CASE(devices_come_back_as_they_were) {
  const fleet::testing::temporary_directory directory;
  const auto path = directory.file("keys");
  std::vector<fleet_device> devices;
  for (const char* student : {"ada", "grace:hopper@navy", "x"})
    devices.push_back({sdk::software_key::generate(), *student_id::parse(student)});
  BOOST_REQUIRE(save_keys(path, devices).has_value());
  struct stat info {};
  BOOST_REQUIRE_EQUAL(stat(path.c_str(), &info), 0);
  BOOST_CHECK_EQUAL(info.st_mode & 0777, 0600);
  const auto loaded = load_keys(path);
  BOOST_REQUIRE(loaded);
  BOOST_REQUIRE_EQUAL(loaded->size(), devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i) {
    BOOST_CHECK((*loaded)[i].student == devices[i].student);
    BOOST_CHECK((*loaded)[i].key.kid() == devices[i].key.kid());
  }
}

BOOST_AUTO_TEST_CASE(a_golden_file_is_read_and_written_byte_by_byte) {
  const std::string golden =
      "watchkeeper-fleet-keys 1\n"
      "ada 0000000000000000000000000000000000000000000000000000000000000001\n";
  const fleet::testing::temporary_directory directory;
  std::ofstream{directory.file("keys")} << golden;
  const auto loaded = load_keys(directory.file("keys"));
  BOOST_REQUIRE(loaded);
  BOOST_REQUIRE(save_keys(directory.file("again"), *loaded).has_value());
  BOOST_CHECK_EQUAL(fleet::testing::read_whole(directory.file("again")), golden);
}

BOOST_AUTO_TEST_CASE(what_is_no_key_file_is_refused_with_its_line) {
  const std::string head = "watchkeeper-fleet-keys 1\n";
  const std::string one = "0000000000000000000000000000000000000000000000000000000000000001";
  BOOST_CHECK_NE(error_of("").find("first line"), std::string::npos);
  BOOST_CHECK_NE(error_of("something else\n").find("first line"), std::string::npos);
  BOOST_CHECK_NE(error_of(head + "ada\n").find(":2:"), std::string::npos);
  BOOST_CHECK_NE(error_of(head + "ada " + one + "\nada " + one + "0\n").find(":3:"),
                 std::string::npos);
  BOOST_CHECK_NE(error_of(head + "a da " + one + "\n").find(":2:"), std::string::npos);
  BOOST_CHECK_NE(error_of(head + "ada " + std::string(64, '0') + "\n").find(":2:"),
                 std::string::npos);
  BOOST_CHECK_NE(error_of(head + "ada " + one.substr(0, 62) + "-1\n").find(":2:"),
                 std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
