/* nss_client PORT MODE PATH BODY REQUESTS: requests over NSS in one of many ways. */
#include "client.h"

#include <nspr.h>
#include <nss.h>
#include <ssl.h>

static const char *mode;

static SECStatus accept_any(void *user, PRFileDesc *fd, PRBool check, PRBool server)
{
    (void)user;
    (void)fd;
    (void)check;
    (void)server;
    return SECSuccess;
}

static PRFileDesc *open_tls(int port)
{
    PRFileDesc *fd = PR_OpenTCPSocket(PR_AF_INET), *tls;
    PRNetAddr address;

    PR_InitializeNetAddr(PR_IpAddrLoopback, (PRUint16)port, &address);
    tls = fd != NULL ? SSL_ImportFD(NULL, fd) : NULL;
    if (tls == NULL || PR_Connect(tls, &address, PR_INTERVAL_NO_TIMEOUT) != PR_SUCCESS) {
        die("connect");
    }
    SSL_AuthCertificateHook(tls, accept_any, NULL);
    SSL_SetURL(tls, "llm.test");
    SSL_ResetHandshake(tls, PR_FALSE);
    return tls;
}

static PRInt32 put(PRFileDesc *fd, const char *data, PRInt32 len)
{
    if (strcmp(mode, "send") == 0) {
        return PR_Send(fd, data, len, 0, PR_INTERVAL_NO_TIMEOUT);
    }
    if (strcmp(mode, "writev") == 0) {
        char *base = (char *)(uintptr_t)data;
        PRIOVec vector[2] = {{base, len / 3}, {base + len / 3, len - len / 3}};
        return PR_Writev(fd, vector, 2, PR_INTERVAL_NO_TIMEOUT);
    }
    return PR_Write(fd, data, len);
}

static PRInt32 get(PRFileDesc *fd, char *data, PRInt32 len)
{
    char seen[10];

    if (strcmp(mode, "send") == 0) {
        PR_Recv(fd, seen, sizeof(seen), PR_MSG_PEEK, PR_INTERVAL_NO_TIMEOUT);
        return PR_Recv(fd, data, len, 0, PR_INTERVAL_NO_TIMEOUT);
    }
    return PR_Read(fd, data, len);
}

static void exchange(PRFileDesc *fd, const char *path, size_t body)
{
    size_t len, got = 0, want = 0;
    char *request = make_request(path, body, &len), *answer = malloc(1 << 20);
    PRInt32 sent = put(fd, request, (PRInt32)len), n = 0;

    while (answer != NULL && (want == 0 || got < want) && (n = get(fd, answer + got, 5000)) > 0) {
        got += (size_t)n;
        want = answer_length(answer, got);
    }
    printf("sent %d, %zu bytes, sum %016llx, last %d\n", sent, got,
           (unsigned long long)sum_of(7, answer, got), n > 0 ? 0 : n);
    free(request);
    free(answer);
}

int main(int argc, char **argv)
{
    PRFileDesc *fd;

    if (argc < 6 || NSS_NoDB_Init(NULL) != SECSuccess) {
        return 2;
    }
    mode = argv[2];
    fd = open_tls(atoi(argv[1]));
    for (int i = 0; i < atoi(argv[5]); i++) {
        exchange(fd, argv[3], strtoul(argv[4], NULL, 10));
    }
    PR_Close(fd);
    NSS_Shutdown();
    return 7;
}
