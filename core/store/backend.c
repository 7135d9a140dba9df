#include "store/backend.h"

#include <string.h>

const struct backend_ops *const backends[] = {
    &backend_sqlite,
    &backend_dynamodb,
    &backend_local,
    NULL,
};

const struct backend_ops *backend_find(const char *name)
{
    for (size_t i = 0; backends[i] != NULL; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}

const char *backend_error(const struct backend_ops *ops, const struct backend_session *s)
{
    return ops->error(s);
}
