/* The shared credentials file of AWS's programs: $AWS_SHARED_CREDENTIALS_FILE, else
 * ~/.aws/credentials, its section $AWS_PROFILE, else [default]. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dynamodb/dynamodb.h"

#define VALUE_ROOM 9000 /* a session token may be 8 KB */

struct keys {
    char key[VALUE_ROOM], secret[VALUE_ROOM], token[VALUE_ROOM];
};

static void take_key(void *user, const char *name, const char *value)
{
    struct keys *k = user;
    char *to = strcmp(name, "aws_access_key_id") == 0       ? k->key
               : strcmp(name, "aws_secret_access_key") == 0 ? k->secret
               : strcmp(name, "aws_session_token") == 0     ? k->token
                                                            : NULL;
    if (to != NULL)
        snprintf(to, VALUE_ROOM, "%s", value);
}

int credentials_from_file(struct credentials *out, char *why, size_t why_size)
{
    char path[4096];
    const char *profile = profile_name();
    bool asked = strcmp(profile, "default") != 0 || getenv("AWS_SHARED_CREDENTIALS_FILE") != NULL;
    if (profile_path(path, sizeof(path), "AWS_SHARED_CREDENTIALS_FILE", "credentials") != ERR_OK)
        return ERR_NOENT;
    struct keys *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ERR_NOMEM;
    int err = profile_read(path, profile, take_key, k);
    if (err == ERR_IO || (err == ERR_NOENT && asked)) {
        snprintf(why, why_size, "The AWS credentials file %s cannot be read: %s.", path,
                 strerror(errno));
        err = ERR_IO;
    } else if (err == ERR_OK) {
        err = credentials_set(out, k->key, k->secret, k->token);
        if (err != ERR_OK && (asked || err != ERR_NOENT)) {
            snprintf(why, why_size,
                     "The AWS credentials file %s has no usable keys for profile %s.", path,
                     profile);
            err = ERR_IO;
        }
    }
    explicit_bzero(k, sizeof(*k));
    free(k);
    return err;
}
