/* Which TLS a program has: among its libraries, in modules that its language loads later, or inside
 * the executable. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/inspect.h"

/* A language's TLS module: where it lies, seen from the folder above the interpreter's. */
struct module {
    const char *interpreter; /* how the executable's name starts */
    const char *title;
    const char *patterns[4];
};

static const struct module modules[] = {
    {"python",
     "_ssl module",
     {"lib/python3*/lib-dynload/_ssl.*.so", "lib64/python3*/lib-dynload/_ssl.*.so"}},
    {"ruby",
     "openssl.so",
     {"lib/*/ruby/*/openssl.so", "lib/ruby/*/*/openssl.so", "lib64/ruby/*/openssl.so"}},
    {"perl",
     "Net::SSLeay",
     {"lib/*/perl5/*/auto/Net/SSLeay/SSLeay.so", "lib*/perl5/*/*/auto/Net/SSLeay/SSLeay.so",
      "local/lib/*/perl/*/auto/Net/SSLeay/SSLeay.so"}},
    {"php", "openssl.so or curl.so", {"lib/php/*/openssl.so", "lib/php/*/curl.so"}},
    {"lua", "ssl.so", {"lib/*/lua/*/ssl.so", "lib/lua/*/ssl.so"}},
};

static const struct module *module_of(const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++)
        if (strncmp(name, modules[i].interpreter, strlen(modules[i].interpreter)) == 0)
            return &modules[i];
    return NULL;
}

/* Several pythons share a folder: the module has to be this one's. */
static bool fits_version(const char *program, const char *path)
{
    const char *name = strrchr(program, '/');
    const char *version = name != NULL ? strstr(name, "python3.") : NULL;
    char folder[64];
    if (version == NULL)
        return true;
    snprintf(folder, sizeof(folder), "/%.20s/", version);
    return strstr(path, folder) != NULL;
}

/* Adds the libraries of the language's module. Returns its path as new memory, or NULL. */
static char *add_module(const struct inspection *i, const struct module *m, struct libraries *l)
{
    char pattern[INSPECT_PATH_MAX + 128];
    char root[INSPECT_PATH_MAX];
    char *found = NULL;
    memcpy(root, i->program, sizeof(root));
    for (int k = 0; k < 2; k++) { /* the program's name, then its folder */
        char *slash = strrchr(root, '/');
        if (slash != NULL)
            *slash = '\0';
    }
    for (size_t k = 0; k < 4 && m->patterns[k] != NULL && found == NULL; k++) {
        glob_t files;
        snprintf(pattern, sizeof(pattern), "%s/%s", root, m->patterns[k]);
        if (glob(pattern, 0, NULL, &files) != 0)
            continue;
        for (size_t n = 0; n < files.gl_pathc && found == NULL; n++) {
            struct elf_file e;
            if (!fits_version(i->program, files.gl_pathv[n]) ||
                elf_read(&e, files.gl_pathv[n]) != ERR_OK)
                continue;
            if (libraries_add(l, files.gl_pathv[n], &e, m->title) == ERR_OK)
                found = strdup(files.gl_pathv[n]);
            elf_release(&e);
        }
        globfree(&files);
    }
    return found;
}

enum embedded {
    EMBEDDED_GO,
    EMBEDDED_RUSTLS,
    EMBEDDED_AWS_LC,
    EMBEDDED_BORING,
    EMBEDDED_OPENSSL,
    EMBEDDED_COUNT
};

static const char *const embedded_names[] = {"Go's crypto/tls", "rustls", "AWS-LC", "BoringSSL",
                                             "OpenSSL"};

/* What in the executable's bytes gives away a TLS of its own; -1: nothing. */
static int find_embedded(const char *program)
{
    static const struct elf_mark marks[EMBEDDED_COUNT] = {
        [EMBEDDED_GO] = {"\xff Go buildinf:", 14},
        [EMBEDDED_RUSTLS] = {"rustls::", 8},
        [EMBEDDED_AWS_LC] = {"aws-lc", 6},
        [EMBEDDED_BORING] = {"ssl/ssl_lib.cc", 14},
        [EMBEDDED_OPENSSL] = {"ssl_write_internal", 18},
    };
    int64_t found = elf_find_marks(program, marks, EMBEDDED_COUNT);
    for (int i = 0; i < EMBEDDED_COUNT && found > 0; i++)
        if ((found & INT64_C(1) << i) != 0)
            return i;
    return -1;
}

