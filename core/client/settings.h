/* What clients are opened with: where their spans go, and how long they wait. Kept once for all
 * clients with the same settings, and for good: spans may outlive their client, and a forked child
 * tells of its clients again. Thread-safe. */
#ifndef TRACER_CLIENT_SETTINGS_H
#define TRACER_CLIENT_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/public.h"

#define SETTINGS_URL_DEFAULT "http://localhost:8001"
#define SETTINGS_URL_MAX     2048 /* bytes; what is longer is cut */

struct settings {
    struct settings *next; /* of the same bucket */
    uint64_t hash;
    llmt_mode mode;
    int timeout_ms;
    const char *url, *key, *project;  /* key and project: "" for none */
    _Atomic uint32_t warned;          /* lines written to stderr: bits of enum trouble */
    _Atomic uint64_t no_waiting_till; /* CLOCK_BOOTTIME ns; after a wait in vain */
};

/* What was wrong with what was asked for. */
enum settings_fault {
    SETTINGS_NO_KEY = 1,
    SETTINGS_BAD_KEY = 2,
    SETTINGS_BAD_PROJECT = 4,
    SETTINGS_BAD_TIMEOUT = 8
};

/* The settings that options (may be NULL) and the environment give; NULL: no memory. faults: bits
 * of what was passed over. */
struct settings *settings_get(const llmt_client_options *options, unsigned *faults);
/* TRACING_ENABLED is not false, 0, no or off. */
bool settings_tracing_enabled(void);
/* 1..100 of [A-Za-z0-9_-]. */
bool settings_is_project(const char *text);

#endif
