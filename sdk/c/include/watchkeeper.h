/* watchkeeper device SDK: reports what a player really played to a watchkeeper gateway.
 *
 * The whole interface, for C11 and everything that can call C. How to use it: docs/sdk-c.md.
 *
 * Threads: a client has no thread of its own and no lock. Use one client from one thread at a time;
 * different clients share nothing. Callbacks are called from within the wk_client_... functions, on
 * the thread that called; they may call every function of the client except wk_client_destroy. A
 * report from within one counts; wk_client_poll and wk_client_flush begin no request while one is
 * being signed. Within the clock every call is refused: WK_ERROR_STATE.
 *
 * Text: UTF-8, ends with a zero byte, borrowed for the call only, in both directions. Ids are 1 to
 * 64 characters of A-Z a-z 0-9 . _ ~ : @ -
 * Times: milliseconds. Positions: milliseconds of media; -1 says "not known" (the last one counts).
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
  WK_ERROR_ARGUMENT = 1, /* an argument is out of its range; nothing was changed, unless said */
  WK_ERROR_STATE = 2,    /* not now: no session is open, or no such request is under way */
  WK_ERROR_MEMORY = 3,
  WK_ERROR_KEY = 4,             /* the key is none of P-256, or its file cannot be used */
  WK_ERROR_FOREIGN_STORAGE = 5, /* what is stored is of another student */
  WK_ERROR_URL = 6,
  WK_ERROR_TIMEOUT = 7
} wk_result;

/* -- What a host may supply. Every struct of callbacks with a null function is replaced by the
 *    default. Callbacks return 0 when it worked. */

typedef enum wk_signature_format {
  WK_SIGNATURE_RAW = 0, /* r and s, 32 bytes each (CryptoKit, WebCrypto) */
  WK_SIGNATURE_DER = 1  /* ASN.1 (Android Keystore, SecKeyCreateSignature, OpenSSL) */
} wk_signature_format;

/* The device's key. Default: a PEM file, options.key_path. */
typedef struct wk_signer {
  /* ECDSA on P-256 over SHA-256 of `data`. Writes at most 80 bytes. */
  int (*sign)(void* user, const uint8_t* data, size_t size, uint8_t* signature,
              size_t* signature_size);
  void* user;
  wk_signature_format format;
  /* Of the key: 64 bytes x and y; 65 with the leading 04; or the 91 of a SubjectPublicKeyInfo. */
  const uint8_t* public_key;
  size_t public_key_size;
} wk_signer;

/* Key agreement of session keys. Default: OpenSSL. */
typedef struct wk_key_agreement {
  /* Makes a fresh P-256 pair, gives its public x and y (64 bytes) and the shared secret (the 32
   * bytes of the common x) with `peer` (x and y, on the curve), and forgets the private key. */
  int (*agree)(void* user, const uint8_t* peer, uint8_t* own_public, uint8_t* shared_secret);
  void* user;
} wk_key_agreement;

/* Default: CLOCK_REALTIME and CLOCK_BOOTTIME. */
typedef struct wk_clock {
  /* unix_ms: since 1970. monotonic_ms: never goes back, goes on while the device sleeps. */
  void (*now)(void* user, int64_t* unix_ms, int64_t* monotonic_ms);
  void* user;
} wk_clock;

/* Where at most 8 KB are kept over a restart, as a whole. Default: the file options.storage_path;
 * with neither, nothing is kept. */
typedef struct wk_storage {
  /* Up to `capacity` bytes into `data`; *size: how many. Nothing stored yet: *size = 0, return 0.
   */
  int (*load)(void* user, uint8_t* data, size_t capacity, size_t* size);
  /* Replaces what is stored, all of it or nothing. */
  int (*save)(void* user, const uint8_t* data, size_t size);
  void* user;
} wk_storage;

typedef struct wk_request {
  uint64_t id;
  const char* method;       /* "GET" or "POST" */
  const char* path;         /* to be put behind the gateway's URL */
  const char* content_type; /* of the body, or NULL */
  const char* prefer;       /* the field `prefer`, or NULL */
  const uint8_t* body;
  size_t body_size;
  int64_t timeout_ms;        /* the client gives up then, and calls cancel */
  const char* cache_control; /* the field `cache-control`, or NULL */
} wk_request;

typedef struct wk_answer {
  int status;
  int64_t retry_after_s; /* the field `retry-after`, -1 without */
  const uint8_t* body;   /* at most 65,536 bytes; more is refused */
  size_t body_size;
} wk_answer;

typedef enum wk_failure {
  WK_NOT_SENT = 0, /* for certain no byte of the request left: no name, no route, no TLS */
  WK_UNKNOWN = 1   /* whether the gateway got it is not known */
} wk_failure;

/* Default: HTTP/2 over TLS, nghttp2 and OpenSSL; sockets that do not block, driven by
 * wk_client_poll (resolving the gateway's name does block). */
