/* watchkeeper device SDK: reports to a watchkeeper gateway what a player has really played.
 *
 * This header is the whole interface, for C11 and every language that can call C.
 * docs/sdk-c.md is the guide.
 *
 * Threads: A client has no thread and no lock. Use a client from one thread at a time. Clients
 * share nothing with each other. The wk_client_... functions call the callbacks, on the calling
 * thread. A callback may call every function of its client except wk_client_destroy. A report from
 * a callback counts. While a request is being signed, wk_client_poll and wk_client_flush begin no
 * request. Within the clock callback every call fails with WK_ERROR_STATE.
 *
 * Text: UTF-8, terminated by a zero byte. In both directions the pointer is valid during the call
 * only. An id has 1 to 64 characters of A-Z a-z 0-9 . _ ~ : @ - and is neither . nor ..
 *
 * Units: Times are milliseconds. Positions are milliseconds of media; the position -1 means "not
 * known", and the last reported position then counts.
 */
#ifndef WATCHKEEPER_H
#define WATCHKEEPER_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define WK_API
#else
#define WK_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wk_client wk_client;

typedef enum wk_result {
  WK_OK = 0,
  WK_ERROR_ARGUMENT = 1, /* An argument is out of range. Nothing has changed, unless noted. */
  WK_ERROR_STATE = 2,    /* Not possible now: no open session, or no such request in flight. */
  WK_ERROR_MEMORY = 3,
  WK_ERROR_KEY = 4,             /* The key is not a P-256 key, or its file cannot be used. */
  WK_ERROR_FOREIGN_STORAGE = 5, /* The storage belongs to another student. */
  WK_ERROR_URL = 6,
  WK_ERROR_TIMEOUT = 7
} wk_result;

/* -- What the host may supply. The default replaces each struct with a null function. Callbacks
 *    return 0 for success. */

typedef enum wk_signature_format {
  WK_SIGNATURE_RAW = 0, /* r and s, 32 bytes each (CryptoKit, WebCrypto) */
  WK_SIGNATURE_DER = 1  /* ASN.1 (Android Keystore, SecKeyCreateSignature, OpenSSL) */
} wk_signature_format;

/* The key of the device. Default: the PEM file options.key_path. */
typedef struct wk_signer {
  /* Signs the SHA-256 digest of `data` by ECDSA on P-256. Writes at most 80 bytes. */
  int (*sign)(void* user, const uint8_t* data, size_t size, uint8_t* signature,
              size_t* signature_size);
  void* user;
  wk_signature_format format;
  /* 64 bytes (x, y), 65 bytes (04 in front), or the 91 bytes of a SubjectPublicKeyInfo. */
  const uint8_t* public_key;
  size_t public_key_size;
} wk_signer;

/* The key agreement for session keys. Default: OpenSSL. */
typedef struct wk_key_agreement {
  /* Generates a P-256 key pair and forgets its private key. Writes the public key (x and y, 64
   * bytes) to `own_public`, and to `shared_secret` the 32 bytes of the x coordinate shared with
   * `peer` (x and y, a point on the curve). */
  int (*agree)(void* user, const uint8_t* peer, uint8_t* own_public, uint8_t* shared_secret);
  void* user;
} wk_key_agreement;

/* Default: CLOCK_REALTIME and CLOCK_BOOTTIME. */
typedef struct wk_clock {
  /* unix_ms: since 1970. monotonic_ms: never goes back, and goes on while the device sleeps. */
  void (*now)(void* user, int64_t* unix_ms, int64_t* monotonic_ms);
  void* user;
} wk_clock;

/* Stores one blob of at most 8 KB across restarts. Default: the file options.storage_path; with
 * neither, nothing is stored. */
typedef struct wk_storage {
  /* Reads up to `capacity` bytes into `data` and sets *size. If nothing is stored yet: sets *size
   * to 0 and returns 0. */
  int (*load)(void* user, uint8_t* data, size_t capacity, size_t* size);
  /* Replaces the stored blob, completely or not at all. */
  int (*save)(void* user, const uint8_t* data, size_t size);
  void* user;
} wk_storage;

typedef struct wk_request {
  uint64_t id;
  const char* method;       /* "GET" or "POST" */
  const char* path;         /* to append to the gateway's URL */
  const char* content_type; /* of the body, or NULL */
  const char* prefer;       /* the field `prefer`, or NULL */
  const uint8_t* body;
  size_t body_size;
  int64_t timeout_ms;        /* after this time the client calls `cancel` */
  const char* cache_control; /* the field `cache-control`, or NULL */
} wk_request;

typedef struct wk_response {
  int status;
  int64_t retry_after_s; /* the field `retry-after`, or -1 */
  const uint8_t* body;   /* at most 65,536 bytes; the client refuses a longer body */
  size_t body_size;
} wk_response;

/* How much of a failed request may have reached the gateway. */
typedef enum wk_delivery {
  WK_DELIVERY_NOT_SENT = 0, /* certainly nothing: no name, no route, no TLS */
  WK_DELIVERY_UNKNOWN = 1   /* perhaps all of it */
} wk_delivery;

