#include "server/files/static_files.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <map>
#include <thread>

#include "server/files/byte_range.hpp"
#include "server/files/file_path.hpp"
#include "server/files/open_file.hpp"
#include "tests/server/api/api_support.hpp"

namespace {

using namespace watchkeeper;
using namespace watchkeeper::server;
using server::testing::temporary_directory;
using kind = opened_file::kind;

/// A folder to be served, and beside it what must never be.
struct tree : temporary_directory {
  tree() {
    std::filesystem::create_directories(path / "web" / "assets" / "deep");
    write("web/index.html", "<p>index</p>");
    write("web/a b.txt", "spaced");
    write("web/assets/app.js", "1;");
    write("web/assets/deep/index.html", "deep");
    write("web/.env", "hidden");
    write("web/empty.txt", "");
    write("secret.txt", "secret");
    std::filesystem::create_symlink("index.html", path / "web" / "inside.html");
    std::filesystem::create_symlink("../secret.txt", path / "web" / "outside.txt");
    std::filesystem::create_symlink("/etc/passwd", path / "web" / "absolute.txt");
    std::filesystem::create_symlink("..", path / "web" / "up");
    std::filesystem::create_symlink("/proc/self/root", path / "web" / "magic");
    BOOST_REQUIRE(mkfifo((path / "web" / "pipe").c_str(), 0600) == 0);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
  }
  std::string folder() const { return (path / "web").string(); }
};

/// The HTTP/2 layer, played by the test.
class pulled_responses final : public net::response_port {
 public:
  struct response {
    net::http_response head;
    std::string body;
    bool begun = false;
    bool ended = false;
    std::size_t chunks = 0;
    std::size_t largest_chunk = 0;
  };
  void respond(const net::response_address& to, net::http_response&& response) noexcept override {
    const std::lock_guard lock(mutex_);
    auto& one = answers_[to.stream];
    one.body = std::move(response.body);
    one.head = std::move(response);
    one.ended = true;
    changed_.notify_all();
  }
  void begin(const net::response_address& to, net::http_response&& head) noexcept override {
    const std::lock_guard lock(mutex_);
    auto& one = answers_[to.stream];
    one.head = std::move(head);
    one.begun = true;
    changed_.notify_all();
  }
  void send(const net::response_address& to, std::string&& chunk, bool last) noexcept override {
    const std::lock_guard lock(mutex_);
    auto& one = answers_[to.stream];
    one.body += chunk;
    ++one.chunks;
    one.largest_chunk = std::max(one.largest_chunk, chunk.size());
    one.ended = last;
    changed_.notify_all();
  }
  void consumed(const net::response_address&, std::size_t) noexcept override {}

  template <class Condition>
  response wait(std::int32_t stream, Condition condition) {
    std::unique_lock lock(mutex_);
    BOOST_REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return answers_.contains(stream) && condition(answers_[stream]);
    }));
    return answers_[stream];
  }
  bool knows(std::int32_t stream) {
    const std::lock_guard lock(mutex_);
    return answers_.contains(stream);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::int32_t, response> answers_;
};

