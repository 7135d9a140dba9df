/* The object that lives in other people's programs. Its law:
 *
 *  1. No malloc, stdio, locks, loader, exit, threads, signal handlers, or descriptors kept open.
 *     State is static, initial-exec TLS, or mapped; system calls are raw (sys.h); a hook uses at
 *     most 1 KB of stack.
 *  2. errno is the host's: never changed. A hook is async-signal-safe and reentrant.
 *  3. The original is always called, exactly once, with the same arguments, and its result
 *     returned. Times are taken before a write; bytes are copied after the call, at most the given
 *     length, of stream sockets only.
 *  4. Originals are found without dlsym (symbol.h), behind our own object in load order.
 *  5. The constructor reads the environment and binds libc. No file, no ring: the first byte
 *     towards an endpoint makes that.
 *  6. Ring memory is reserved before it is mapped (core/wire/writer.h): no SIGBUS, no SIGXFSZ.
 *  7. fork: what is ours alone is emptied in the child (session.h). A child that shares our memory
 *     changes nothing.
 *  8. What finds no room is counted and dropped. The host never waits.
 *  9. Exported are the hooks and llmt_preload_v1, nothing else (exports.map); nothing is needed.
 * 10. TRACING_ENABLED=false leaves every hook a plain jump to the original.
 *
 * law.h, included in front of every file, makes most of 1, 2 and 4 a compile error. */
#include "environment.h"
#include "libc.h"
#include "session.h"

extern char **environ_of_libc __asm__("environ") __attribute__((weak));
const char *gnu_get_libc_version(void) __attribute__((weak));

/* glibc hands main's arguments to constructors, and may not have set environ yet when ours runs;
 * musl hands over nothing, but has set it. */
static char **find_variables(char **passed)
{
    if (gnu_get_libc_version != NULL)
        return passed;
    return &environ_of_libc != NULL ? environ_of_libc : NULL;
}

__attribute__((constructor)) static void start(int argc, char **argv, char **variables)
{
    (void)argc;
    (void)argv;
    environment_init(find_variables(variables));
    libc_bind();
    if (!environment_enabled())
        return;
    session_init();
}
