#include "cli/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"

#define SCRIPT_DEPTH_MAX 4
#define SCRIPT_LINE_MAX  512

static char *format_new(const char *format, va_list args)
{
    char *text = NULL;
    return vasprintf(&text, format, args) < 0 ? NULL : text;
}

void inspect_say(struct inspection *i, const char *heading, const char *format, ...)
{
    va_list args;
    if (i->count == INSPECT_FINDINGS_MAX)
        return;
    va_start(args, format);
    char *text = format_new(format, args);
    va_end(args);
    if (text != NULL)
        i->findings[i->count++] = (struct finding){.heading = heading, .text = text};
}

void inspect_judge(struct inspection *i, enum verdict verdict, const char *advice,
                   const char *format, ...)
{
    va_list args;
    va_start(args, format);
    free(i->reason);
    free(i->advice);
    i->reason = format_new(format, args);
    va_end(args);
    i->advice = advice != NULL ? strdup(advice) : NULL;
    i->verdict = verdict;
}

void inspect_release(struct inspection *i)
{
    for (size_t k = 0; k < i->count; k++)
        free(i->findings[k].text);
    free(i->reason);
    free(i->advice);
    memset(i, 0, sizeof(*i));
}

/* The words behind #!; line is changed. false: no script. */
static bool read_shebang(const char *path, char *line, size_t size, char **interpreter, char **word)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t n = fd < 0 ? -1 : read(fd, line, size - 1);
    char *rest = NULL;
    if (fd >= 0)
        close(fd);
    if (n < 3 || line[0] != '#' || line[1] != '!')
        return false;
    line[n] = '\0';
    line[strcspn(line, "\n")] = '\0';
    *interpreter = strtok_r(line + 2, " \t\r", &rest);
    *word = strtok_r(NULL, " \t\r", &rest);
    /* env(1) takes options and assignments before the program. */
    while (*word != NULL && *interpreter != NULL && strstr(*interpreter, "/env") != NULL &&
           ((*word)[0] == '-' || strchr(*word, '=') != NULL))
        *word = strtok_r(NULL, " \t\r", &rest);
    return *interpreter != NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* Follows #! lines: i->program becomes the file that really runs. */
static int follow_scripts(struct inspection *i)
{
    char line[SCRIPT_LINE_MAX];
    char *interpreter = NULL;
    char *word = NULL;
    for (int depth = 0; read_shebang(i->program, line, sizeof(line), &interpreter, &word);
         depth++) {
        if (depth == SCRIPT_DEPTH_MAX)
            return ERR_BAD;
        if (ends_with(interpreter, "/env") && word != NULL)
            interpreter = word;
        inspect_say(i, "script", "%s, run by %s", i->program, interpreter);
        char next[INSPECT_PATH_MAX];
        int err = cli_find_program(interpreter, next, sizeof(next));
        if (err != ERR_OK) {
            inspect_judge(i, VERDICT_UNKNOWN, NULL, "its interpreter %s is not there", interpreter);
            return ERR_NOENT;
        }
        memcpy(i->program, next, sizeof(next));
    }
    return ERR_OK;
}

static const char *libc_of(const char *interp)
{
    if (strstr(interp, "ld-musl") != NULL)
        return "musl";
    return strstr(interp, "ld-linux") != NULL || strstr(interp, "ld64.so") != NULL ? "glibc"
                                                                                   : "unknown libc";
}

/* Whether the kernel starts the file with rights that its caller has not (then the loader ignores
 * LD_PRELOAD). */
static bool is_privileged(struct inspection *i, const struct stat *st)
{
    const char *what = NULL;
    if ((st->st_mode & S_ISUID) != 0 && st->st_uid != getuid())
        what = "setuid";
    else if ((st->st_mode & S_ISGID) != 0 && st->st_gid != getgid())
        what = "setgid";
    else if (getuid() != 0 && getxattr(i->program, "security.capability", NULL, 0) > 0)
        what = "file capabilities";
    else if ((st->st_mode & (S_ISUID | S_ISGID)) != 0)
        inspect_say(i, "note",
                    "setuid or setgid: for other users than you the loader ignores "
                    "LD_PRELOAD");
    if (what == NULL)
        return false;
    inspect_judge(i, VERDICT_NO,
                  "run what it does without these rights, or start it as the user whose rights it "
                  "takes",
                  "it runs with more rights than yours (%s), so the loader ignores "
                  "LD_PRELOAD",
                  what);
    return true;
}

