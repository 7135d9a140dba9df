/* A dependency whose constructor runs before the preloaded object's. */
#include <sys/socket.h>
#include <unistd.h>

__attribute__((constructor)) static void start(void)
{
    int pair[2];
    char data[16];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        _exit(3);
    if (send(pair[0], "constructor\n", 12, 0) != 12 || recv(pair[1], data, 16, 0) != 12 ||
        write(1, data, 12) != 12)
        _exit(4);
    close(pair[0]);
    close(pair[1]);
}

int early_library_is_used(void);
int early_library_is_used(void)
{
    return 1;
}
