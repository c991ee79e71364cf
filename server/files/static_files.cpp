#include "server/files/static_files.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/entity_tag.hpp"
#include "net/shared/http_date.hpp"
#include "net/shared/problem_response.hpp"
#include "server/files/byte_range.hpp"
#include "server/files/file_path.hpp"

namespace watchkeeper::server {
namespace {

using net::http_method;
using net::request_field;

std::string http_date_text(std::int64_t changed_ns) {
  const auto date = net::http_date_of(wall_ms(changed_ns / 1'000'000));
  return {date.data(), date.size()};
}

/// Reads `count` bytes; fewer if the file has become shorter or cannot be read.
std::string read_at(int file, std::uint64_t at, std::size_t count) {
  std::string bytes(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const auto got =
        ::pread(file, bytes.data() + done, count - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

std::string cache_control_of(const static_folder& folder, const std::string& path) {
  if (!folder.immutable.empty() && path.starts_with(folder.immutable))
    return "public, max-age=31536000, immutable";
  // A page names the files that belong to it: an old one asks for files that are gone.
  if (folder.max_age_s == 0 || path.ends_with(".html")) return "no-cache";
  return fmt::format("public, max-age={}", folder.max_age_s);
}

/// Whether the client has this very version already (RFC 9110, section 13.2.2). Dates are
/// compared as texts: what a client sends is what it got.
bool is_unchanged(const net::http_request& request, std::string_view tag, std::string_view date) {
  const auto tags = request.field(request_field::if_none_match);
  if (!tags.empty()) return names_tag(tags, tag);
  return request.field(request_field::if_modified_since) == date;
}

byte_range range_of(const net::http_request& request, std::uint64_t size, std::string_view tag,
                    std::string_view date) {
  if (request.method != http_method::get) return {};
  const auto only_of = request.field(request_field::if_range);
  if (!only_of.empty() && only_of != tag && only_of != date) return {};
  return byte_range_of(request.field(request_field::range), size);
}

}  // namespace

static_files::static_files(std::vector<static_folder> folders, net::response_port& responses,
                           const time_source& time)
    : folders_([&] {
        std::ranges::stable_sort(
            folders, [](const auto& a, const auto& b) { return a.path.size() > b.path.size(); });
        return std::move(folders);
      }()),
      responses_(responses),
      time_(time) {
  if (folders_.empty()) return;
  for (unsigned i = 0; i < static_limits::threads; ++i) threads_.emplace_back([this] { work(); });
}

static_files::~static_files() {
  stop();
}

void static_files::stop() noexcept {
  {
    const mutex_lock lock(mutex_);
    stopping_ = true;
    queue_.clear();
    streams_.clear();
    transfers_open_ = 0;
  }
  wake_.notify_all();
  for (auto& thread : threads_)
    if (thread.joinable()) thread.join();
}

const static_folder* static_files::folder_of(std::string_view path) const noexcept {
  for (const auto& folder : folders_)
    if (path.starts_with(folder.path) ||
        (path.size() + 1 == folder.path.size() && folder.path.starts_with(path)))
      return &folder;
  return nullptr;
}

bool static_files::accepts(std::string_view path) const noexcept {
  return folder_of(path) != nullptr;
}

bool static_files::push(std::function<void()> run, bool bounded) {
  {
    const mutex_lock lock(mutex_);
    if (stopping_) return false;
    if (bounded && requests_queued_ >= static_limits::requests_queued_max) return false;
    if (bounded) {
      ++requests_queued_;
      run = [this, run = std::move(run)] {
        {
          const mutex_lock inner(mutex_);
          --requests_queued_;
        }
        run();
      };
    }
    queue_.push_back(std::move(run));
  }
  wake_.notify_one();
  return true;
}

void static_files::work() {
  mutex_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock.native(), [this]() REQUIRES(mutex_) { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const auto next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    next();
    lock.lock();
  }
}

void static_files::respond_problem(const net::http_request& request, problem what,
                                   std::string_view detail) {
  auto response = net::make_problem(what, detail, time_.wall_now());
  if (what == problem::method_not_allowed) response.headers.emplace_back("allow", "GET, HEAD");
  responses_.respond(request.respond_to, std::move(response));
}

void static_files::on_request(net::http_request&& request) noexcept {
  const auto to = request.respond_to;
  try {
    if (request.method != http_method::get && request.method != http_method::head)
      return respond_problem(request, problem::method_not_allowed,
                             "Files support only GET and HEAD");
    {
      // First: a stream that has gone before its response is due gets none.
      const mutex_lock lock(mutex_);
      if (!stopping_) streams_.emplace(to, nullptr);
    }
    auto shared = std::make_shared<net::http_request>(std::move(request));
    const auto run = [this, shared] {
      try {
        respond(*shared);
      } catch (...) {  // out of memory
        responses_.respond(shared->respond_to, {.status = 503});
      }
    };
    if (!push(run, true))
      respond_problem(*shared, problem::overloaded, "Too many requests for files wait; try again");
  } catch (...) {
    responses_.respond(to, {.status = 503});
  }
}

void static_files::respond(const net::http_request& request) {
  using kind = opened_file::kind;
  const auto* folder = folder_of(request.path);
  if (folder == nullptr)
    return respond_problem(request, problem::not_found, "There is no file at this path");
  const auto redirect = [&] {
    net::http_response response;
    response.status = 308;
    response.headers = {{"location", request.path + '/'}, {"cache-control", "no-cache"}};
    responses_.respond(request.respond_to, std::move(response));
  };
  if (request.path.size() < folder->path.size()) return redirect();
  auto path = file_path_of(std::string_view(request.path).substr(folder->path.size()));
  if (!path) return respond_problem(request, problem::not_found, "There is no file at this path");
  if (path->empty() || path->ends_with('/')) *path += "index.html";
  auto file = open_below(folder->folder, *path);
  switch (file.what) {
    case kind::absent:
      return respond_problem(request, problem::not_found, "There is no file at this path");
    case kind::too_many:
      return respond_problem(request, problem::overloaded,
                             "The gateway has too many open files; try again");
    case kind::folder:
      return redirect();
    case kind::file:
      return respond_file(request, *folder, *path, std::move(file));
  }
}

void static_files::respond_file(const net::http_request& request, const static_folder& folder,
                                const std::string& path, opened_file&& file) {
  const auto tag = fmt::format("\"{:x}-{:x}-{:x}\"", file.changed_ns, file.size, file.inode);
  const auto date = http_date_text(file.changed_ns);
  net::http_response response;
  response.headers = {{"etag", tag},
                      {"last-modified", date},
                      {"cache-control", cache_control_of(folder, path)},
                      {"x-content-type-options", "nosniff"}};
  if (is_unchanged(request, tag, date)) {
    response.status = 304;
    return responses_.respond(request.respond_to, std::move(response));
  }
  response.headers.emplace_back("accept-ranges", "bytes");
  const auto range = range_of(request, file.size, tag, date);
  if (range.what == byte_range::kind::unsatisfiable) {
    response.status = 416;
    response.headers.emplace_back("content-range", fmt::format("bytes */{}", file.size));
    return responses_.respond(request.respond_to, std::move(response));
  }
  response.content_type = content_type_of(path);
  // What may run scripts of its own.
  if (path.ends_with(".html") || path.ends_with(".svg"))
    response.headers.emplace_back("content-security-policy", folder.content_security_policy);
  if (range.what == byte_range::kind::whole)
    return send_part(request, std::move(response), std::move(file), 0, file.size);
  response.status = 206;
  response.headers.emplace_back("content-range",
                                fmt::format("bytes {}-{}/{}", range.first, range.last, file.size));
  send_part(request, std::move(response), std::move(file), range.first,
            range.last - range.first + 1);
}

void static_files::send_part(const net::http_request& request, net::http_response&& response,
                             opened_file&& file, std::uint64_t first, std::uint64_t count) {
  const auto& to = request.respond_to;
  const bool head = request.method == http_method::head;
  if (!head && count <= static_limits::piece_bytes) {
    response.body = read_at(file.descriptor.get(), first, static_cast<std::size_t>(count));
    // The file was truncated between open and read, or the disk is broken.
    if (response.body.size() != count)
      return respond_problem(request, problem::overloaded, "The file could not be read; try again");
    return responses_.respond(to, std::move(response));
  }
  if (!head) {
    auto started = std::make_shared<transfer>();
    started->file = std::move(file.descriptor);
    started->at = first;
    started->end = first + count;
    bool full = false;
    {
      const mutex_lock lock(mutex_);
      const auto stream = streams_.find(to);
      if (stream == streams_.end()) return;
      full = transfers_open_ >= static_limits::transfers_max;
      if (!full) {
        stream->second = std::move(started);
        ++transfers_open_;
      }
    }
    if (full)
      return respond_problem(request, problem::overloaded,
                             "The gateway sends too many large files already; try again");
  }
  response.headers.emplace_back("content-length", std::to_string(count));
  response.pulled = true;  // on_drained asks for the first piece
  responses_.begin(to, std::move(response));
}

void static_files::on_drained(const net::response_address& to) noexcept {
  try {
    std::shared_ptr<transfer> found;
    {
      const mutex_lock lock(mutex_);
      const auto it = streams_.find(to);
      if (it == streams_.end() || !it->second) return;
      found = it->second;
    }
    // Not bounded: there is one at most for each transfer.
    push([this, to, found] { send_piece(to, found); }, false);
  } catch (...) {
    finish(to);
    responses_.send(to, {}, true);  // shorter than announced, which the client sees
  }
}

void static_files::send_piece(const net::response_address& to,
                              const std::shared_ptr<transfer>& what) {
  const auto piece_bytes = static_cast<std::size_t>(
      std::min<std::uint64_t>(what->end - what->at, static_limits::piece_bytes));
  std::string piece;
  try {
    piece = read_at(what->file.get(), what->at, piece_bytes);
  } catch (...) {  // out of memory
  }
  what->at += piece.size();
  // A file that has become shorter than announced ends here; the client sees that from the length.
  const bool last = piece.size() < piece_bytes || what->at == what->end;
  if (last) finish(to);
  responses_.send(to, std::move(piece), last);
}

void static_files::finish(const net::response_address& to) noexcept {
  std::shared_ptr<transfer> finished;  // closes its file outside of the lock
  const mutex_lock lock(mutex_);
  const auto it = streams_.find(to);
  if (it == streams_.end() || !it->second) return;
  finished = std::move(it->second);
  --transfers_open_;
}

void static_files::on_gone(const net::response_address& to) noexcept {
  finish(to);
  const mutex_lock lock(mutex_);
  streams_.erase(to);
}

}  // namespace watchkeeper::server
