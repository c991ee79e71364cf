/* Plays a pretend video against a running gateway, the way an app would report it.
 *
 *   watch --identity --key device.pem
 *       prints the device's id and public key, which the learning platform registers
 *   watch --url https://localhost:8443 --ca tls-certificate.pem --key device.pem
 *         --student ann --module fire-drill --seconds 30
 *       plays 30 s. More options: --from S, --rate R, --storage FILE (survives a restart),
 *       --linger S (keeps sending after the end), --no-session-keys, and those for tests below
 */
#define _POSIX_C_SOURCE 200809L /* clock_gettime, in C11 without extensions */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <watchkeeper.h>

static volatile sig_atomic_t stop_requested;

static void on_signal(int number) {
  (void)number;
  stop_requested = 1;
}

/* A clock that nobody sets: a position from the wall clock would jump with it. */
static int64_t now_ms(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

static void on_progress(void* user, const wk_progress* progress) {
  (void)user;
  printf("progress %" PRIu32 " s, %.2f %%, resume at %" PRId64 " ms%s\n", progress->seconds_watched,
         progress->completion_percentage, progress->resume_ms,
         progress->newly_mastered ? ", MASTERED" : "");
}

static void on_drop(void* user, const wk_drop* drops, size_t count) {
  static const char* const reasons[] = {"buffer-full", "rejected", "too-old"};
  (void)user;
  for (size_t i = 0; i < count; ++i)
    printf("drop sn %" PRIu32 " [%" PRId64 ", %" PRId64 ") %s %s\n", drops[i].sequence,
           drops[i].from_ms, drops[i].to_ms, reasons[drops[i].reason], drops[i].problem);
}

static void on_failure(void* user, wk_failure failure, const char* text) {
  (void)user;
  printf("failure %d %s\n", (int)failure, text);
}

static void print_status(wk_client* client) {
  wk_status s;
  wk_client_status(client, &s);
  printf("status buffered=%" PRIu32 " made=%" PRIu64 " acknowledged=%" PRIu64 " limited=%" PRIu64
         " dropped=%" PRIu64 " requests=%" PRIu64 " device_signatures=%" PRIu64
         " session_signatures=%" PRIu64 " bytes_up=%" PRIu64 " bytes_down=%" PRIu64
         " clock_offset_ms=%" PRId64 " seconds_watched=%" PRIu32 "\n",
         s.buffered, s.made, s.acknowledged, s.limited, s.dropped, s.requests, s.device_signatures,
         s.session_signatures, s.bytes_up, s.bytes_down, s.clock_offset_ms, s.seconds_watched);
}

static int print_identity(const char* key_path) {
  wk_identity identity;
  char text[256];
  if (wk_identity_of_key_file(key_path, &identity, text, sizeof text) != WK_OK) {
    fprintf(stderr, "watch: %s\n", text);
    return 2;
  }
  printf("{\"kid\":\"%s\",\"jwk\":%s}\n", identity.kid, identity.jwk);
  return 0;
}

typedef struct settings {
  wk_options options;
  const char* module;
  int64_t play_ms, from_ms, linger_ms;
  double rate;
  int identity; /* only print it */
} settings;

static int64_t ms_of_seconds(const char* value) {
  return (int64_t)(atof(value) * 1000);
}

/* 1 if `name` is an option without a value. */
static int set_flag(settings* to, const char* name) {
  if (strcmp(name, "--identity") == 0)
    to->identity = 1;
  else if (strcmp(name, "--no-session-keys") == 0)
    to->options.session_keys = 0;
  else
    return 0;
  return 1;
}

/* 1 if `name` is an option of the client. */
static int set_client_option(wk_options* to, const char* name, const char* value) {
  if (strcmp(name, "--url") == 0)
    to->url = value;
  else if (strcmp(name, "--ca") == 0)
    to->ca_path = value;
  else if (strcmp(name, "--key") == 0)
    to->key_path = value;
  else if (strcmp(name, "--storage") == 0)
    to->storage_path = value;
  else if (strcmp(name, "--student") == 0)
    to->student = value;
  else if (strcmp(name, "--heartbeat-ms") == 0)
    to->heartbeat_ms = atoll(value);
  else if (strcmp(name, "--full-response-every") == 0)
    to->full_response_every = atoi(value);
  else if (strcmp(name, "--interval-max-ms") == 0)
    to->interval_max_ms = atoll(value);
  else if (strcmp(name, "--backoff-base-ms") == 0)
    to->backoff_base_ms = atoll(value);
  else if (strcmp(name, "--backoff-cap-ms") == 0)
    to->backoff_cap_ms = atoll(value);
  else if (strcmp(name, "--timeout-ms") == 0)
    to->request_timeout_ms = atoll(value);
  else
    return 0;
  return 1;
}

/* 1 if `name` is an option of the pretend video. */
static int set_video_option(settings* to, const char* name, const char* value) {
  if (strcmp(name, "--module") == 0)
    to->module = value;
  else if (strcmp(name, "--seconds") == 0)
    to->play_ms = ms_of_seconds(value);
  else if (strcmp(name, "--from") == 0)
    to->from_ms = ms_of_seconds(value);
  else if (strcmp(name, "--rate") == 0)
    to->rate = atof(value);
  else if (strcmp(name, "--linger") == 0)
    to->linger_ms = ms_of_seconds(value);
  else
    return 0;
  return 1;
}

/* 0 after a message about the first bad argument. */
static int read_arguments(int count, char** arguments, settings* to) {
  for (int i = 1; i < count; ++i) {
    const char* name = arguments[i];
    if (set_flag(to, name)) continue;
    if (i + 1 == count) {
      fprintf(stderr, "watch: %s is not an option, or lacks its value\n", name);
      return 0;
    }
    const char* value = arguments[++i];
    if (!set_client_option(&to->options, name, value) && !set_video_option(to, name, value)) {
      fprintf(stderr, "watch: %s is not an option\n", name);
      return 0;
    }
  }
  return 1;
}

/* 0 if the module's id or the rate is not usable. */
static int play(wk_client* client, const settings* of) {
  /* A player reports its position a few times a second; in between, the client is driven. */
  int64_t at_ms = of->from_ms;
  const int64_t begin_ms = now_ms(), end_ms = of->from_ms + of->play_ms;
  if (wk_client_open(client, of->module, NULL) != WK_OK ||
      wk_client_rate(client, at_ms, of->rate) != WK_OK || wk_client_play(client, at_ms) != WK_OK)
    return 0;
  puts("playing");
  while (!stop_requested && at_ms < end_ms) {
    wk_client_wait(client, 100);
    at_ms = of->from_ms + (int64_t)((double)(now_ms() - begin_ms) * of->rate);
    if (at_ms > end_ms) at_ms = end_ms;
    wk_client_position(client, at_ms);
  }
  wk_client_ended(client, at_ms);
  return 1;
}

/* Sends what is left for at most `linger_ms`. The storage carries the rest to the next start. */
static wk_status deliver(wk_client* client, int64_t linger_ms) {
  wk_status status;
  const int64_t end_ms = now_ms() + linger_ms;
  do {
    wk_client_wait(client, 100);
    wk_client_status(client, &status);
  } while (status.buffered > 0 && now_ms() < end_ms);
  return status;
}

int main(int count, char** arguments) {
  settings set = {.module = "fire-safety-1", .play_ms = 30000, .linger_ms = 5000, .rate = 1.0};
  wk_options_init(&set.options);
  set.options.url = "https://localhost:8443";
  set.options.key_path = "device.pem";
  if (!read_arguments(count, arguments, &set)) return 2;
  if (set.identity) return print_identity(set.options.key_path);

  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  set.options.callbacks.on_progress = on_progress;
  set.options.callbacks.on_drop = on_drop;
  set.options.callbacks.on_failure = on_failure;
  char text[256];
  wk_client* client = wk_client_create(&set.options, NULL, text, sizeof text);
  if (client == NULL) {
    fprintf(stderr, "watch: %s\n", text);
    return 2;
  }
  if (!play(client, &set)) {
    fprintf(stderr, "watch: the module's id or the rate is not usable\n");
    wk_client_destroy(client);
    return 2;
  }
  const wk_status status = deliver(client, set.linger_ms);
  print_status(client);
  wk_client_destroy(client);
  return status.buffered == 0 && status.dropped == 0 ? 0 : 1;
}
