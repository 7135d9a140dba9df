/* two_libraries CALLER CALLER: two callers, each bound to a libssl of its own, use each other's
 * objects. Only a hook that tells libraries by their objects leads these calls right. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef struct ssl_st SSL;

struct caller {
    SSL *(*make)(void);
    int (*write)(SSL *, const void *, int);
    int (*read)(SSL *, void *, int);
    int (*shutdown)(SSL *);
    void (*release)(SSL *);
};

static int load(struct caller *caller, const char *path)
{
    static const char *const names[] = {"caller_new", "caller_write", "caller_read",
                                        "caller_shutdown", "caller_free"};
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbols[5];

    if (object == NULL) {
        fprintf(stderr, "two_libraries: %s\n", dlerror());
        return -1;
    }
    for (int i = 0; i < 5; i++) {
        symbols[i] = dlsym(object, names[i]);
    }
    memcpy(caller, symbols, sizeof(*caller));
    return 0;
}

static void use(const char *what, struct caller *maker, struct caller *user)
{
    static const char request[] = "GET /v1/chat/completions HTTP/1.1\r\nHost: llm.test\r\n\r\n";
    SSL *ssl = maker->make();
    char answer[100];

    printf("%s: write %d", what, user->write(ssl, request, (int)sizeof(request) - 1));
    printf(" read %d", user->read(ssl, answer, sizeof(answer)));
    printf(" shutdown %d\n", user->shutdown(ssl));
    user->release(ssl);
}

int main(int argc, char **argv)
{
    struct caller a, b;

    if (argc < 3 || load(&a, argv[1]) != 0) {
        return 9;
    }
    use("a by a", &a, &a); /* while it is the only one */
    if (load(&b, argv[2]) != 0) {
        return 9;
    }
    use("b by b", &b, &b);
    use("a by b", &a, &b);
    use("b by a", &b, &a);
    use("a by a", &a, &a);
    return 0;
}
