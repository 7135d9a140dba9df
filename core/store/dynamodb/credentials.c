/* Where the keys come from, in the order of AWS's own programs: the environment (and our settings),
 * the shared credentials file, the container's endpoint, the instance's. Those that expire are
 * fetched again a while before; the ones in force go on being used when that fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "store/dynamodb/dynamodb.h"

#define REFRESH_NS (300 * NS_PER_SEC) /* before they expire */
#define RETRY_NS   (10 * NS_PER_SEC)  /* after a failure, while the old ones hold */

struct credential_source {
    pthread_mutex_t lock;
    struct credentials held;
    bool have;
    int64_t again; /* boot ns: not to be fetched again before */
};

int credentials_new(struct credential_source **out)
{
    struct credential_source *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return ERR_NOMEM;
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return ERR_OK;
}

void credentials_free(struct credential_source *c)
{
    if (c == NULL)
        return;
    pthread_mutex_destroy(&c->lock);
    explicit_bzero(&c->held, sizeof(c->held));
    free(c);
}

int credentials_set(struct credentials *out, const char *key, const char *secret, const char *token)
{
    token = token != NULL ? token : "";
    memset(out, 0, sizeof(*out));
    if (key == NULL || secret == NULL || key[0] == '\0' || secret[0] == '\0')
        return ERR_NOENT;
    if (strlen(key) >= sizeof(out->key) || strlen(secret) >= sizeof(out->secret) ||
        strlen(token) >= sizeof(out->token) || strpbrk(token, "\r\n") != NULL)
        return ERR_BAD;
    memcpy(out->key, key, strlen(key));
    memcpy(out->secret, secret, strlen(secret));
    memcpy(out->token, token, strlen(token));
    return ERR_OK;
}

static int from_environment(struct credentials *out, char *why, size_t why_size)
{
    const char *key = option_text(OPTION_AWS_ACCESS_KEY_ID);
    const char *secret = option_text(OPTION_AWS_SECRET_ACCESS_KEY);
    if (key[0] == '\0' && secret[0] == '\0')
        return ERR_NOENT;
    int err = credentials_set(out, key, secret, option_text(OPTION_AWS_SESSION_TOKEN));
    if (err == ERR_OK)
        return ERR_OK;
    snprintf(why, why_size,
             err == ERR_NOENT ? "Of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set."
                              : "AWS_ACCESS_KEY_ID, its secret or its token is malformed.");
    return ERR_IO;
}

static int fetch(struct credentials *out, char *why, size_t why_size)
{
    int (*const sources[])(struct credentials *, char *,
                           size_t) = {from_environment, credentials_from_file,
                                      credentials_from_container, credentials_from_instance};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        int err = sources[i](out, why, why_size);
        if (err != ERR_NOENT)
            return err;
    }
    snprintf(why, why_size,
             "There are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
             "have a credentials file, or a role of the container or instance.");
    return ERR_NOENT;
}

/* Whether what is held has to be fetched (again). */
static bool is_due(const struct credential_source *c, bool fresh)
{
    if (!c->have)
        return true;
    if (clock_boot_ns() < c->again)
        return false;
    return fresh || (c->held.expires != 0 && clock_wall_ns() > c->held.expires - REFRESH_NS);
}

int credentials_get(struct credential_source *c, bool fresh, struct credentials *out, char *why,
                    size_t why_size)
{
    int err = ERR_OK;
    why[0] = '\0';
    pthread_mutex_lock(&c->lock);
    if (is_due(c, fresh)) {
        struct credentials next;
        err = fetch(&next, why, why_size);
        if (err == ERR_OK) {
            c->held = next;
            c->have = true;
        }
        c->again = c->have ? clock_boot_ns() + RETRY_NS : 0;
        explicit_bzero(&next, sizeof(next));
    }
    bool holds = c->have && (c->held.expires == 0 || clock_wall_ns() < c->held.expires);
    if (holds) {
        *out = c->held;
        err = ERR_OK;
    } else if (err == ERR_OK) {
        snprintf(why, why_size, "The AWS credentials have expired and no new ones are given.");
        err = ERR_IO;
    }
    pthread_mutex_unlock(&c->lock);
    return err;
}
