#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/thread_safety.hpp"
#include "net/shared/http.hpp"
#include "server/config/configuration.hpp"
#include "server/files/open_file.hpp"

namespace watchkeeper::server {

namespace static_limits {
inline constexpr unsigned threads = 2;
inline constexpr std::size_t requests_queued_max = 256;  // further ones get `overloaded`
/// Files that are being sent in pieces; each holds a descriptor and at most one piece.
inline constexpr std::size_t transfers_max = 512;
inline constexpr std::size_t piece_bytes = 64 * 1024;
}  // namespace static_limits

/// Serves the folders of [[static]]: GET and HEAD, single ranges, conditional requests.
/// A file of at most one piece is sent at once. A longer one goes out piece by piece: the next
/// piece is read when the HTTP/2 layer has sent the previous one, so that a slow reader costs one
/// piece. Thread: requests on I/O threads, files on threads of its own, because a disk may be slow.
/// Borrows the response port.
class static_files {
 public:
  /// Without folders it has no threads and accepts no path.
  static_files(std::vector<static_folder> folders, net::response_port& responses,
               const time_source& time);
  ~static_files();  // as stop()
  static_files(const static_files&) = delete;
  static_files& operator=(const static_files&) = delete;

  /// Whether the path is in a folder, or is a folder without the slash at its end.
  [[nodiscard]] bool accepts(std::string_view path) const noexcept;

  // As request_sink. Streams of other endpoints are ignored.
  void on_request(net::http_request&& request) noexcept;
  void on_drained(const net::response_address& to) noexcept;
  void on_gone(const net::response_address& to) noexcept;

  /// Ends the threads. Transfers stay unfinished. May be called several times.
  void stop() noexcept;

 private:
  /// A response that is sent in pieces. on_gone may drop it at any time.
  struct transfer {
    file_descriptor file;
    std::uint64_t at = 0;
    std::uint64_t end = 0;
  };
  struct address_hash {
    std::size_t operator()(const net::response_address& a) const noexcept {
      return (a.connection * 0x9e3779b97f4a7c15ull) ^ static_cast<std::size_t>(a.stream);
    }
  };

  [[nodiscard]] const static_folder* folder_of(std::string_view path) const noexcept;
  bool push(std::function<void()> run, bool bounded);
  void work();
  void respond(const net::http_request& request);
  void respond_file(const net::http_request& request, const static_folder& folder,
                    const std::string& path, opened_file&& file);
  void send_part(const net::http_request& request, net::http_response&& response,
                 opened_file&& file, std::uint64_t first, std::uint64_t count);
  void send_piece(const net::response_address& to, const std::shared_ptr<transfer>& what);
  void finish(const net::response_address& to) noexcept;
  void respond_problem(const net::http_request& request, problem what, std::string_view detail);

  const std::vector<static_folder> folders_;  // the longest path first
  net::response_port& responses_;
  const time_source& time_;

  annotated_mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_ GUARDED_BY(mutex_);
  std::size_t requests_queued_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::size_t transfers_open_ GUARDED_BY(mutex_) = 0;
  // Every request whose stream has not gone; null while, or because, it is not sent in pieces.
  std::unordered_map<net::response_address, std::shared_ptr<transfer>, address_hash> streams_
      GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace watchkeeper::server