struct served : tree {
  explicit served(static_folder more = {}) {
    more.path = "/player/";
    more.folder = folder();
    files = std::make_unique<static_files>(std::vector{more}, responses, system_time_source());
  }
  using fields = std::vector<std::pair<net::request_field, std::string>>;
  net::response_address submit(const std::string& target, fields more = {},
                               net::http_method method = net::http_method::get) {
    net::http_request request;
    request.method = method;
    request.path = target;
    request.others = std::move(more);
    request.respond_to.stream = ++last_stream;
    const auto to = request.respond_to;
    files->on_request(std::move(request));
    return to;
  }
  /// The whole response; pieces are pulled as they are sent.
  pulled_responses::response get(const std::string& target, fields more = {},
                                 net::http_method method = net::http_method::get) {
    const auto to = submit(target, std::move(more), method);
    auto response = responses.wait(to.stream, [](const auto& a) { return a.begun || a.ended; });
    for (std::size_t chunks = 1; !response.ended && method == net::http_method::get; ++chunks) {
      files->on_drained(to);
      response = responses.wait(to.stream, [&](const auto& a) { return a.chunks == chunks; });
    }
    files->on_gone(to);
    return response;
  }
  static std::string field(const pulled_responses::response& response, const std::string& name) {
    for (const auto& [key, value] : response.head.headers)
      if (key == name) return value;
    return "";
  }
  pulled_responses responses;
  std::unique_ptr<static_files> files;
  std::int32_t last_stream = 0;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  for (const auto& each : std::filesystem::directory_iterator("/proc/self/fd"))
    count += each.path().empty() ? 0 : 1;
  return count;
}

constexpr std::size_t piece = static_limits::piece_bytes;

}  // namespace

BOOST_AUTO_TEST_SUITE(static_files_test)

BOOST_AUTO_TEST_CASE(a_path_is_decoded_once_and_stays_below) {
  const std::pair<const char*, const char*> good[] = {{"", ""},
                                                      {"index.html", "index.html"},
                                                      {"a/b/c.js", "a/b/c.js"},
                                                      {"a/", "a/"},
                                                      {"a%20b", "a b"},
                                                      {"%61", "a"},
                                                      {"a%2Eb", "a.b"},
                                                      {"%25", "%"},
                                                      {"a%252e", "a%2e"},
                                                      {"%C3%BC.png", "\xc3\xbc.png"},
                                                      {"a+b", "a+b"},
                                                      {"a..b", "a..b"}};
  for (const auto& [encoded, decoded] : good)
    BOOST_TEST(file_path_of(encoded).value_or("rejected") == decoded, encoded);
  for (const auto* bad :
       {"..",         "../x",  "a/..",     "a/../b", "%2e%2e/x",   "%2E%2E", ".%2e/x",  "%2e./x",
        "a/%2e%2e/b", "a%2Fb", "a%2fb",    "..%2fx", "%2e%2e%2fx", "a%5Cb",  "..%5c..", "a\\b",
        "a%00b",      "%00",   "a%0ab",    "a%7f",   "/",          "//x",    "a//b",    "./a",
        "a/./b",      ".env",  "a/.git/x", "%2eenv", "%",          "%2",     "%zz",     "a%2"})
    BOOST_TEST(!file_path_of(bad).has_value(), bad);
  BOOST_TEST(!file_path_of(std::string(1025, 'a')).has_value());
  BOOST_TEST(file_path_of(std::string(1024, 'a')).has_value());
}

BOOST_AUTO_TEST_CASE(nothing_outside_is_opened_by_either_way) {
  const tree t;
  for (const auto open : {open_below, open_below_without_links}) {
    BOOST_TEST(open(t.folder(), "index.html").what == kind::file);
    BOOST_TEST(open(t.folder(), "index.html").size == 12u);
    BOOST_TEST(open(t.folder(), "assets/app.js").what == kind::file);
    BOOST_TEST(open(t.folder(), "assets/deep/index.html").what == kind::file);
    BOOST_TEST(open(t.folder(), "assets").what == kind::folder);
    BOOST_TEST(open(t.folder(), "assets/").what == kind::folder);
    for (const auto* bad :
         {"outside.txt", "absolute.txt", "up/secret.txt", "up/web/index.html", "../secret.txt",
          "assets/../../secret.txt", "magic/etc/passwd", "/etc/passwd", "none", "index.html/",
          "index.html/x", "pipe", "assets/none/x"})
      BOOST_TEST(open(t.folder(), bad).what == kind::absent, bad);
    BOOST_TEST(open(t.folder() + "-not", "index.html").what == kind::absent);
  }
  // A link that stays inside is fine if the system can check that.
  BOOST_TEST(open_below_without_links(t.folder(), "inside.html").what == kind::absent);
}

