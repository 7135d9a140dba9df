/* Functions of the host program that musl has not. */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t __read_chk(int fd, void *data, size_t len, size_t size);
ssize_t __recv_chk(int fd, void *data, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *data, size_t len, size_t size, int flags,
                       struct sockaddr *address, socklen_t *address_len);
int close_range(unsigned first, unsigned last, int flags);

ssize_t __read_chk(int fd, void *data, size_t len, size_t size)
{
    (void)size;
    return read(fd, data, len);
}

ssize_t __recv_chk(int fd, void *data, size_t len, size_t size, int flags)
{
    (void)size;
    return recv(fd, data, len, flags);
}

ssize_t __recvfrom_chk(int fd, void *data, size_t len, size_t size, int flags,
                       struct sockaddr *address, socklen_t *address_len)
{
    (void)size;
    return recvfrom(fd, data, len, flags, address, address_len);
}

int close_range(unsigned first, unsigned last, int flags)
{
    return (int)syscall(436, first, last, flags);
}