typedef struct wk_transport {
  /* Begins the request. Everything in it is to be copied. The answer comes by wk_client_answer or
   * wk_client_fail, on the client's thread, within this call or later. Must not follow redirects.
   * Not 0: nothing was sent, and nothing will come. */
  int (*send)(void* user, wk_client* client, const wk_request* request);
  /* The answer is not wanted any more. May be NULL. */
  void (*cancel)(void* user, uint64_t id);
  void* user;
} wk_transport;

/* -- What the app is told. Any of them may be NULL. */

typedef struct wk_progress {
  const char* module;
  const char* session;
  uint32_t seconds_watched; /* of different media time */
  double completion_percentage;
  int64_t resume_ms; /* where to go on, on this device or another */
  int mastered;
  int newly_mastered; /* it was not, as far as this client knew */
} wk_progress;

typedef enum wk_drop_reason {
  WK_DROP_BUFFER_FULL = 0, /* the oldest had to go */
  WK_DROP_REFUSED = 1,     /* the gateway will never take it: see `problem` */
  WK_DROP_TOO_OLD = 2      /* it ended longer ago than the gateway accepts */
} wk_drop_reason;

typedef struct wk_drop {
  const char* module;
  const char* session;
  uint32_t sequence;
  int64_t from_ms;
  int64_t to_ms;
  wk_drop_reason reason;
  const char* problem; /* like "unknown-module"; empty where there is none */
} wk_drop;

typedef enum wk_trouble {
  WK_TROUBLE_TRANSPORT = 0,    /* the gateway cannot be reached */
  WK_TROUBLE_ANSWER = 1,       /* the answer makes no sense: some other server, a captive portal */
  WK_TROUBLE_REDIRECT = 2,     /* redirects are not followed */
  WK_TROUBLE_SIGNER = 3,       /* the signer failed, or gave no signature */
  WK_TROUBLE_STORAGE_LOAD = 4, /* nothing is written before it could be read */
  WK_TROUBLE_STORAGE_SAVE = 5, /* kept in memory, tried again */
  WK_TROUBLE_STORAGE_DAMAGED = 6, /* some of what was stored could not be read and is lost */
  WK_TROUBLE_NOT_ENROLLED = 7     /* the gateway does not know the device: see wk_client_flush */
} wk_trouble;

typedef struct wk_callbacks {
  void* user;
  /* The gateway said how far the student is: see options.full_answer_every. Never a guess. */
  void (*on_progress)(void* user, const wk_progress* progress);
  /* Heartbeats that will never be credited: all that were let go of at once, the oldest first. */
  void (*on_drop)(void* user, const wk_drop* drops, size_t count);
  /* Nothing is lost; `text` is a sentence for a log. Once for a row of the same trouble. */
  void (*on_trouble)(void* user, wk_trouble trouble, const char* text);
} wk_callbacks;

typedef struct wk_options {
  size_t struct_size; /* set by wk_options_init */
  /* Needed. */
  const char* url;     /* https://host[:port]; http:// for cleartext HTTP/2 (tests only) */
  const char* student; /* whom the device is enrolled for */
  /* The device's key: one of them. */
  const char* key_path; /* a PEM file; made where there is none */
  wk_signer signer;
  /* Where claims are kept over a restart: one of them, or none. */
  const char* storage_path;
  wk_storage storage;
  /* The default transport. */
  const char* ca_path; /* PEM file of the authorities to trust; NULL: the system's */
  wk_transport transport;
  wk_clock clock;
  wk_key_agreement key_agreement;
  wk_callbacks callbacks;
  int session_keys; /* 1: sign once a session, then by a session key where the gateway has them */
  /* 2; 1 … 1,000. Every which answer has the progress in it, the others are empty and save data.
   * One comes in any case with the first of a session, at a pause, seek, end and step into the
   * background, after a flush, from 90 percent until it is mastered, and where something is cut. */
  int full_answer_every;
  int64_t heartbeat_ms;       /* 10,000; media time of a heartbeat, 100 … interval_max_ms */
  int64_t interval_max_ms;    /* 30,000; what the gateway takes in one heartbeat */
  int64_t backoff_base_ms;    /* 1,000 */
  int64_t backoff_cap_ms;     /* 60,000 */
  int64_t request_timeout_ms; /* 15,000 */
} wk_options;

/* All defaults. The options are copied by wk_client_create. */
#define wk_options_init(options) wk_options_init_sized((options), sizeof(wk_options))
WK_API void wk_options_init_sized(wk_options* options, size_t struct_size);

/* -- A client. */

/* NULL on an error; `result` (may be NULL) says which, `text` (may be NULL) gets a sentence. What
 * an earlier run left undelivered is sent with the first wk_client_poll. */
WK_API wk_client* wk_client_create(const wk_options* options, wk_result* result, char* text,
                                   size_t text_size);