BOOST_AUTO_TEST_CASE(ranges_are_read_as_http_says) {
  using enum byte_range::kind;
  const std::pair<const char*, byte_range> rows[] = {
      {"bytes=0-0", {part, 0, 0}},
      {"bytes=0-99", {part, 0, 99}},
      {"bytes=10-", {part, 10, 99}},
      {"bytes=10-1000", {part, 10, 99}},
      {"bytes=-5", {part, 95, 99}},
      {"bytes=-1000", {part, 0, 99}},
      {"bytes=99-", {part, 99, 99}},
      {"bytes=0-99999999999999999999999", {part, 0, 99}},
      {"bytes=100-", {unsatisfiable, 0, 0}},
      {"bytes=100-200", {unsatisfiable, 0, 0}},
      {"bytes=99999999999999999999999-", {unsatisfiable, 0, 0}},
      {"bytes=-0", {unsatisfiable, 0, 0}}};
  for (const auto& [field, right] : rows) BOOST_TEST(byte_range_of(field, 100) == right, field);
  for (const auto* ignored :
       {"", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=1", "items=0-1",
        "bytes=0-1,5-6", "bytes= 0-1", "bytes=0-1 ", "bytes=+1-2", "bytes=--1", "Bytes=0-1"})
    BOOST_TEST((byte_range_of(ignored, 100) == byte_range{}), ignored);
  BOOST_TEST(byte_range_of("bytes=0-", 0).what == unsatisfiable);
  BOOST_TEST(byte_range_of("bytes=-1", 0).what == unsatisfiable);
}

BOOST_AUTO_TEST_CASE(types_are_those_that_players_need) {
  for (const auto& [name, type] :
       std::map<std::string, std::string>{{"index.html", "text/html; charset=utf-8"},
                                          {"a.js", "text/javascript; charset=utf-8"},
                                          {"a.mjs", "text/javascript; charset=utf-8"},
                                          {"a.css", "text/css; charset=utf-8"},
                                          {"a.json", "application/json"},
                                          {"a.svg", "image/svg+xml"},
                                          {"a.png", "image/png"},
                                          {"v/master.m3u8", "application/vnd.apple.mpegurl"},
                                          {"v/a.mp4", "video/mp4"},
                                          {"v/a.m4s", "video/iso.segment"},
                                          {"v/a.ts", "video/mp2t"},
                                          {"v/a.webm", "video/webm"},
                                          {"v/a.vtt", "text/vtt; charset=utf-8"},
                                          {"a.html.exe", "application/octet-stream"},
                                          {"html", "application/octet-stream"},
                                          {"a.js/b", "application/octet-stream"}})
    BOOST_TEST(content_type_of(name) == type, name);
}