/* Default: HTTP/2 over TLS by nghttp2 and OpenSSL, on non-blocking sockets driven by
 * wk_client_poll. Only the look-up of the gateway's name blocks. */
typedef struct wk_transport {
  /* Begins the request; copies what it needs of it. Report the outcome by wk_client_respond or
   * wk_client_fail, on the client's thread, within this call or later. Do not follow redirects.
   * A result other than 0 means that nothing was sent and no outcome will follow. */
  int (*send)(void* user, wk_client* client, const wk_request* request);
  /* The client no longer waits for the response. May be NULL. */
  void (*cancel)(void* user, uint64_t id);
  void* user;
} wk_transport;

/* -- Events for the app. Each callback may be NULL. */

typedef struct wk_progress {
  const char* module;
  const char* session;
  uint32_t seconds_watched; /* of different media time */
  double completion_percentage;
  int64_t resume_ms; /* where to continue, on this device or another one */
  int mastered;
  int newly_mastered; /* the client did not know of it before */
} wk_progress;

typedef enum wk_drop_reason {
  WK_DROP_BUFFER_FULL = 0, /* the oldest heartbeat made room for a newer one */
  WK_DROP_REJECTED = 1,    /* the gateway will never accept it: see `problem` */
  WK_DROP_TOO_OLD = 2      /* it ended longer ago than the gateway accepts */
} wk_drop_reason;

typedef struct wk_drop {
  const char* module;
  const char* session;
  uint32_t sequence;
  int64_t from_ms;
  int64_t to_ms;
  wk_drop_reason reason;
  const char* problem; /* such as "unknown-module"; empty if there is none */
} wk_drop;

typedef enum wk_failure {
  WK_FAILURE_TRANSPORT = 0, /* the gateway cannot be reached */
  WK_FAILURE_RESPONSE = 1,  /* the response is not a gateway's: another server, a captive portal */
  WK_FAILURE_REDIRECT = 2,  /* the client does not follow redirects */
  WK_FAILURE_SIGNER = 3,    /* the signer failed or gave no valid signature */
  WK_FAILURE_STORAGE_LOAD = 4,    /* the storage cannot be read; nothing is written until it can */
  WK_FAILURE_STORAGE_SAVE = 5,    /* the storage cannot be written; the client tries again */
  WK_FAILURE_STORAGE_DAMAGED = 6, /* some stored heartbeats could not be read and are lost */
  WK_FAILURE_NOT_ENROLLED = 7     /* the gateway does not know the device: see wk_client_flush */
} wk_failure;

typedef struct wk_callbacks {
  void* user;
  /* The gateway reported the student's progress (see options.full_response_every). Never a guess.
   */
  void (*on_progress)(void* user, const wk_progress* progress);
  /* Heartbeats that will never be credited: all that were dropped together, oldest first. */
  void (*on_drop)(void* user, const wk_drop* drops, size_t count);
  /* Something failed, and no heartbeat is lost by it. `text` is a sentence for a log. A failure
   * that repeats is reported once. */
  void (*on_failure)(void* user, wk_failure failure, const char* text);
} wk_callbacks;

typedef struct wk_options {
  size_t struct_size; /* set by wk_options_init */
  /* Required. */
  const char* url;     /* https://host[:port]; http:// for cleartext HTTP/2 (tests only) */
  const char* student; /* the student for whom the device is enrolled */
  /* The device's key: one of the two. */
  const char* key_path; /* a PEM file; created if it does not exist */
  wk_signer signer;
  /* Where heartbeats survive a restart: one of the two, or none. */
  const char* storage_path;
  wk_storage storage;
  /* For the default transport. */
  const char* ca_path; /* PEM file of trusted authorities; NULL: those of the system */
  wk_transport transport;
  wk_clock clock;
  wk_key_agreement key_agreement;
  wk_callbacks callbacks;
  int session_keys; /* 1: sign once per session, then use a session key if the gateway has them */
  /* 2; 1 to 1,000. One response in this many has the progress; the others are empty and save data.
   * In any case the progress comes with the first response of a session, after a pause, seek, end
   * or step into the background, after a flush, from 90 percent until mastery, and if the gateway
   * credits less than was sent. */
  int full_response_every;
  int64_t heartbeat_ms;       /* 10,000; media time of a heartbeat, 100 to interval_max_ms */
  int64_t interval_max_ms;    /* 30,000; the longest heartbeat that the gateway accepts */
  int64_t backoff_base_ms;    /* 1,000 */
  int64_t backoff_cap_ms;     /* 60,000 */
  int64_t request_timeout_ms; /* 15,000 */
} wk_options;

/* Sets all defaults. wk_client_create copies the options. */
#define wk_options_init(options) wk_options_init_sized((options), sizeof(wk_options))
WK_API void wk_options_init_sized(wk_options* options, size_t struct_size);

/* -- A client. */

/* Returns NULL on an error; `result` (may be NULL) gets its code, `text` (may be NULL) a sentence.
 * The caller owns the client. The first wk_client_poll sends what an earlier run left undelivered.
 */
