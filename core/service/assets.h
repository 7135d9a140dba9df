/* The dashboard: the files of dashboard/, embedded at build. Nothing else is served as a file. */
#ifndef TRACER_SERVICE_ASSETS_H
#define TRACER_SERVICE_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define ASSET_TAG_MAX 24

/* What the build lists, ended by a path of NULL (assets_data.c, made by assets.cmake). */
struct asset_file {
    const char *path; /* inside dashboard/: "index.html", "charts/line.js" */
    const unsigned char *data;
    const unsigned char *end;
};
extern const struct asset_file asset_files[];

struct asset {
    const char *path;
    const char *type; /* of its content */
    const unsigned char *data;
    size_t len;
    unsigned char *packed; /* gzip; NULL: not smaller */
    size_t packed_len;
    char tag[ASSET_TAG_MAX];        /* strong ETag with its quotes */
    char packed_tag[ASSET_TAG_MAX]; /* of the compressed form (RFC 9110 §8.8.3.3) */
};

struct assets {
    struct asset *all;
    size_t count;
};

/* Compresses and tags them all. ERR_NOMEM. */
int assets_init(struct assets *a) WARN_UNUSED_RESULT;
void assets_release(struct assets *a);
/* The one behind a request's path, not decoded: "/" and "/dashboard" are index.html, the rest lies
 * under /dashboard/. NULL: none. Any thread. */
const struct asset *assets_find(const struct assets *a, const char *path);
/* Whether an If-None-Match header (NULL: none) names the tag (weakly, RFC 9110 §13.1.2). */
bool asset_is_known(const char *if_none_match, const char *tag);

#endif
