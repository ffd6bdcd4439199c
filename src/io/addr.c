/*
 * addr.c -- addresses as text and back: weir_addr_parse reads what weir_addr_text
 * writes, but for UNIX names with bytes that do not print.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>

#include "io/io.h"

union addr_any {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct weir_addr room; /* as much of it as `storage` holds */
};

enum { ADDR_UN_HEAD = offsetof(struct sockaddr_un, sun_path) };

static void addr_give(struct weir_addr *out, const union addr_any *a, size_t size)
{
    memset(out, 0, sizeof *out);
    out->size = (uint32_t)size;
    memcpy(out->storage, a, size);
}

static void addr_take(union addr_any *out, const struct weir_addr *a)
{
    memset(out, 0, sizeof *out);
    memcpy(out, a->storage, a->size < sizeof a->storage ? a->size : sizeof a->storage);
}

bool weir__addr_sound(const struct weir_addr *a)
{
    if (!a || a->reserved || a->size < sizeof(sa_family_t) || a->size > sizeof a->storage)
        return false;
    switch (weir__addr_any(a)->sa_family) {
    case AF_INET:
        return a->size == sizeof(struct sockaddr_in);
    case AF_INET6:
        return a->size == sizeof(struct sockaddr_in6);
    case AF_UNIX:
        return a->size <= sizeof(struct sockaddr_un);
    default:
        return false;
    }
}

/* --- reading ------------------------------------------------------------- */

/* The interface behind the '%': its name or its number.  0 is none. */
static uint32_t addr_scope(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*text >= '0' && *text <= '9' && !*end && n <= UINT32_MAX)
        return (uint32_t)n;
    return if_nametoindex(text);
}

static int addr_v6(const char *host, uint16_t port, struct weir_addr *out)
{
    union addr_any a = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    const char *percent = strchr(host, '%');
    size_t len = percent ? (size_t)(percent - host) : strlen(host);
    char digits[INET6_ADDRSTRLEN];

    if (len >= sizeof digits)
        return -EINVAL;
    memcpy(digits, host, len);
    digits[len] = '\0';
    if (inet_pton(AF_INET6, digits, &a.v6.sin6_addr) != 1)
        return -EINVAL;
    if (percent && !(a.v6.sin6_scope_id = addr_scope(percent + 1)))
        return -EINVAL;
    addr_give(out, &a, sizeof a.v6);
    return 0;
}

int weir_addr_host(const char *host, uint16_t port, struct weir_addr *out)
{
    union addr_any a = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};

    if (!out)
        return -EINVAL;
    if (inet_pton(AF_INET, host ? host : "127.0.0.1", &a.v4.sin_addr) != 1)
        return addr_v6(host, port, out);
    addr_give(out, &a, sizeof a.v4);
    return 0;
}

static int addr_unix(const char *name, struct weir_addr *out)
{
    union addr_any a = {.un = {.sun_family = AF_UNIX}};
    size_t len = strlen(name);
    bool abstract = name[0] == '@';

    if (len >= sizeof a.un.sun_path)
        return -ENAMETOOLONG;
    if (abstract && len == 1)
        return -EINVAL; /* the kernel would pick one */
    memcpy(a.un.sun_path, name, len + 1);
    if (abstract)
        a.un.sun_path[0] = '\0';
    addr_give(out, &a, ADDR_UN_HEAD + len + !abstract);
    return 0;
}

static int addr_port(const char *text)
{
    int n = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        n = n * 10 + (*text - '0');
        if (n > 65535)
            return -EINVAL;
    }
    return n;
}

int weir_addr_parse(const char *text, struct weir_addr *out)
{
    bool bracket = text && text[0] == '[';
    const char *end, *from;
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE];
    int port;

    if (!text || !out)
        return -EINVAL;
    if (text[0] == '/' || text[0] == '.' || text[0] == '@')
        return addr_unix(text, out);
    from = text + bracket;
    end = bracket ? strstr(from, "]:") : strchr(from, ':');
    port = end ? addr_port(end + 1 + bracket) : -EINVAL;
    if (port < 0 || end == from || (size_t)(end - from) >= sizeof host)
        return -EINVAL;
    memcpy(host, from, (size_t)(end - from));
    host[end - from] = '\0';
    if (bracket != (strchr(host, ':') != NULL)) /* brackets are IPv6's, and it has no other form */
        return -EINVAL;
    return weir_addr_host(host, (uint16_t)port, out);
}

/* --- writing --------------------------------------------------------------- */

static int addr_unix_text(const union addr_any *a, size_t size, char *text)
{
    size_t len = size - ADDR_UN_HEAD;

    if (size <= ADDR_UN_HEAD)
        return sprintf(text, "unnamed");
    memcpy(text, a->un.sun_path, len);
    if (text[0])
        len = strnlen(text, len);
    else
        text[0] = '@';
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            text[i] = '?';
    text[len] = '\0';
    return (int)len;
}

static int addr_v6_text(const union addr_any *a, char *text)
{
    char host[INET6_ADDRSTRLEN], scope[IF_NAMESIZE + 16] = "", name[IF_NAMESIZE];
    uint32_t id = a->v6.sin6_scope_id;

    inet_ntop(AF_INET6, &a->v6.sin6_addr, host, sizeof host);
    if (id && if_indextoname(id, name))
        snprintf(scope, sizeof scope, "%%%s", name);
    else if (id)
        snprintf(scope, sizeof scope, "%%%u", (unsigned)id);
    return snprintf(text, WEIR_ADDR_TEXT, "[%s%s]:%u", host, scope, ntohs(a->v6.sin6_port));
}

int weir_addr_text(const struct weir_addr *addr, char *text, size_t size)
{
    char host[INET_ADDRSTRLEN], whole[WEIR_ADDR_TEXT];
    union addr_any a;
    int n;

    if (!addr || !text || !size || addr->size < sizeof(sa_family_t))
        return -EINVAL;
    if (!weir__addr_sound(addr))
        return -EAFNOSUPPORT;
    addr_take(&a, addr);
    if (a.any.sa_family == AF_INET6)
        n = addr_v6_text(&a, whole);
    else if (a.any.sa_family == AF_UNIX)
        n = addr_unix_text(&a, addr->size, whole);
    else
        n = snprintf(whole, sizeof whole, "%s:%u",
                     inet_ntop(AF_INET, &a.v4.sin_addr, host, sizeof host), ntohs(a.v4.sin_port));
    if ((size_t)n >= size)
        return -ENOSPC;
    memcpy(text, whole, (size_t)n + 1);
    return n;
}

uint16_t weir_addr_port(const struct weir_addr *addr)
{
    union addr_any a;

    if (!weir__addr_sound(addr))
        return 0;
    addr_take(&a, addr);
    if (a.any.sa_family == AF_INET)
        return ntohs(a.v4.sin_port);
    return a.any.sa_family == AF_INET6 ? ntohs(a.v6.sin6_port) : 0;
}

/* --- of sockets ------------------------------------------------------------- */

static int addr_of(int fd, struct weir_addr *out, int (*get)(int, struct sockaddr *, socklen_t *))
{
    struct weir_addr a = {0};
    socklen_t size = sizeof a.storage;

    if (!out)
        return -EINVAL;
    if (get(fd, weir__addr_any(&a), &size) < 0)
        return -errno;
    a.size = size < sizeof a.storage ? size : sizeof a.storage;
    *out = a;
    return 0;
}

int weir_addr_local(int fd, struct weir_addr *out)
{
    return addr_of(fd, out, getsockname);
}

int weir_addr_peer(int fd, struct weir_addr *out)
{
    return addr_of(fd, out, getpeername);
}
