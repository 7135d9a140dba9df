/* The models of a trace: for each the length of its name (2 bytes), how many spans are of it (4
 * bytes, little endian) and the name, in the order in which they came. */
#include <string.h>

#include "store/sqlite/sqlite.h"

enum { HEAD = 6, NAME_MAX_BYTES = 0xffff, MODELS_MAX = 1000 };

static size_t name_len(const unsigned char *at)
{
    return (size_t)at[0] | (size_t)at[1] << 8;
}

static uint32_t count_at(const unsigned char *at)
{
    return (uint32_t)at[2] | (uint32_t)at[3] << 8 | (uint32_t)at[4] << 16 | (uint32_t)at[5] << 24;
}

static void set_count(unsigned char *at, uint32_t count)
{
    for (int i = 0; i < 4; i++)
        at[2 + i] = (unsigned char)(count >> (8 * i));
}

/* Bytes of the entry at `at`, 0 at the end or when it does not hold together. */
static size_t entry_len(struct text models, size_t at)
{
    if (models.at == NULL || at > models.len || models.len - at < HEAD)
        return 0;
    size_t len = HEAD + name_len((const unsigned char *)models.at + at);
    return len <= models.len - at ? len : 0;
}

static int append(struct scratch *s, struct text *models, struct text model)
{
    size_t len = model.len > NAME_MAX_BYTES ? NAME_MAX_BYTES : model.len;
    if (models_count(*models) >= MODELS_MAX)
        return ERR_OK;
    unsigned char *bytes = scratch_take(s, models->len + HEAD + len);
    if (bytes == NULL)
        return ERR_NOMEM;
    if (models->len > 0)
        memcpy(bytes, models->at, models->len);
    unsigned char *at = bytes + models->len;
    at[0] = (unsigned char)len;
    at[1] = (unsigned char)(len >> 8);
    set_count(at, 1);
    memcpy(at + HEAD, model.at, len);
    *models = (struct text){(char *)bytes, models->len + HEAD + len};
    return ERR_OK;
}

int models_change(struct scratch *s, struct text *models, struct text model, int64_t by)
{
    if (model.at == NULL)
        return ERR_OK;
    size_t len;
    for (size_t at = 0; (len = entry_len(*models, at)) > 0; at += len) {
        if (len - HEAD != model.len || memcmp(models->at + at + HEAD, model.at, model.len) != 0)
            continue;
        int64_t count = count_at((const unsigned char *)models->at + at) + by;
        struct text copy;
        int err = scratch_copy(s, *models, &copy);
        if (err != ERR_OK)
            return err;
        unsigned char *bytes = (unsigned char *)copy.at;
        if (count > 0) {
            set_count(bytes + at, count > UINT32_MAX ? UINT32_MAX : (uint32_t)count);
        } else {
            memmove(bytes + at, bytes + at + len, copy.len - at - len);
            copy.len -= len;
        }
        *models = copy;
        return ERR_OK;
    }
    return by > 0 ? append(s, models, model) : ERR_OK;
}

int64_t models_count(struct text models)
{
    int64_t count = 0;
    size_t len;
    for (size_t at = 0; (len = entry_len(models, at)) > 0; at += len)
        count++;
    return count;
}

bool models_any(struct text models, bool (*each)(void *user, struct text name), void *user)
{
    size_t len;
    for (size_t at = 0; (len = entry_len(models, at)) > 0; at += len)
        if (each(user, (struct text){models.at + at + HEAD, len - HEAD}))
            return true;
    return false;
}
