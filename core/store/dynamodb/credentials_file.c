/* The shared credentials file of AWS's programs: $AWS_SHARED_CREDENTIALS_FILE, else
 * ~/.aws/credentials, its section $AWS_PROFILE, else [default]. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "store/dynamodb/dynamodb.h"

#define FILE_MAX  ((size_t)1024 * 1024)
#define LINE_ROOM 9000 /* a session token may be 8 KB */

static int file_path(char *out, size_t size)
{
    const char *named = getenv("AWS_SHARED_CREDENTIALS_FILE");
    const char *home = getenv("HOME");
    int n;
    if (named != NULL && named[0] != '\0')
        n = snprintf(out, size, "%s", named);
    else if (home != NULL && home[0] != '\0')
        n = snprintf(out, size, "%s/.aws/credentials", home);
    else
        return ERR_NOENT;
    return n > 0 && (size_t)n < size ? ERR_OK : ERR_NOENT;
}

static char *strip(char *text)
{
    text += strspn(text, " \t\r\n");
    size_t len = strlen(text);
    while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

/* "[name]": the name, cut out of the line; else NULL. */
static char *section_name(char *line)
{
    size_t len = strlen(line);
    if (len < 2 || line[0] != '[' || line[len - 1] != ']')
        return NULL;
    line[len - 1] = '\0';
    return strip(line + 1);
}

struct profile {
    char key[LINE_ROOM], secret[LINE_ROOM], token[LINE_ROOM];
    bool found;
};

static void take_value(struct profile *p, char *line)
{
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return;
    *equals = '\0';
    const char *name = strip(line);
    const char *value = strip(equals + 1);
    char *to = strcmp(name, "aws_access_key_id") == 0       ? p->key
               : strcmp(name, "aws_secret_access_key") == 0 ? p->secret
               : strcmp(name, "aws_session_token") == 0     ? p->token
                                                            : NULL;
    if (to != NULL)
        snprintf(to, LINE_ROOM, "%s", value);
}

static void read_profile(FILE *file, const char *wanted, struct profile *p)
{
    char line[LINE_ROOM];
    size_t read = 0;
    bool inside = false;
    while (fgets(line, sizeof(line), file) != NULL && read < FILE_MAX) {
        read += strlen(line);
        char *text = strip(line);
        char *name = section_name(text);
        if (name != NULL) {
            inside = strcmp(name, wanted) == 0;
            p->found = p->found || inside;
        } else if (inside && text[0] != '#' && text[0] != ';') {
            take_value(p, text);
        }
    }
    explicit_bzero(line, sizeof(line));
}

int credentials_from_file(struct credentials *out, char *why, size_t why_size)
{
    char path[4096];
    const char *named = getenv("AWS_PROFILE");
    const char *wanted = named != NULL && named[0] != '\0' ? named : "default";
    bool asked = wanted == named || getenv("AWS_SHARED_CREDENTIALS_FILE") != NULL;
    if (file_path(path, sizeof(path)) != ERR_OK)
        return ERR_NOENT;
    FILE *file = fopen(path, "re");
    if (file == NULL && (errno == ENOENT || errno == ENOTDIR) && !asked)
        return ERR_NOENT;
    if (file == NULL) {
        snprintf(why, why_size, "The AWS credentials file %s cannot be read: %s.", path,
                 strerror(errno));
        return ERR_IO;
    }
    struct profile *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        fclose(file);
        return ERR_NOMEM;
    }
    read_profile(file, wanted, p);
    fclose(file);
    int err = credentials_set(out, p->key, p->secret, p->token);
    if (err != ERR_OK && (asked || err != ERR_NOENT)) {
        snprintf(why, why_size, "The AWS credentials file %s has no usable keys for profile %s.",
                 path, wanted);
        err = ERR_IO;
    }
    explicit_bzero(p, sizeof(*p));
    free(p);
    return err;
}