WK_API wk_client* wk_client_create(const wk_options* options, wk_result* result, char* text,
                                   size_t text_size);
/* Cuts and stores what was played, and sends nothing more. NULL is allowed. */
WK_API void wk_client_destroy(wk_client* client);

/* -- What the player does. Each function takes the position of the player at that moment. */

/* A playback of a module begins, not playing yet. `session` NULL: a new UUID. An open session ends.
 * Do not give the id of a playback of an earlier run: its sequence numbers are used, and the
 * gateway takes heartbeats with them for duplicates. Within one client the numbers continue. */
WK_API wk_result wk_client_open(wk_client* client, const char* module, const char* session);
WK_API wk_result wk_client_play(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_pause(wk_client* client, int64_t position_ms);
/* Call this one to four times a second during playback. */
WK_API wk_result wk_client_position(wk_client* client, int64_t position_ms);
/* `position_ms`: the position before the seek, or -1 if the player already reports the target. */
WK_API wk_result wk_client_seeking(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_seeked(wk_client* client, int64_t position_ms);
/* 0.25 to 4. Another rate gives WK_ERROR_ARGUMENT, and nothing counts until a valid rate comes. */
WK_API wk_result wk_client_rate(wk_client* client, int64_t position_ms, double rate);
WK_API wk_result wk_client_stalled(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_resumed(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_background(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_foreground(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_ended(wk_client* client, int64_t position_ms);

/* -- Driving a client. */

/* Does what is due: sends, reads, times out, stores. Cheap if nothing is due. */
WK_API wk_result wk_client_poll(wk_client* client);
/* Milliseconds until wk_client_poll has something to do; 0: now; -1: not before the next report.
 * With the default transport, call wk_client_poll also when the descriptor is ready. */
WK_API int64_t wk_client_next_due_ms(wk_client* client);
/* The socket of the default transport for poll(2), and in *events POLLIN and POLLOUT as needed; -1:
 * no socket now. */
WK_API int wk_client_descriptor(wk_client* client, short* events);
/* For a thread of its own: waits until something is due, at most timeout_ms, then polls. */
WK_API wk_result wk_client_wait(wk_client* client, int64_t timeout_ms);
/* Ends the backoff early, and then polls. Call it when the network is back or the app comes to the
 * front. A wait that the gateway asked for by Retry-After goes on. */
WK_API wk_result wk_client_flush(wk_client* client);
/* For a transport of your own. WK_ERROR_STATE: the request is not in flight (any more). */
WK_API wk_result wk_client_respond(wk_client* client, uint64_t id, const wk_response* response);
WK_API wk_result wk_client_fail(wk_client* client, uint64_t id, wk_delivery delivery,
                                const char* text);

/* -- Status. */

typedef struct wk_status {
  size_t struct_size;
  uint32_t buffered; /* heartbeats without an acknowledgement, including those in flight */
  uint32_t in_flight;
  uint64_t made;
  uint64_t acknowledged;
  uint64_t limited; /* of the acknowledged: credited in part, because the budget was used up */
  uint64_t dropped;
  uint64_t requests;
  uint64_t device_signatures;  /* tokens signed by the device's key */
  uint64_t session_signatures; /* tokens signed by a session key */
  uint64_t bytes_up;           /* on the socket, everything included; default transport only */
  uint64_t bytes_down;
  int64_t cooldown_ms;     /* the client sends nothing for this time */
  int64_t clock_offset_ms; /* the gateway's clock minus the device's */
  int clock_known;         /* the gateway's clock is known */
  int playing;             /* media time counts at present */
  int storage_failing;
  /* The last progress of the open session's module; all 0 if progress_known is 0. */
  int progress_known;
  uint32_t seconds_watched;
  double completion_percentage;
  int64_t resume_ms;
  int mastered;
} wk_status;

#define wk_client_status(client, status) \
  wk_client_status_sized((client), (status), sizeof(wk_status))
WK_API wk_result wk_client_status_sized(wk_client* client, wk_status* status, size_t struct_size);

/* -- Enrolment: what the backend of the learning platform registers by PUT /v1/devices/<kid>. */

typedef struct wk_identity {
  char kid[44];  /* RFC 7638 thumbprint, in base64url */
  char jwk[160]; /* the public key as a JWK */
} wk_identity;

WK_API wk_result wk_client_identity(wk_client* client, wk_identity* identity);
/* The same without a client: from a key file (created if it does not exist) or a public key. */
WK_API wk_result wk_identity_of_key_file(const char* path, wk_identity* identity, char* text,
                                         size_t text_size);
WK_API wk_result wk_identity_of_public_key(const uint8_t* public_key, size_t public_key_size,
                                           wk_identity* identity);

/* Converts ASN.1 to r and s, 64 bytes. WK_ERROR_ARGUMENT: not a signature on P-256. */
WK_API wk_result wk_signature_from_der(const uint8_t* der, size_t size, uint8_t raw[64]);

/* A constant string. */
WK_API const char* wk_version(void);

#ifdef __cplusplus
}
#endif

#endif
