#include "peer.h"

#include "sys.h"
#include "text.h"

static void put_hex(char *out, size_t *at, unsigned value)
{
    static const char digits[] = "0123456789abcdef";
    char text[4];
    size_t i = sizeof(text);
    do {
        text[--i] = digits[value & 15];
        value >>= 4;
    } while (value != 0);
    text_put(out, PEER_TEXT_MAX, at, text + i, sizeof(text) - i);
}

static void put_ipv6(char *out, size_t *at, const unsigned char *address)
{
    text_put(out, PEER_TEXT_MAX, at, "[", 1);
    for (int i = 0; i < 16; i += 2) {
        if (i > 0)
            text_put(out, PEER_TEXT_MAX, at, ":", 1);
        put_hex(out, at, (unsigned)address[i] << 8 | address[i + 1]);
    }
    text_put(out, PEER_TEXT_MAX, at, "]", 1);
}

static void put_ipv4(char *out, size_t *at, const unsigned char *address)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            text_put(out, PEER_TEXT_MAX, at, ".", 1);
        text_put_number(out, PEER_TEXT_MAX, at, address[i]);
    }
}

size_t peer_text(int fd, char *out)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address;
    size_t at = 0;
    unsigned port;
    out[0] = '\0';
    memset(&address, 0, sizeof(address));
    socklen_t len = sizeof(address);
    if (fd < 0 || SYS3(__NR_getpeername, fd, &address, &len) != 0)
        return 0;
    if (address.any.sa_family == AF_INET) {
        put_ipv4(out, &at, (const unsigned char *)&address.ipv4.sin_addr);
        port = address.ipv4.sin_port;
    } else if (address.any.sa_family == AF_INET6) {
        put_ipv6(out, &at, (const unsigned char *)&address.ipv6.sin6_addr);
        port = address.ipv6.sin6_port;
    } else {
        return 0;
    }
    const unsigned char bytes[2] = {(unsigned char)port, (unsigned char)(port >> 8)};
    text_put(out, PEER_TEXT_MAX, &at, ":", 1);
    text_put_number(out, PEER_TEXT_MAX, &at, (unsigned)bytes[0] << 8 | bytes[1]);
    return at;
}
