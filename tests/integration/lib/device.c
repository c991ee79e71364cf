/* A device with a clock of its own making, for outages of minutes in seconds. It plays the module
 * as lines on standard input say, four positions a second of its time:
 *
 *   play SECONDS    playback goes on
 *   rest SECONDS    playback stands still; ends early when nothing is buffered any more
 *
 * and prints a line of status for each. Its time is the machine's plus what is in a file of one
 * int64_t (milliseconds), which it moves on, and which the gateway may share (later.c).
 *
 *   device URL CA KEY STORAGE STUDENT MODULE CLOCK
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <watchkeeper.h>

enum { step_ms = 250 };

static volatile int64_t* ahead_ms;

static int64_t read_clock(clockid_t id) {
  struct timespec at;
  clock_gettime(id, &at);
  return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static void now(void* user, int64_t* unix_ms, int64_t* monotonic_ms) {
  (void)user;
  *unix_ms = read_clock(CLOCK_REALTIME) + *ahead_ms;
  *monotonic_ms = read_clock(CLOCK_MONOTONIC) + *ahead_ms;
}

static void on_drop(void* user, const wk_drop* drops, size_t count) {
  (void)user;
  printf("dropped %zu\n", count);
  for (size_t i = 0; i < count; ++i)
    printf("drop %" PRId64 " %" PRId64 " %d %s\n", drops[i].from_ms, drops[i].to_ms,
           (int)drops[i].reason, drops[i].problem);
}

static void on_failure(void* user, wk_failure failure, const char* text) {
  (void)user;
  printf("failure %d %s\n", (int)failure, text);
}

static wk_status status_of(wk_client* client) {
  wk_status status;
  wk_client_status(client, &status);
  return status;
}

/* Its time stands (but for the machine's) until the gateway has responded, or is not there. */
static wk_status settle(wk_client* client) {
  for (;;) {
    wk_client_poll(client);
    const wk_status status = status_of(client);
    if (status.in_flight == 0 && (status.buffered == 0 || status.cooldown_ms > 0)) return status;
    struct pollfd ready = {.fd = wk_client_descriptor(client, NULL), .events = 0};
    wk_client_descriptor(client, &ready.events);
    poll(&ready, ready.fd < 0 ? 0 : 1, 20);
  }
}

int main(int count, char** arguments) {
  if (count != 8) return 2;
  const int file = open(arguments[7], O_RDWR);
  void* const shared = mmap(NULL, sizeof *ahead_ms, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || shared == MAP_FAILED) return 2;
  ahead_ms = shared;

  wk_options options;
  wk_options_init(&options);
  options.url = arguments[1];
  options.ca_path = arguments[2];
  options.key_path = arguments[3];
  options.storage_path = arguments[4];
  options.student = arguments[5];
  options.clock.now = now;
  options.callbacks.on_drop = on_drop;
  options.callbacks.on_failure = on_failure;
  char text[256];
  wk_client* client = wk_client_create(&options, NULL, text, sizeof text);
  if (client == NULL || wk_client_open(client, arguments[6], NULL) != WK_OK) return 2;

  int64_t begun_at_ms = 0, position_ms = 0;
  char line[64];
  while (fgets(line, sizeof line, stdin) != NULL) {
    const int plays = strncmp(line, "play ", 5) == 0;
    const int64_t length_ms = atoll(line + 5) * 1000;
    if (plays) wk_client_play(client, begun_at_ms);
    wk_status status = settle(client);
    for (int64_t passed_ms = 0; passed_ms < length_ms; passed_ms += step_ms) {
      if (!plays && status.buffered == 0) break;
      *ahead_ms += step_ms;
      if (plays) wk_client_position(client, position_ms += step_ms);
      status = settle(client);
    }
    if (plays) wk_client_pause(client, position_ms);
    begun_at_ms = position_ms;
    status = settle(client);
    printf("status position_ms=%" PRId64 " buffered=%" PRIu32 " made=%" PRIu64
           " acknowledged=%" PRIu64 " limited=%" PRIu64 " dropped=%" PRIu64 " requests=%" PRIu64
           " cooldown_ms=%" PRId64 "\n",
           position_ms, status.buffered, status.made, status.acknowledged, status.limited,
           status.dropped, status.requests, status.cooldown_ms);
    fflush(stdout);
  }
  wk_client_destroy(client);
  return 0;
}