static void judge_static(struct inspection *i)
{
    static const struct elf_mark go = {"\xff Go buildinf:", 14};
    if (elf_find_marks(i->program, &go, 1) > 0)
        inspect_judge(
            i, VERDICT_NO, NULL,
            "it is a static Go program: no loader runs, so nothing can be put in front of "
            "its calls");
    else
        inspect_judge(i, VERDICT_NO, "use a build that is linked dynamically",
                      "it is linked statically: no loader runs, so nothing can be put in front of "
                      "its calls");
}

static int inspect_elf(struct inspection *i, const struct elf_file *e, const struct stat *st)
{
    const char *kind = !e->is_64              ? "32-bit"
                       : e->interp[0] != '\0' ? "dynamic, 64-bit"
                       : e->has_dynamic       ? "static-PIE, 64-bit"
                                              : "static, 64-bit";
    if (e->interp[0] != '\0')
        inspect_say(i, "program", "%s %s, %s (%s)", kind, elf_machine_name(e->machine),
                    libc_of(e->interp), e->interp);
    else
        inspect_say(i, "program", "%s %s", kind, elf_machine_name(e->machine));
    if (!e->is_64) {
        inspect_judge(i, VERDICT_NO, "use a 64-bit build", "it is a 32-bit program");
        return ERR_OK;
    }
    if (is_privileged(i, st))
        return ERR_OK;
    if (e->interp[0] == '\0') {
        judge_static(i);
        return ERR_OK;
    }
    struct libraries *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return ERR_NOMEM;
    int err = libraries_add(l, i->program, e, NULL);
    for (size_t k = 0; k < l->count && err == ERR_OK; k++)
        if (l->items[k].path == NULL)
            inspect_say(i, "note", "%s was not found", l->items[k].name);
    if (err == ERR_OK)
        err = inspect_tls(i, e, l);
    libraries_release(l);
    free(l);
    return err;
}

int inspect_program(struct inspection *i, const char *name)
{
    struct stat st;
    struct elf_file *e = calloc(1, sizeof(*e));
    memset(i, 0, sizeof(*i));
    i->verdict = VERDICT_UNKNOWN;
    if (e == NULL)
        return ERR_NOMEM;
    int err = cli_find_program(name, i->path, sizeof(i->path));
    if (err == ERR_OK && access(i->path, R_OK) != 0)
        err = ERR_IO;
    if (err != ERR_OK)
        goto out;
    memcpy(i->program, i->path, sizeof(i->path));
    if (follow_scripts(i) != ERR_OK) {
        if (i->reason == NULL)
            inspect_judge(i, VERDICT_UNKNOWN, NULL, "its #! lines lead nowhere");
        goto out;
    }
    char *real = realpath(i->program, NULL);
    if (real != NULL && strcmp(real, i->program) != 0 && strlen(real) < sizeof(i->program)) {
        inspect_say(i, "link", "%s is %s", i->program, real);
        memcpy(i->program, real, strlen(real) + 1);
    }
    free(real);
    int bad = stat(i->program, &st) == 0 ? elf_read(e, i->program) : ERR_IO;
    if (bad == ERR_NOMEM)
        err = bad;
    else if (bad != ERR_OK)
        inspect_judge(i, VERDICT_UNKNOWN, NULL,
                      bad == ERR_UNSUPPORTED ? "it is for a big-endian machine"
                                             : "it is no program, or a damaged one");
    else
        err = inspect_elf(i, e, &st);
out:
    elf_release(e);
    free(e);
    return err;
}
