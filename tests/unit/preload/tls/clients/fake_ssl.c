/* A libssl that knows its own objects and reports everybody else's. Compiled several times, with
 * the method pointer at different places of the object (METHOD_WORD). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ssl_st {
    void *words[METHOD_WORD];
    const char *method;
    int shutdown;
} SSL;

/* Like a method table: it lies in this library, and has the address of a function in it. */
static int refuse(void)
{
    return -1;
}
static int (*const own_method[])(void) = {refuse};

SSL *SSL_new(void *context);
int SSL_write(SSL *ssl, const void *data, int len);
int SSL_read(SSL *ssl, void *data, int len);
int SSL_shutdown(SSL *ssl);
void SSL_free(SSL *ssl);
const char *SSL_get_servername(const SSL *ssl, int type);
#ifdef WITH_EX
int SSL_write_ex(SSL *ssl, const void *data, size_t len, size_t *written);
#endif

static void check(const SSL *ssl, const char *what)
{
    if (ssl->method != (const char *)own_method) {
        printf("%s: not an object of " NAME "\n", what);
    }
}

SSL *SSL_new(void *context)
{
    SSL *ssl = calloc(1, 256);

    (void)context;
    if (ssl != NULL) {
        ssl->method = (const char *)own_method;
    }
    return ssl;
}

int SSL_write(SSL *ssl, const void *data, int len)
{
    (void)data;
    check(ssl, "SSL_write");
    return len;
}

#ifdef WITH_EX
int SSL_write_ex(SSL *ssl, const void *data, size_t len, size_t *written)
{
    (void)data;
    check(ssl, "SSL_write_ex");
    *written = len;
    return 1;
}
#endif

int SSL_read(SSL *ssl, void *data, int len)
{
    const char *answer = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" NAME;
    int n = (int)strlen(answer);

    check(ssl, "SSL_read");
    memcpy(data, answer, (size_t)(n < len ? n : len));
    return n < len ? n : len;
}

int SSL_shutdown(SSL *ssl)
{
    check(ssl, "SSL_shutdown");
    return 1;
}

void SSL_free(SSL *ssl)
{
    check(ssl, "SSL_free");
    free(ssl);
}

const char *SSL_get_servername(const SSL *ssl, int type)
{
    (void)type;
    check(ssl, "SSL_get_servername");
    return NAME ".test";
}
