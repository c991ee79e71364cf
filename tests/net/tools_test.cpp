// The clients that people have: curl, nghttp, h2load.
#include <stdio.h>
#include <sys/wait.h>

#include <boost/test/unit_test.hpp>
#include <fstream>

#include "net/server.hpp"
#include "tests/net/certificate.hpp"
#include "tests/net/test_server.hpp"

using namespace watchkeeper::net;
using namespace watchkeeper::net::test;

namespace {

struct ran {
  int status = -1;
  std::string output;
};

ran run(const std::string& command) {
  ran result;
  std::FILE* pipe = ::popen(("timeout 180 " + command + " 2>&1").c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  char bytes[4096];
  while (const auto got = std::fread(bytes, 1, sizeof bytes, pipe))
    result.output.append(bytes, got);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

struct both_fixture {
  temporary_directory directory;
  tls_files files = make_certificate(directory, "tools");
  test_server s{[&] {
    server_options options;
    options.tls_listen = "127.0.0.1:0";
    options.h2c_listen = "127.0.0.1:0";
    options.io_threads = 2;
    options.tls = files;
    options.time = &watchkeeper::system_time_source();  // these clients take real time
    return options;
  }()};
  std::string https = "https://127.0.0.1:" + std::to_string(s.running.tls_port());
  std::string http = "http://127.0.0.1:" + std::to_string(s.running.h2c_port());
  std::string curl =
      "curl -sS --max-time 120 --noproxy '*' --cacert " + files.certificate_path + " ";
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(tools_test, both_fixture)

BOOST_AUTO_TEST_CASE(curl_over_tls) {
  const auto echoed = run(curl + "--http2 -d hello " + https + "/echo");
  BOOST_TEST(echoed.status == 0);
  BOOST_TEST(echoed.output == "hello");
  const auto head = run(curl + "--http2 -I " + https + "/big");
  BOOST_TEST(head.status == 0);
  BOOST_TEST(head.output.find("HTTP/2 200") != std::string::npos);
  BOOST_TEST(head.output.find("content-length: 1048576") != std::string::npos);
  const auto old = run(curl + "--http1.1 " + https + "/echo");
  BOOST_TEST(old.status != 0);
}

BOOST_AUTO_TEST_CASE(curl_in_cleartext) {
  const auto echoed = run(curl + "--http2-prior-knowledge -d hello " + http + "/echo");
  BOOST_TEST(echoed.output == "hello");
  const auto old = run(curl + "--http1.1 " + http + "/echo");
  BOOST_TEST(old.status != 0);
}

BOOST_AUTO_TEST_CASE(curl_uploads) {
  const auto upload = directory.path("upload");
  std::ofstream(upload) << std::string(60'000, 'u');
  const auto size = run(curl + "--http2 --data-binary @" + upload +
                        " -o /dev/null -w '%{size_download}' " + https + "/echo");
  BOOST_TEST(size.output == "60000");
  std::ofstream(upload) << std::string(3'000'000, 'u');
  const auto large = run(curl + "--http2 --data-binary @" + upload +
                         " -o /dev/null -w '%{http_code}' " + https + "/echo");
  BOOST_TEST(large.output.find("413") != std::string::npos);
  const auto streamed = run(curl + "--http2 --data-binary @" + upload +
                            " -o /dev/null -w '%{size_download}' " + https + "/stream");
  BOOST_TEST(streamed.output == "3000000");
}

BOOST_AUTO_TEST_CASE(nghttp_asks_for_several) {
  const auto asked = run("nghttp -v --no-verify-peer " + https + "/echo " + https + "/status/204");
  BOOST_TEST(asked.status == 0);
  BOOST_TEST(asked.output.find(":status: 200") != std::string::npos);
  BOOST_TEST(asked.output.find(":status: 204") != std::string::npos);
  BOOST_TEST(asked.output.find("SETTINGS_MAX_CONCURRENT_STREAMS(0x03):128") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(h2load_gets_all_its_responses) {
  const auto body = directory.path("body");
  std::ofstream(body) << std::string(500, 'b');
  for (const auto& base : {https, http}) {
    const auto load = run("h2load -n 20000 -c 20 -m 20 -d " + body + " " + base + "/echo");
    BOOST_TEST(load.output.find("20000 succeeded, 0 failed, 0 errored") != std::string::npos,
               load.output);
  }
  BOOST_TEST(s.running.statistics().connections_punished == 0u);
  BOOST_TEST(s.running.statistics().responses_dropped == 0u);
}

BOOST_AUTO_TEST_CASE(h2load_downloads) {
  const auto load = run("h2load -n 400 -c 4 -m 10 " + https + "/big");
  BOOST_TEST(load.output.find("400 succeeded, 0 failed, 0 errored") != std::string::npos,
             load.output);
  BOOST_TEST(s.running.statistics().connections_punished == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
