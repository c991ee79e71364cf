/* Plays a pretend video against a running gateway, the way an app would report it.
 *
 *   watch --identity --key device.pem
 *       prints the device's id and public key, which the learning platform registers
 *   watch --url https://localhost:8443 --ca tls-certificate.pem --key device.pem
 *         --student ann --module fire-drill --seconds 30
 *       plays 30 s; more: --from S, --rate R, --storage FILE (what a restart must not lose),
 *       --linger S (goes on sending after the end), --no-session-keys, and those of the tests below
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

/* A clock that is never set: a position taken from the wall clock would jump with it. */
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
  static const char* const reasons[] = {"buffer-full", "refused", "too-old"};
  (void)user;
  for (size_t i = 0; i < count; ++i)
    printf("drop sn %" PRIu32 " [%" PRId64 ", %" PRId64 ") %s %s\n", drops[i].sequence,
           drops[i].from_ms, drops[i].to_ms, reasons[drops[i].reason], drops[i].problem);
}

static void on_trouble(void* user, wk_trouble trouble, const char* text) {
  (void)user;
  printf("trouble %d %s\n", (int)trouble, text);
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

int main(int count, char** arguments) {
  wk_options options;
  wk_options_init(&options);
  options.url = "https://localhost:8443";
  options.key_path = "device.pem";
  const char* module = "fire-safety-1";
  int64_t play_ms = 30000, from_ms = 0, linger_ms = 5000;
  double rate = 1.0;
  int identity = 0;

  for (int i = 1; i < count; ++i) {
    const char* name = arguments[i];
    if (strcmp(name, "--identity") == 0) {
      identity = 1;
      continue;
    }
    if (strcmp(name, "--no-session-keys") == 0) {
      options.session_keys = 0;
      continue;
    }
    if (i + 1 == count) {
      fprintf(stderr, "watch: %s is not known, or lacks its value\n", name);
      return 2;
    }
    const char* value = arguments[++i];
    if (strcmp(name, "--url") == 0)
      options.url = value;
    else if (strcmp(name, "--ca") == 0)
      options.ca_path = value;
    else if (strcmp(name, "--key") == 0)
      options.key_path = value;
    else if (strcmp(name, "--storage") == 0)
      options.storage_path = value;
    else if (strcmp(name, "--student") == 0)
      options.student = value;
    else if (strcmp(name, "--module") == 0)
      module = value;
    else if (strcmp(name, "--seconds") == 0)
      play_ms = (int64_t)(atof(value) * 1000);
    else if (strcmp(name, "--from") == 0)
      from_ms = (int64_t)(atof(value) * 1000);
    else if (strcmp(name, "--rate") == 0)
      rate = atof(value);
    else if (strcmp(name, "--linger") == 0)
      linger_ms = (int64_t)(atof(value) * 1000);
    else if (strcmp(name, "--heartbeat-ms") == 0)
      options.heartbeat_ms = atoll(value);
    else if (strcmp(name, "--full-answer-every") == 0)
      options.full_answer_every = atoi(value);
    else if (strcmp(name, "--interval-max-ms") == 0)
      options.interval_max_ms = atoll(value);
    else if (strcmp(name, "--backoff-base-ms") == 0)
      options.backoff_base_ms = atoll(value);
    else if (strcmp(name, "--backoff-cap-ms") == 0)
      options.backoff_cap_ms = atoll(value);
    else if (strcmp(name, "--timeout-ms") == 0)
      options.request_timeout_ms = atoll(value);
    else {
      fprintf(stderr, "watch: %s is not known\n", name);
      return 2;
    }
  }
  if (identity) return print_identity(options.key_path);

  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  options.callbacks.on_progress = on_progress;
  options.callbacks.on_drop = on_drop;
  options.callbacks.on_trouble = on_trouble;
  char text[256];
  wk_client* client = wk_client_create(&options, NULL, text, sizeof text);
  if (client == NULL) {
    fprintf(stderr, "watch: %s\n", text);
    return 2;
  }

  /* A player tells its position a few times a second; between that, the client is driven. */
  int64_t at_ms = from_ms;
  const int64_t begin_ms = now_ms();
  if (wk_client_open(client, module, NULL) != WK_OK ||
      wk_client_rate(client, from_ms, rate) != WK_OK || wk_client_play(client, from_ms) != WK_OK) {
    fprintf(stderr, "watch: the module's id or the rate is not usable\n");
    wk_client_destroy(client);
    return 2;
  }
  puts("playing");
  while (!stop_requested && at_ms < from_ms + play_ms) {
    wk_client_wait(client, 100);
    at_ms = from_ms + (int64_t)((double)(now_ms() - begin_ms) * rate);
    if (at_ms > from_ms + play_ms) at_ms = from_ms + play_ms;
    wk_client_position(client, at_ms);
  }
  wk_client_ended(client, at_ms);

  /* What the network still owes; the rest waits in the storage for the next start. */
  wk_status status;
  const int64_t end_ms = now_ms() + linger_ms;
  do {
    wk_client_wait(client, 100);
    wk_client_status(client, &status);
  } while (status.buffered > 0 && now_ms() < end_ms);
  print_status(client);
  wk_client_destroy(client);
  return status.buffered == 0 && status.dropped == 0 ? 0 : 1;
}