/* Cuts and stores what was played; sends nothing any more. NULL is fine. */
WK_API void wk_client_destroy(wk_client* client);

/* -- What the player does. Each takes the position of the player at that moment. */

/* A playback of a module begins, not playing yet. `session`: NULL for a fresh UUID. A session that
 * is open ends. Never give the id of a playback of an earlier run: its numbers are used, and the
 * gateway takes what comes with them for duplicates. In one client the numbers go on. */
WK_API wk_result wk_client_open(wk_client* client, const char* module, const char* session);
WK_API wk_result wk_client_play(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_pause(wk_client* client, int64_t position_ms);
/* Call this one to four times a second while it plays. */
WK_API wk_result wk_client_position(wk_client* client, int64_t position_ms);
/* `position_ms`: where it was before; give -1 when the player tells the target already. */
WK_API wk_result wk_client_seeking(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_seeked(wk_client* client, int64_t position_ms);
/* 0.25 to 4. With another rate nothing counts until a good one comes (WK_ERROR_ARGUMENT). */
WK_API wk_result wk_client_rate(wk_client* client, int64_t position_ms, double rate);
WK_API wk_result wk_client_stalled(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_resumed(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_background(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_foreground(wk_client* client, int64_t position_ms);
WK_API wk_result wk_client_ended(wk_client* client, int64_t position_ms);

/* -- Driving it. */

/* Does what is due: sends, reads, gives up, stores. Cheap when nothing is. */
WK_API wk_result wk_client_poll(wk_client* client);
/* Milliseconds until wk_client_poll has something to do; 0: now; -1: not before the next report.
 * With the default transport call it as well when its descriptor is ready. */
WK_API int64_t wk_client_next_due_ms(wk_client* client);
/* Of the default transport, for poll(2), with the POLLIN and POLLOUT it waits for; -1: none now. */
WK_API int wk_client_descriptor(wk_client* client, short* events);
/* For a thread of its own: waits until something is due, at most timeout_ms, then polls. */
WK_API wk_result wk_client_wait(wk_client* client, int64_t timeout_ms);
/* The network is back, the app comes to the front: does not wait out the backoff (only what the
 * gateway itself asked for by Retry-After). */
WK_API wk_result wk_client_flush(wk_client* client);
/* For a transport of your own. WK_ERROR_STATE: that request is not under way (any more). */
WK_API wk_result wk_client_answer(wk_client* client, uint64_t id, const wk_answer* answer);
WK_API wk_result wk_client_fail(wk_client* client, uint64_t id, wk_failure failure,
                                const char* text);

/* -- How it stands. */

typedef struct wk_status {
  size_t struct_size;
  uint32_t buffered; /* heartbeats that are not acknowledged, those in flight included */
  uint32_t in_flight;
  uint64_t made;
  uint64_t acknowledged;
  uint64_t limited; /* of these, credited in part: the student is over the budget */
  uint64_t dropped;
  uint64_t requests;
  uint64_t device_signatures;  /* tokens signed by the device's key */
  uint64_t session_signatures; /* tokens signed by a session key */
  uint64_t bytes_up;           /* on the socket, everything counted; default transport only */
  uint64_t bytes_down;
  int64_t cooldown_ms;     /* nothing is sent for so long */
  int64_t clock_offset_ms; /* of the gateway's clock to the device's */
  int clock_known;
  int playing; /* media time counts at present */
  int storage_failing;
  /* What the gateway last said of the open session's module; all 0 while progress_known is. */
  int progress_known;
  uint32_t seconds_watched;
  double completion_percentage;
  int64_t resume_ms;
  int mastered;
} wk_status;

#define wk_client_status(client, status) \
  wk_client_status_sized((client), (status), sizeof(wk_status))
WK_API wk_result wk_client_status_sized(wk_client* client, wk_status* status, size_t struct_size);

/* -- Enrolment: what the learning platform's backend registers, by PUT /v1/devices/<kid>. */

typedef struct wk_identity {
  char kid[44];  /* RFC 7638 thumbprint, in base64url */
  char jwk[160]; /* the public key as a JWK */
} wk_identity;

WK_API wk_result wk_client_identity(wk_client* client, wk_identity* identity);
/* The same without a client: of a key file (made where there is none), and of a public key. */
WK_API wk_result wk_identity_of_key_file(const char* path, wk_identity* identity, char* text,
                                         size_t text_size);
WK_API wk_result wk_identity_of_public_key(const uint8_t* public_key, size_t public_key_size,
                                           wk_identity* identity);

/* ASN.1 to r and s, 64 bytes. WK_ERROR_ARGUMENT: it is no signature on P-256. */
WK_API wk_result wk_signature_from_der(const uint8_t* der, size_t size, uint8_t raw[64]);

WK_API const char* wk_version(void);

#ifdef __cplusplus
}
#endif

#endif
