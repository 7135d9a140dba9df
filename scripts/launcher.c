/* bin/llm-tracer of the bundle that scripts/package makes: starts the real program with the
 * bundle's own loader and libraries, so that an image needs none of them (nor a shell). Static.
 * Folders: bin/llm-tracer (this), lib/ld.so, lib/llm-tracer/{llm-tracer,lib*.so*}. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_LEN 4096

int main(int argc, char **argv)
{
    char prefix[PATH_LEN], loader[PATH_LEN + 64], libraries[PATH_LEN + 64], program[PATH_LEN + 64];
    ssize_t n = readlink("/proc/self/exe", prefix, sizeof(prefix) - 1);
    if (n < 0 && argc > 0 && realpath(argv[0], prefix) != NULL) /* no /proc */
        n = (ssize_t)strlen(prefix);
    if (n < 0) {
        fprintf(stderr, "llm-tracer: its own folder is not known: %s\n", strerror(errno));
        return 2;
    }
    prefix[n] = '\0';
    for (int i = 0; i < 2; i++) { /* the program's name, then bin */
        char *slash = strrchr(prefix, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    snprintf(loader, sizeof(loader), "%s/lib/ld.so", prefix);
    snprintf(libraries, sizeof(libraries), "%s/lib/llm-tracer", prefix);
    snprintf(program, sizeof(program), "%s/lib/llm-tracer/llm-tracer", prefix);

    /* What the image preloads was made for the image's libc, not for ours: `llm-tracer run` gives
     * it back to the command. */
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && *preload != '\0')
        setenv("TRACER_SAVED_LD_PRELOAD", preload, 1);
    unsetenv("LD_PRELOAD");

    char **args = calloc((size_t)argc + 8, sizeof(char *));
    if (args == NULL)
        return 2;
    size_t count = 0;
    args[count++] = loader;
    args[count++] = (char *)"--library-path";
    args[count++] = libraries;
    args[count++] = (char *)"--argv0";
    args[count++] = (char *)"llm-tracer";
    args[count++] = program;
    for (int i = 1; i < argc; i++)
        args[count++] = argv[i];
    execv(loader, args);
    fprintf(stderr, "llm-tracer: %s: %s\n", loader, strerror(errno));
    return 2;
}
