/* Calls whatever libssl it is linked against, on any object it is given. */
typedef struct ssl_st SSL;

SSL *SSL_new(void *context);
int SSL_write(SSL *ssl, const void *data, int len);
int SSL_read(SSL *ssl, void *data, int len);
int SSL_shutdown(SSL *ssl);
void SSL_free(SSL *ssl);
SSL *caller_new(void);
int caller_write(SSL *ssl, const void *data, int len);
int caller_read(SSL *ssl, void *data, int len);
int caller_shutdown(SSL *ssl);
void caller_free(SSL *ssl);

SSL *caller_new(void)
{
    return SSL_new((void *)0);
}

int caller_write(SSL *ssl, const void *data, int len)
{
    return SSL_write(ssl, data, len);
}

int caller_read(SSL *ssl, void *data, int len)
{
    return SSL_read(ssl, data, len);
}

int caller_shutdown(SSL *ssl)
{
    return SSL_shutdown(ssl);
}

void caller_free(SSL *ssl)
{
    SSL_free(ssl);
}
