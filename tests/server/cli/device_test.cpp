#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <sstream>

#include "base/base64url.hpp"
#include "domain/engagement_token.hpp"
#include "server/cli/cli.hpp"
#include "server/cli/device_command.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;

namespace {

struct key_folder {
  key_folder() { std::filesystem::create_directories(path); }
  ~key_folder() { std::filesystem::remove_all(path); }
  std::string file() const { return (path / "d.key").string(); }
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("device-" + std::to_string(getpid()));
};

}  // namespace

BOOST_AUTO_TEST_SUITE(cli_device)

BOOST_AUTO_TEST_CASE(a_device_signs_tokens_that_parse) {
  key_folder folder;
  std::ostringstream document, kid, token, err;
  BOOST_TEST(run_device({folder.file(), "ann"}, false, document, err) == exit_ok);
  BOOST_TEST(document.str().starts_with(R"({"student":"ann","jwk":{)"));
  BOOST_TEST(run_device({folder.file(), ""}, true, kid, err) == exit_ok);
  sign_request request;
  request.key_file = folder.file();
  request.sequence = 7;
  BOOST_TEST(run_sign(request, wall_ms{1'800'000'000'123}, token, err) == exit_ok);
  const auto text = token.str().substr(0, token.str().size() - 1);
  const auto parsed = parse_engagement_token(text);
  BOOST_REQUIRE(parsed.has_value());
  BOOST_TEST(parsed->device.text() + "\n" == kid.str());
  BOOST_TEST(parsed->claims.student.view() == "ann");
  BOOST_TEST(parsed->claims.sequence == 7u);
  BOOST_TEST(parsed->claims.issued_at_ms == wall_ms{1'800'000'000'123});
  BOOST_TEST(err.str().empty());
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said) {
  key_folder folder;
  std::ostringstream out, err;
  BOOST_TEST(run_device({folder.file(), ""}, false, out, err) == exit_usage);
  BOOST_TEST(err.str().find("--student") != std::string::npos);
  BOOST_TEST(run_device({folder.file(), "not an id"}, false, out, err) == exit_usage);
  BOOST_TEST(run_device({folder.file(), "ann"}, true, out, err) == exit_ok);
  BOOST_TEST(run_device({folder.file(), "bob"}, true, out, err) == exit_problem);
  sign_request backwards{folder.file(), "m", "s", 0, 10, 10};
  BOOST_TEST(run_sign(backwards, wall_ms{0}, out, err) == exit_usage);
  sign_request nowhere{folder.file() + "x", "m", "s", 0, 0, 10};
  BOOST_TEST(run_sign(nowhere, wall_ms{0}, out, err) == exit_problem);
}

BOOST_AUTO_TEST_SUITE_END()
