/* Memory of one transaction. */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "store/sqlite/sqlite.h"

enum { BLOCK = 64 * 1024 };

struct scratch_block {
    struct scratch_block *next;
    size_t used, size;
    alignas(16) char bytes[];
};

void *scratch_take(struct scratch *s, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct scratch_block *b = s->blocks;
    if (b == NULL || b->size - b->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        b = malloc(sizeof(*b) + room);
        if (b == NULL)
            return NULL;
        b->size = room;
        b->used = 0;
        b->next = s->blocks;
        s->blocks = b;
    }
    void *at = b->bytes + b->used;
    b->used += size;
    return memset(at, 0, size);
}

int scratch_copy(struct scratch *s, struct text from, struct text *out)
{
    *out = from;
    if (from.at == NULL)
        return ERR_OK;
    char *at = scratch_take(s, from.len + 1);
    if (at == NULL)
        return ERR_NOMEM;
    memcpy(at, from.at, from.len);
    out->at = at;
    return ERR_OK;
}

void scratch_clear(struct scratch *s)
{
    while (s->blocks != NULL) {
        struct scratch_block *next = s->blocks->next;
        free(s->blocks);
        s->blocks = next;
    }
}
