/* The versioned contract between the objects that live in traced programs (preload/, core/client/)
 * and the collector: what a record looks like. Native byte order, since both sides share a
 * machine. Every field that the collector reads is hostile until it is checked. */
#ifndef TRACER_WIRE_RECORD_H
#define TRACER_WIRE_RECORD_H

#include <stdint.h>

#define WIRE_VERSION      1
#define WIRE_ALIGN        8
#define WIRE_TRACE_ID_LEN 16
#define WIRE_SPAN_ID_LEN  8

enum wire_type {
    WIRE_PAD = 0,        /* skip `size` bytes */
    WIRE_PROCESS = 1,    /* first record of a ring: struct wire_process_info, then texts */
    WIRE_CONNECTION = 2, /* a connection towards an endpoint: struct wire_connection_info, texts */
    WIRE_DATA_OUT = 3,   /* bytes that the program sent */
    WIRE_DATA_IN = 4,    /* bytes that the program received */
    WIRE_CLOSE = 5,      /* the connection is over; offset and lost are those of the out stream,
                            followed by struct wire_close_info */
    WIRE_TRACE_BEGIN = 16, /* the explicit API's own; see api.h */
    WIRE_TRACE_END = 17,
    WIRE_SPAN_BEGIN = 18,
    WIRE_SPAN_OUTPUT = 19,
    WIRE_SPAN_ERROR = 20,
    WIRE_SPAN_END = 21,
    WIRE_CLIENT = 22,
    WIRE_CLIENT_END = 23,
    WIRE_FLUSH = 24,
    WIRE_TYPE_LIMIT = 32
};

/* Flags of a record. */
#define WIRE_HAS_SPAN                                                                              \
    0x0001                /* the payload starts with the active trace id and span id (24 bytes) */
#define WIRE_EOF   0x0002 /* DATA_IN of length 0: the peer ended its side in order */
#define WIRE_ERROR 0x0004 /* CLOSE: the transport failed (reset, TLS alert) */

struct wire_record {
    uint32_t size; /* of the whole record with this header, a multiple of WIRE_ALIGN */
    uint16_t type; /* enum wire_type */
    uint16_t flags;
    uint64_t time;   /* CLOCK_BOOTTIME ns: DATA_OUT before the call, all others after it */
    uint64_t conn;   /* connection id, unique in its ring, from 1; 0: none */
    uint64_t offset; /* bytes of this connection and direction before this record, lost ones too */
    uint64_t lost;   /* of those, how many never reached a ring: a jump of offset that lost does not
                        explain is a record still to come from another block */
    uint32_t tid;
    uint32_t length; /* payload bytes behind this header, without padding */
};

/* WIRE_PROCESS payload: this, then `text_count` NUL-terminated texts of the form NAME=value. Names:
 * exe, cwd, url, key, project, content, endpoints, run_trace (32 hex), run_name, traceparent,
 * data_dir, export, max_content; the command line comes as argv0=, argv1=, ... Absent = unset. */
struct wire_process_info {
    uint32_t pid; /* in the process's own PID namespace */
    uint32_t text_count;
    uint64_t start_ticks; /* field 22 of /proc/PID/stat: boot-time clock ticks */
    uint64_t exec_nonce;  /* field 28 (startstack): another value after an exec */
    uint64_t pid_ns;      /* inode of /proc/self/ns/pid; 0: unknown */
    uint64_t boot_time;   /* one reading of both clocks, ns */
    uint64_t wall_time;
    uint32_t ppid;
    uint32_t uid;
};

enum wire_layer {
    WIRE_LAYER_LIBC = 1, /* plain http:// on a socket */
    WIRE_LAYER_OPENSSL = 2,
    WIRE_LAYER_GNUTLS = 3,
    WIRE_LAYER_CURL = 4, /* libcurl's debug data: HTTP/1 text whatever the transport spoke */
    WIRE_LAYER_NSS = 5,
    WIRE_LAYER_LIMIT = 6
};

enum wire_proto {
    WIRE_PROTO_HTTP1 = 1,
    WIRE_PROTO_HTTP2 = 2, /* the preface was seen; nothing but this record follows */
    WIRE_PROTO_LIMIT = 3
};

/* WIRE_CONNECTION payload: this, then two NUL-terminated texts: the host (SNI for TLS, else the
 * Host header's value if it was in the first bytes, else empty) and the peer's address
 * ("1.2.3.4:443", empty if unknown). */
struct wire_connection_info {
    uint32_t slot;  /* index into the ring header's stop[] flags */
    uint8_t layer;  /* enum wire_layer */
    uint8_t tls;    /* 1: bytes were encrypted on the wire */
    uint8_t proto;  /* enum wire_proto */
    uint8_t server; /* 1: the program accepted this connection */
};

/* WIRE_CLOSE payload. */
struct wire_close_info {
    uint64_t in_offset; /* as offset and lost, for the in stream */
    uint64_t in_lost;
};

#endif
