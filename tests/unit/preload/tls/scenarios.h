/* The table of client programs and what is expected of each. */
#ifndef TESTS_TLS_SCENARIOS_H
#define TESTS_TLS_SCENARIOS_H

#include <stdbool.h>
#include <stddef.h>

#include "wire/record.h"

#define ARGUMENTS 12

enum comparison {
    EACH,   /* every connection of the server has one captured stream of its own */
    JOINED, /* the captured streams, one after the other, are the server's connections */
    NOTHING /* no byte is captured */
};

struct scenario {
    const char *name;
    enum wire_layer layer;
    enum comparison comparison;
    const char *arguments[ARGUMENTS]; /* @PORT and @URL are replaced */
    const char *environment;          /* NAME=value, for both runs */
    const char *host;                 /* what the connection record must say; NULL: anything */
    bool refuse_early;                /* the server refuses early data */
    bool eof;                         /* the end of the peer's side must be there */
    bool failed; /* the connection must be marked as failed; else it must not */
    bool plain;
    bool needs_file; /* skipped when arguments[0], or a plugin in arguments[1], does not exist */
};

#define OPENSSL_CLIENT CLIENTS "/tls_openssl"
#define GNUTLS_CLIENT  CLIENTS "/tls_gnutls"
#define CURL_CLIENT    CLIENTS "/tls_curl"
#define LOAD           CLIENTS "/tls_load"
#define PLUGIN(name)   CLIENTS "/tls_plugin_" name ".so"

extern const struct scenario scenarios[];
extern const size_t scenario_count;

#endif