BOOST_AUTO_TEST_CASE(a_file_comes_with_what_a_browser_needs) {
  served s({.max_age_s = 60, .immutable = "assets/"});
  const auto page = s.get("/player/");
  BOOST_TEST(page.head.status == 200);
  BOOST_TEST(page.body == "<p>index</p>");
  BOOST_TEST(page.head.content_type == "text/html; charset=utf-8");
  BOOST_TEST(s.field(page, "cache-control") == "no-cache");
  BOOST_TEST(s.field(page, "x-content-type-options") == "nosniff");
  BOOST_TEST(s.field(page, "accept-ranges") == "bytes");
  BOOST_TEST(s.field(page, "content-security-policy").find("default-src 'self'") == 0u);
  const auto script = s.get("/player/assets/app.js");
  BOOST_TEST(s.field(script, "cache-control") == "public, max-age=31536000, immutable");
  BOOST_TEST(s.field(script, "content-security-policy") == "");
  BOOST_TEST(s.field(s.get("/player/a%20b.txt"), "cache-control") == "public, max-age=60");
  BOOST_TEST(s.get("/player/assets/deep/").body == "deep");
  BOOST_TEST(s.get("/player/inside.html").head.status == 200);
  const auto empty = s.get("/player/empty.txt");
  BOOST_TEST(empty.head.status == 200);
  BOOST_TEST(empty.body == "");
  for (const auto* absent :
       {"/player/none", "/player/.env", "/player/%2e%2e/secret.txt", "/player/outside.txt",
        "/player/up/secret.txt", "/player//index.html", "/player/assets/", "/player/pipe",
        "/player/index.html/", "/player/a%00.txt"}) {
    const auto response = s.get(absent);
    BOOST_TEST(response.head.status == 404, absent);
    BOOST_TEST(response.head.content_type == "application/problem+json");
  }
  for (const auto* without_slash : {"/player", "/player/assets/deep"}) {
    const auto response = s.get(without_slash);
    BOOST_TEST(response.head.status == 308, without_slash);
    BOOST_TEST(s.field(response, "location") == std::string(without_slash) + '/');
  }
  const auto posted = s.get("/player/", {}, net::http_method::post);
  BOOST_TEST(posted.head.status == 405);
  BOOST_TEST(s.field(posted, "allow") == "GET, HEAD");
}

BOOST_AUTO_TEST_CASE(what_the_client_has_is_not_sent_again) {
  using enum net::request_field;
  served s;
  const auto first = s.get("/player/index.html");
  const auto tag = s.field(first, "etag");
  const auto date = s.field(first, "last-modified");
  BOOST_TEST(s.get("/player/index.html", {{if_none_match, tag}}).head.status == 304);
  BOOST_TEST(s.get("/player/index.html", {{if_none_match, "\"x\", W/" + tag}}).head.status == 304);
  BOOST_TEST(s.get("/player/index.html", {{if_modified_since, date}}).head.status == 304);
  // The tag decides where both are there.
  BOOST_TEST(s.get("/player/index.html", {{if_none_match, "\"x\""}, {if_modified_since, date}})
                 .head.status == 200);
  const auto unchanged = s.get("/player/index.html", {{if_none_match, tag}});
  BOOST_TEST(unchanged.body == "");
  BOOST_TEST(s.field(unchanged, "etag") == tag);
  BOOST_TEST(s.field(unchanged, "cache-control") == "no-cache");
  s.write("web/index.html", "<p>other</p>");
  const auto changed = s.get("/player/index.html", {{if_none_match, tag}});
  BOOST_TEST(changed.head.status == 200);
  BOOST_TEST(changed.body == "<p>other</p>");
}

BOOST_AUTO_TEST_CASE(a_large_file_goes_out_piece_by_piece) {
  served s;
  std::string large(3 * piece + 17, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 3);
  s.write("web/large.mp4", large);
  const auto whole = s.get("/player/large.mp4");
  BOOST_TEST(whole.head.status == 200);
  BOOST_TEST((whole.body == large));
  BOOST_TEST(whole.chunks == 4u);
  BOOST_TEST(whole.largest_chunk == piece);
  BOOST_TEST(s.field(whole, "content-length") == std::to_string(large.size()));
  const auto head = s.get("/player/large.mp4", {}, net::http_method::head);
  BOOST_TEST(s.field(head, "content-length") == std::to_string(large.size()));
  BOOST_TEST(head.chunks == 0u);

  using enum net::request_field;
  const auto part = s.get("/player/large.mp4", {{range, "bytes=100000-179999"}});
  BOOST_TEST(part.head.status == 206);
  BOOST_TEST((part.body == large.substr(100'000, 80'000)));
  BOOST_TEST(s.field(part, "content-range") ==
             "bytes 100000-179999/" + std::to_string(large.size()));
  const auto tail = s.get("/player/large.mp4", {{range, "bytes=-10"}});
  BOOST_TEST((tail.body == large.substr(large.size() - 10)));
  const auto beyond = s.get("/player/large.mp4", {{range, "bytes=9999999-"}});
  BOOST_TEST(beyond.head.status == 416);
  BOOST_TEST(s.field(beyond, "content-range") == "bytes */" + std::to_string(large.size()));
  const auto tag = s.field(whole, "etag");
  BOOST_TEST(s.get("/player/large.mp4", {{range, "bytes=0-1"}, {if_range, tag}}).head.status ==
             206);
  BOOST_TEST(s.get("/player/large.mp4", {{range, "bytes=0-1"}, {if_range, "\"x\""}}).head.status ==
             200);
  BOOST_TEST(
      s.get("/player/large.mp4", {{range, "bytes=0-1"}}, net::http_method::head).head.status ==
      200);
}