/* A TLS library whose functions are hooked. Returns whether it is there. */
static bool say_library(struct inspection *i, const struct libraries *l, const char *prefix,
                        const char *title, const char *how)
{
    const struct library *found = libraries_find(l, prefix);
    if (found == NULL)
        return false;
    inspect_say(i, "TLS", "%s (%s%s%s): %s", title, found->name,
                found->user != NULL ? " through " : "", found->user != NULL ? found->user : "",
                how);
    return true;
}

static bool say_libraries(struct inspection *i, const struct libraries *l)
{
    bool openssl = say_library(i, l, "libssl.so", "OpenSSL", "captured at SSL_write and SSL_read");
    bool gnutls = say_library(i, l, "libgnutls.so", "GnuTLS",
                              "captured at gnutls_record_send and gnutls_record_recv");
    bool curl = libraries_find(l, "libcurl") != NULL;
    static const struct {
        const char *prefix, *title;
    } others[] = {{"libmbedtls", "mbedTLS"}, {"libwolfssl", "wolfSSL"},
                  {"librustls", "rustls"},   {"libnss3", "NSS"},
                  {"libbearssl", "BearSSL"}, {"libtls.so", "LibreSSL's libtls"}};
    bool hooked = openssl || gnutls;
    for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++)
        (void)say_library(i, l, others[k].prefix, others[k].title,
                          curl ? "captured where libcurl uses it" : "not captured by itself");
    if (curl && !hooked)
        inspect_say(i, "TLS", "libcurl (%s): captured in libcurl's own layer",
                    libraries_find(l, "libcurl")->name);
    if (curl && hooked) /* elsewhere that layer is what is used */
        inspect_say(i, "note",
                    "HTTP/2 is decoded in libcurl's own layer only: use --http1.1, or "
                    "TRACER_HOOKS=curl for programs on libcurl");
    return hooked || curl;
}

static void judge_embedded(struct inspection *i, int embedded, bool module)
{
    const char *advice = "use a build that links the system's OpenSSL or GnuTLS";
    if (embedded >= 0) {
        inspect_say(i, "TLS", "%s, inside the executable", embedded_names[embedded]);
        if (embedded == EMBEDDED_GO)
            inspect_judge(i, VERDICT_NO, NULL,
                          "it is a Go program, whose TLS and system calls pass by every library");
        else
            inspect_judge(i, VERDICT_PARTLY, advice,
                          "its TLS (%s) is inside the executable: calls over https:// are not "
                          "captured, calls over http:// are",
                          embedded_names[embedded]);
    } else if (module) {
        inspect_judge(i, VERDICT_PARTLY, "install the language's TLS module",
                      "no TLS module of the language was found: calls over http:// are captured");
    } else {
        inspect_say(i, "TLS", "none among its libraries");
        inspect_judge(i, VERDICT_YES, NULL,
                      "it has no TLS of its own: calls over http://, and those of the programs "
                      "that it starts, are captured");
    }
}

int inspect_tls(struct inspection *i, const struct elf_file *e, struct libraries *l)
{
    const struct module *m = module_of(i->program);
    bool own = libraries_find(l, "libssl.so") != NULL || libraries_find(l, "libgnutls.so") != NULL;
    char *path = m != NULL && !own ? add_module(i, m, l) : NULL;
    if (path != NULL)
        inspect_say(i, "module", "%s", path);
    free(path);
    if (e->exports_ssl) {
        judge_embedded(i, EMBEDDED_OPENSSL, false);
        return ERR_OK;
    }
    if (say_libraries(i, l))
        inspect_judge(i, VERDICT_YES, NULL, "calls over https:// and http:// are captured");
    else
        judge_embedded(i, find_embedded(i->program), m != NULL);
    return ERR_OK;
}
