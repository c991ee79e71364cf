#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "base/atomic_file.hpp"
#include "base/entity_tag.hpp"
#include "server/cli/commands.hpp"
#include "server/keys/key_file.hpp"
#include "tests/server/api/api_support.hpp"

namespace {

using namespace watchkeeper;
using namespace watchkeeper::server;
using namespace watchkeeper::server::testing;

struct key_directory : temporary_directory {
  std::string file() const { return (path / "session-keys.json").string(); }
  std::string write(const std::string& text, mode_t mode = 0600) const {
    std::ofstream(file()) << text;
    BOOST_REQUIRE(chmod(file().c_str(), mode) == 0);
    return file();
  }
  configuration settings() const {
    configuration made;
    made.data_dir = path.string();
    return made;
  }
  std::string problem_of(const std::string& text, mode_t mode = 0600) const {
    const auto found = read_session_keys(write(text, mode));
    return found ? "" : found.error();
  }
};

bool holds(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

mode_t mode_of(const std::string& path) {
  struct stat about {};
  BOOST_REQUIRE(stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

nlohmann::json set_of(std::initializer_list<int> ages) {
  agreement_keys keys;
  for (const int age : ages) keys.push_back(crypto::agreement_key::generate(from_unix_s(age)));
  return nlohmann::json::parse(private_key_set(keys));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(session_key_file_test)

BOOST_AUTO_TEST_CASE(a_first_start_makes_a_key_for_the_gateway_alone) {
  const key_directory directory;
  const auto first = load_session_keys(directory.settings(), wall_ms{1'763'812'345'999});
  BOOST_REQUIRE(first.has_value());
  BOOST_TEST(first->made_now);
  BOOST_TEST(first->keys.size() == 1u);
  BOOST_TEST(mode_of(directory.file()) == 0600u);
  const auto second = load_session_keys(directory.settings(), wall_ms{0});
  BOOST_REQUIRE(second.has_value());
  BOOST_TEST(!second->made_now);
  BOOST_TEST(second->keys.front().kid() == first->keys.front().kid());
  BOOST_TEST(second->keys.front().secret() == first->keys.front().secret());
  BOOST_TEST(second->keys.front().created_ms() == wall_ms{1'763'812'345'000});
  // One that is configured is never made: the gateways of a deployment would each have their own.
  auto shared = directory.settings();
  shared.session_keys.file = (directory.path / "shared.json").string();
  const auto missing = load_session_keys(shared, wall_ms{0});
  BOOST_REQUIRE(!missing.has_value());
  BOOST_TEST(holds(missing.error(), "watchkeeper keys new"));
  BOOST_TEST(!std::filesystem::exists(shared.session_keys.file));
}

BOOST_AUTO_TEST_CASE(a_file_that_is_wrong_says_why_and_shows_no_secret) {
  const key_directory directory;
  auto good = set_of({1, 2});
  BOOST_TEST(directory.problem_of(good.dump()) == "");
  BOOST_TEST(directory.problem_of(good.dump(), 0640) == "");
  BOOST_TEST(holds(directory.problem_of(good.dump(), 0644), "mode 644"));
  const auto changed = [&](const char* member, const nlohmann::json& value) {
    auto set = good;
    set["keys"][1][member] = value;
    auto why = directory.problem_of(set.dump());
    BOOST_TEST(!holds(why, good["keys"][1]["d"].get<std::string>()));
    BOOST_TEST(holds(why, "its key 2 "), why);
    return why;
  };
  BOOST_TEST(holds(changed("kty", "OKP"), "P-256"));
  BOOST_TEST(holds(changed("crv", "P-384"), "P-256"));
  BOOST_TEST(holds(changed("d", nullptr), "private member d"));
  BOOST_TEST(holds(changed("d", "AA"), "private member d"));
  BOOST_TEST(holds(changed("d", std::string(43, 'A')), "not a scalar"));
  BOOST_TEST(holds(changed("x", good["keys"][0]["x"]), "does not belong"));
  BOOST_TEST(holds(changed("y", 1), "does not belong"));
  BOOST_TEST(holds(changed("kid", "other"), "thumbprint"));
  BOOST_TEST(holds(changed("use", "sig"), "enc"));
  BOOST_TEST(holds(directory.problem_of(""), "neither"));
  BOOST_TEST(holds(directory.problem_of("nonsense"), "neither"));
  BOOST_TEST(holds(directory.problem_of("{"), "not JSON"));
  BOOST_TEST(holds(directory.problem_of("{}"), "JWK set"));
  BOOST_TEST(holds(directory.problem_of(R"({"keys":[]})"), "no key"));
  BOOST_TEST(holds(directory.problem_of(R"({"keys":[1]})"), "its key 1 "));
  auto twice = good;
  twice["keys"].push_back(twice["keys"][0]);
  BOOST_TEST(holds(directory.problem_of(twice.dump()), "twice"));
  const auto most = set_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  BOOST_TEST(directory.problem_of(most.dump()) == "");
  auto more = most;
  more["keys"].push_back(good["keys"][0]);
  BOOST_TEST(holds(directory.problem_of(more.dump()), "more than 16"));
  BOOST_TEST(holds(directory.problem_of(std::string(70'000, ' ')), "too large"));
  BOOST_TEST(holds(read_session_keys(directory.path.string()).error(), "not a file"));
  // What other tools add is passed over.
  good["keys"][0]["alg"] = "ECDH-ES";
  good["keys"][0].erase("kid");
  BOOST_TEST(directory.problem_of(good.dump()) == "");
}

BOOST_AUTO_TEST_CASE(pem_is_read_in_its_order) {
  const key_directory directory;
  const auto made = [](const char* command) {
    std::string text;
    FILE* pipe = popen(command, "r");
    BOOST_REQUIRE(pipe != nullptr);
    char buffer[4096];
    while (const auto got = fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, got);
    BOOST_REQUIRE(pclose(pipe) == 0);
    return text;
  };
  const auto sec1 = made("openssl ecparam -name prime256v1 -genkey");
  const auto pkcs8 =
      made("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2>/dev/null");
  const auto found = read_session_keys(directory.write(sec1 + pkcs8));
  BOOST_REQUIRE(found.has_value());
  BOOST_TEST(found->is_pem);
  BOOST_REQUIRE(found->keys.size() == 2u);
  const auto only_second = read_session_keys(directory.write(pkcs8));
  BOOST_REQUIRE(only_second.has_value());
  BOOST_TEST(only_second->keys.front().kid() == found->keys.back().kid());
  BOOST_TEST(holds(directory.problem_of(made("openssl genpkey -algorithm ED25519")), "P-256"));
  BOOST_TEST(holds(directory.problem_of(made("openssl ecparam -name secp384r1 -genkey")), "P-256"));
  BOOST_TEST(holds(directory.problem_of("-----BEGIN PRIVATE KEY-----\nnonsense\n"), "PEM block"));
  BOOST_TEST(holds(directory.problem_of("-----BEGIN CERTIFICATE-----\nx\n"), "no key"));
  BOOST_TEST(
      holds(directory.problem_of(made("openssl genpkey -algorithm EC -pkeyopt "
                                      "ec_paramgen_curve:P-256 -aes128 -pass pass:x 2>/dev/null")),
            "encrypted"));
}

BOOST_AUTO_TEST_CASE(keys_new_list_and_rotate) {
  const key_directory directory;
  const auto settings = directory.settings();
  std::ostringstream out, err;
  BOOST_TEST(run_keys_list(settings, out, err) == exit_problem);
  BOOST_TEST(err.str().find("watchkeeper keys new") != std::string::npos);
  BOOST_TEST(run_keys_rotate(settings, {}, wall_ms{1000}, out, err) == exit_problem);
  BOOST_TEST(!std::filesystem::exists(directory.file()));
  BOOST_TEST(run_keys_new(settings, wall_ms{1'763'812'345'000}, out, err) == exit_ok);
  BOOST_TEST(mode_of(directory.file()) == 0600u);
  const auto first = read_session_keys(directory.file())->keys.front().kid();
  BOOST_TEST(run_keys_new(settings, wall_ms{2000}, out, err) == exit_problem);
  BOOST_TEST(holds(err.str(), "exists already"));

  BOOST_REQUIRE(chmod(directory.file().c_str(), 0640) == 0);
  for (int i = 2; i <= 5; ++i)
    BOOST_TEST(run_keys_rotate(settings, {}, from_unix_s(1'763'812'345 + i), out, err) == exit_ok);
  BOOST_TEST(mode_of(directory.file()) == 0640u);  // as its owner has made it
  const auto left = read_session_keys(directory.file())->keys;
  BOOST_REQUIRE(left.size() == 3u);
  BOOST_TEST(left[0].created_ms() == wall_ms{1'763'812'350'000});
  BOOST_TEST(left[2].created_ms() == wall_ms{1'763'812'348'000});
  for (const auto& key : left) BOOST_TEST(key.kid() != first);
  BOOST_TEST(run_keys_rotate(settings, {.keep_count = 1}, wall_ms{9000}, out, err) == exit_ok);
  BOOST_TEST(read_session_keys(directory.file())->keys.size() == 1u);
  BOOST_TEST(run_keys_rotate(settings, {.keep_count = 0}, wall_ms{9000}, out, err) == exit_usage);
  BOOST_TEST(run_keys_rotate(settings, {.keep_count = 17}, wall_ms{9000}, out, err) == exit_usage);

  std::ostringstream listed;
  BOOST_TEST(run_keys_list(settings, listed, err) == exit_ok);
  const auto key = read_session_keys(directory.file())->keys.front();
  BOOST_TEST(holds(listed.str(), key.kid().text()));
  BOOST_TEST(holds(listed.str(), "(announced)"));
  BOOST_TEST(!holds(listed.str(), base64url::encode(key.secret())));
}

BOOST_AUTO_TEST_CASE(files_appear_whole_and_over_no_other) {
  const key_directory directory;
  const auto path = (directory.path / "f").string();
  BOOST_TEST(create_whole(path, "one", 0600).has_value());
  BOOST_TEST(holds(create_whole(path, "two", 0600).error(), "File exists"));
  BOOST_TEST(read_whole(path, 100)->text == "one");
  BOOST_TEST(write_whole(path, "three", 0644).has_value());
  BOOST_TEST(read_whole(path, 5)->text == "three");
  BOOST_TEST(holds(read_whole(path, 4).error(), "too large"));
  // What may be large costs nothing as long as it is small.
  BOOST_TEST(read_whole(path, std::size_t{1} << 46)->text == "three");
  BOOST_TEST(holds(write_whole((directory.path / "no" / "f").string(), "x", 0600).error(),
                   "No such file"));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path))
    files += entry.exists() ? 1 : 0;
  BOOST_TEST(files == 1u);  // nothing half-made is left
}

BOOST_AUTO_TEST_CASE(tags_are_compared_as_http_says) {
  const std::string tag = "\"abc\"";
  for (const auto* names :
       {"\"abc\"", "W/\"abc\"", "*", "\"x\", \"abc\"", "\"x,y\",W/\"abc\" ", " \"abc\""})
    BOOST_TEST(names_tag(names, tag), names);
  for (const auto* other :
       {"", "abc", "\"ab\"", "\"x\", \"y\"", "\"abc", ",,,", "\"ABC\"", "\"x, \"abc"})
    BOOST_TEST(!names_tag(other, tag), other);
}

BOOST_FIXTURE_TEST_CASE(the_announced_key_is_public_and_may_be_cached, api_fixture) {
  const auto ask = [&](const std::string& tag) {
    net::http_request request;
    request.path = "/v1/keys";
    request.respond_to.connection = 1000 + tag.size();
    if (!tag.empty()) request.others.emplace_back(net::request_field::if_none_match, tag);
    const auto number = request.respond_to.connection;
    submit(std::move(request));
    return responses.wait_for(number);
  };
  BOOST_TEST(ask("").body == R"({"keys":[]})");
  const auto newest = crypto::agreement_key::generate(wall_ms{2});
  session_keys.replace({newest, crypto::agreement_key::generate(wall_ms{1})});
  const auto response = ask("\"old\"");
  BOOST_TEST(response.status == 200);
  BOOST_TEST(response.content_type == "application/jwk-set+json");
  const auto document = nlohmann::json::parse(response.body);
  BOOST_REQUIRE(document["keys"].size() == 1u);
  BOOST_TEST(document["keys"][0]["kid"] == newest.kid().text());
  BOOST_TEST(document["keys"][0]["use"] == "enc");
  BOOST_TEST(document["keys"][0].size() == 6u);
  BOOST_TEST(!document["keys"][0].contains("d"));
  std::map<std::string, std::string> fields(response.headers.begin(), response.headers.end());
  BOOST_TEST(fields.at("cache-control") == "public, max-age=300");
  const auto again = ask(fields.at("etag"));
  BOOST_TEST(again.status == 304);
  BOOST_TEST(again.body == "");
}

BOOST_AUTO_TEST_SUITE_END()