BOOST_AUTO_TEST_CASE(a_file_that_becomes_shorter_ends_early) {
  served s;
  s.write("web/large.mp4", std::string(4 * piece, 'x'));
  const auto to = s.submit("/player/large.mp4");
  (void)s.responses.wait(to.stream, [](const auto& a) { return a.begun; });
  BOOST_REQUIRE(truncate((s.path / "web" / "large.mp4").c_str(), piece + 5) == 0);
  s.files->on_drained(to);
  (void)s.responses.wait(to.stream, [](const auto& a) { return a.chunks == 1; });
  s.files->on_drained(to);
  const auto response = s.responses.wait(to.stream, [](const auto& a) { return a.chunks == 2; });
  BOOST_TEST(response.ended);
  BOOST_TEST(response.body.size() == piece + 5);  // less than content-length: the client sees that
}

BOOST_AUTO_TEST_CASE(large_files_at_once_are_bounded_and_closed_when_the_client_goes) {
  served s;
  s.write("web/large.mp4", std::string(2 * piece, 'x'));
  const auto before = open_descriptors();
  std::vector<net::response_address> all;
  for (std::size_t i = 0; i < static_limits::transfers_max; ++i) {
    all.push_back(s.submit("/player/large.mp4"));
    (void)s.responses.wait(all.back().stream, [](const auto& a) { return a.begun; });
  }
  BOOST_TEST(open_descriptors() >= before + all.size());
  BOOST_TEST(s.get("/player/large.mp4").head.status == 503);
  BOOST_TEST(s.get("/player/index.html").head.status == 200);  // small ones hold nothing
  s.files->on_gone(all.back());
  BOOST_TEST(s.get("/player/large.mp4").head.status == 200);
  for (const auto& each : all) s.files->on_gone(each);
  // The last response is there a moment before its file is closed.
  for (int i = 0; i < 5'000 && open_descriptors() > before; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  BOOST_TEST(open_descriptors() <= before);
  // One whose client went before its turn came gets no response, and holds nothing.
  s.files->on_drained(all.front());
  BOOST_TEST(s.get("/player/large.mp4").head.status == 200);
}

BOOST_AUTO_TEST_CASE(without_folders_nothing_is_served) {
  pulled_responses responses;
  const static_files none({}, responses, system_time_source());
  for (const auto* path : {"/", "/player/", "/index.html", ""}) BOOST_TEST(!none.accepts(path));
}

BOOST_AUTO_TEST_CASE(the_longest_path_wins) {
  const tree t;
  pulled_responses responses;
  static_files some(
      {{.path = "/", .folder = t.folder()}, {.path = "/a/b/", .folder = t.folder() + "/assets"}},
      responses, system_time_source());
  for (const auto* path : {"/", "/x", "/a", "/a/b", "/a/b/app.js"}) BOOST_TEST(some.accepts(path));
  net::http_request request;
  request.path = "/a/b/app.js";
  request.respond_to.stream = 1;
  some.on_request(std::move(request));
  BOOST_TEST(responses.wait(1, [](const auto& a) { return a.ended; }).body == "1;");
}

BOOST_AUTO_TEST_SUITE_END()
