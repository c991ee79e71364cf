/* Loaded in front of the C library (LD_PRELOAD): the time of day is later by what the file of one
 * int64_t (milliseconds) says that WATCHKEEPER_TEST_CLOCK names. So a gateway keeps the time of a
 * test that lets minutes pass in seconds. Intervals (CLOCK_MONOTONIC) stay the machine's. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t* later_ms;

__attribute__((constructor)) static void begin(void) {
  const char* const path = getenv("WATCHKEEPER_TEST_CLOCK");
  const int file = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  void* const shared = mmap(NULL, sizeof *later_ms, PROT_READ, MAP_SHARED, file, 0);
  if (shared == MAP_FAILED) abort();
  later_ms = shared;
}

int clock_gettime(clockid_t id, struct timespec* at) {
  const int result = (int)syscall(SYS_clock_gettime, id, at);
  if (result != 0 || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE) || later_ms == NULL)
    return result;
  const int64_t ahead_ms = *(const volatile int64_t*)later_ms;
  at->tv_sec += ahead_ms / 1000;
  at->tv_nsec += ahead_ms % 1000 * 1000000;
  if (at->tv_nsec >= 1000000000) {
    at->tv_nsec -= 1000000000;
    ++at->tv_sec;
  }
  return 0;
}

time_t time(time_t* into) {
  struct timespec at;
  clock_gettime(CLOCK_REALTIME, &at);
  if (into != NULL) *into = at.tv_sec;
  return at.tv_sec;
}

int gettimeofday(struct timeval* restrict at, void* restrict zone) {
  (void)zone;
  struct timespec precise;
  clock_gettime(CLOCK_REALTIME, &precise);
  at->tv_sec = precise.tv_sec;
  at->tv_usec = precise.tv_nsec / 1000;
  return 0;
}
