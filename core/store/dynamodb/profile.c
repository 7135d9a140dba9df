/* The files of AWS's programs ("Shared config and credentials files"): sections of names and
 * values, one of which is the profile in force. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/dynamodb/dynamodb.h"

#define FILE_MAX  ((size_t)1024 * 1024)
#define LINE_ROOM 9000 /* a session token may be 8 KB */
#define BLANKS    " \t\r\n"

static const char *told(const char *variable)
{
    const char *text = getenv(variable);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

const char *profile_name(void)
{
    const char *named = told("AWS_PROFILE");
    return named != NULL ? named : "default";
}

int profile_path(char *out, size_t size, const char *variable, const char *file)
{
    const char *named = told(variable);
    const char *home = told("HOME");
    int n = -1;
    if (named != NULL)
        n = snprintf(out, size, "%s", named);
    else if (home != NULL)
        n = snprintf(out, size, "%s/.aws/%s", home, file);
    return n > 0 && (size_t)n < size ? ERR_OK : ERR_NOENT;
}

static char *strip(char *text)
{
    text += strspn(text, BLANKS);
    size_t len = strlen(text);
    while (len > 0 && strchr(BLANKS, text[len - 1]) != NULL)
        text[--len] = '\0';
    return text;
}

/* "[profile  name]" as "profile name", cut out of the line; NULL: no section begins there. */
static char *section_name(char *line)
{
    char *end = line[0] == '[' ? strchr(line, ']') : NULL;
    if (end == NULL)
        return NULL;
    *end = '\0';
    char *name = strip(line + 1);
    size_t word = strcspn(name, " \t");
    size_t gap = strspn(name + word, " \t");
    if (gap > 1)
        memmove(name + word + 1, name + word + gap, strlen(name + word + gap) + 1);
    if (gap > 0)
        name[word] = ' ';
    return name;
}

/* A comment may follow a value behind a blank. */
static void cut_comment(char *value)
{
    for (char *p = value; *p != '\0'; p++)
        if ((*p == '#' || *p == ';') && (p == value || p[-1] == ' ' || p[-1] == '\t')) {
            *p = '\0';
            return;
        }
}

/* *nested: what stands indented below belongs to the name of the line before. */
static void take_line(char *line, bool *nested, profile_fn *each, void *user)
{
    bool indented = line[0] == ' ' || line[0] == '\t';
    char *equals = strchr(line, '=');
    if (equals == NULL || (indented && *nested))
        return;
    *equals = '\0';
    cut_comment(equals + 1);
    const char *value = strip(equals + 1);
    *nested = value[0] == '\0';
    if (!*nested)
        each(user, strip(line), value);
}

int profile_read(const char *path, const char *section, profile_fn *each, void *user)
{
    char line[LINE_ROOM];
    FILE *file = fopen(path, "re");
    size_t read = 0;
    bool inside = false, nested = false;
    if (file == NULL)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOENT : ERR_IO;
    while (fgets(line, sizeof(line), file) != NULL && read < FILE_MAX) {
        read += strlen(line);
        const char *begun = line + strspn(line, BLANKS);
        char *name = line[0] == '[' ? section_name(line) : NULL;
        if (name != NULL) {
            inside = strcmp(name, section) == 0;
            nested = false;
        } else if (inside && *begun != '#' && *begun != ';') {
            take_line(line, &nested, each, user);
        }
    }
    explicit_bzero(line, sizeof(line));
    fclose(file);
    return ERR_OK;
}
