#include "service/assets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "service/gzip.h"

#define PACKED_LEVEL 9 /* done once, at the start */

static const char *const types[][2] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static const char *type_of(const char *path)
{
    const char *ending = strrchr(path, '.');
    for (size_t i = 0; ending != NULL && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(ending, types[i][0]) == 0)
            return types[i][1];
    return "application/octet-stream";
}

static int pack(struct asset *asset, struct gzip *z)
{
    struct buf packed;
    buf_init(&packed, asset->len + 4096);
    int err = gzip_deflate(z, asset->data, asset->len, &packed);
    if (err == ERR_OK && packed.len < asset->len) {
        asset->packed_len = packed.len;
        asset->packed = (unsigned char *)buf_take(&packed);
    }
    buf_release(&packed);
    return err == ERR_FULL ? ERR_OK : err;
}

static int fill(struct asset *asset, const struct asset_file *file, struct gzip *z)
{
    asset->path = file->path;
    asset->type = type_of(file->path);
    asset->data = file->data;
    asset->len = (size_t)(file->end - file->data);
    uint64_t hash = hash_bytes(asset->len, asset->data, asset->len);
    snprintf(asset->tag, sizeof(asset->tag), "\"%016" PRIx64 "\"", hash);
    snprintf(asset->packed_tag, sizeof(asset->packed_tag), "\"%016" PRIx64 "-gz\"", hash);
    return asset->len < GZIP_LEAST ? ERR_OK : pack(asset, z);
}

int assets_init(struct assets *a)
{
    size_t count = 0;
    while (asset_files[count].path != NULL)
        count++;
    a->count = 0;
    a->all = calloc(count + 1, sizeof(*a->all));
    struct gzip *z = gzip_new(PACKED_LEVEL);
    int err = a->all == NULL || z == NULL ? ERR_NOMEM : ERR_OK;
    for (size_t i = 0; err == ERR_OK && i < count; i++)
        err = fill(&a->all[a->count++], &asset_files[i], z);
    gzip_free(z);
    if (err != ERR_OK)
        assets_release(a);
    return err;
}

void assets_release(struct assets *a)
{
    for (size_t i = 0; i < a->count; i++)
        free(a->all[i].packed);
    free(a->all);
    *a = (struct assets){0};
}

const struct asset *assets_find(const struct assets *a, const char *path)
{
    static const char folder[] = "/dashboard/";
    const char *name = NULL;
    if (strcmp(path, "/") == 0 || strcmp(path, "/dashboard") == 0 || strcmp(path, folder) == 0)
        name = "index.html";
    else if (strncmp(path, folder, sizeof(folder) - 1) == 0)
        name = path + sizeof(folder) - 1;
    for (size_t i = 0; name != NULL && i < a->count; i++)
        if (strcmp(a->all[i].path, name) == 0)
            return &a->all[i];
    return NULL;
}

bool asset_is_known(const char *if_none_match, const char *tag)
{
    size_t len = strlen(tag);
    for (const char *p = if_none_match; p != NULL && *p != '\0';) {
        p += strspn(p, ", \t");
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        size_t n = strcspn(p, ", \t");
        if ((n == len && memcmp(p, tag, n) == 0) || (n == 1 && *p == '*'))
            return true;
        p += n;
    }
    return false;
}
