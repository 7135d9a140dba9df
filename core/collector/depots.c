/* The data directories that processes name. One that cannot be written is not waited for: its spans
 * go to the collector's own, where the commands of a program with such a setting look, too. One
 * that can is the process's for good, whatever becomes of it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "collector/internal.h"

#define REFUSED_MAX 256u /* that are told of once each */

/* It may be written in a moment, without anybody doing anything about the folder itself. */
static bool is_passing(int error)
{
    static const int errors[] = {ENOSPC, EDQUOT, EIO,    ENOMEM,    EMFILE, ENFILE,
                                 EINTR,  EAGAIN, ESTALE, ETIMEDOUT, EBUSY};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        if (error == errors[i])
            return true;
    return false;
}

static void refuse(struct collector *c, const char *dir, const char *why)
{
    char *text = NULL;
    if (map_get(&c->refused, dir, strlen(dir)) != NULL || c->refused.count >= REFUSED_MAX ||
        map_set(&c->refused, dir, strlen(dir), c) != ERR_OK)
        return;
    if (asprintf(&text, "%.1000s: %s; the traces of programs that name it are kept in %s", dir, why,
                 c->depots[0]->dir) < 0)
        return;
    collector_notice(c, text);
    free(text);
}

static struct depot *make(struct collector *c, const char *dir)
{
    struct depot *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return NULL;
    d->collector = c;
    d->dir = strdup(dir);
    d->lock = -1;
    if (d->dir == NULL) {
        free(d);
        return NULL;
    }
    c->depots[c->depot_count++] = d;
    (void)depot_ready(d);
    return d;
}

struct depot *depot_get(struct collector *c, const char *dir)
{
    if (c->depot_count == 0) /* its own, which is waited for whatever it is */
        return make(c, dir);
    if (dir == NULL || dir[0] != '/')
        return c->depots[0];
    for (size_t i = 0; i < c->depot_count; i++)
        if (strcmp(c->depots[i]->dir, dir) == 0)
            return c->depots[i];
    if (store_make_folder(dir) != ERR_OK && !is_passing(errno)) {
        char why[160];
        snprintf(why, sizeof(why), "cannot be written: %s", strerror(errno));
        refuse(c, dir, why);
        return c->depots[0];
    }
    if (c->depot_count == DEPOTS_MAX) {
        refuse(c, dir, "is one data directory too many");
        return c->depots[0];
    }
    struct depot *d = make(c, dir);
    return d != NULL ? d : c->depots[0];
}
