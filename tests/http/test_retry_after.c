/*
 * test_retry_after.c -- C4: what servers write into Retry-After, and what is
 * read out of it.  Nothing is ever invented.
 */
#include "harness/test.h"

#include <stdio.h>

#include <weir/base.h>

#include "http/http.h"

enum { NOW = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */
#define YEAR WEIR_S(31536000)

static weir_span read_head(const char *lines)
{
    char head[1000];

    LT(snprintf(head, sizeof head, "HTTP/1.1 503 No\r\n%s\r\n", lines), sizeof head);
    return weir__http_head_retry_after(head, strlen(head), NOW);
}

TEST(C4_whatever_a_server_writes_is_read_or_ignored)
{
    static const struct {
        const char *value;
        weir_span wait; /* < 0: none */
    } row[] = {
        {"0", 0},
        {"3", WEIR_S(3)},
        {"120", WEIR_S(120)},
        {"007", WEIR_S(7)},
        {"-1", -1},
        {"+3", -1},
        {"1e9", -1},
        {"3.5", -1},
        {"3 s", -1},
        {"", -1},
        {"soon", -1},
        {"18446744073709551616", YEAR}, /* 2^64: capped, not wrapped */
        {"99999999999999999999999999999999", YEAR},
        {"Sun, 06 Nov 1994 08:49:44 GMT", WEIR_S(7)},
        {"Sunday, 06-Nov-94 08:49:44 GMT", WEIR_S(7)},
        {"Sun Nov  6 08:49:44 1994", WEIR_S(7)},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {"Sat, 05 Nov 1994 08:49:37 GMT", 0}, /* in the past: now */
        {"Fri, 31 Dec 9999 23:59:59 GMT", YEAR},
        {"Sun, 99 Nov 1994 08:49:44 GMT", -1},
        {"Sun, 06 Foo 1994 08:49:44 GMT", -1},
    };

    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        char line[200];
        weir_span wait;

        snprintf(line, sizeof line, "Retry-After: %s\r\n", row[i].value);
        wait = read_head(line);
        if (row[i].wait < 0 ? wait >= 0 : wait != row[i].wait)
            FAIL("'%s' gave %lld", row[i].value, (long long)wait);
    }
}

TEST(C4_a_missing_header_invents_nothing_and_of_two_the_first_holds)
{
    LT(read_head(""), 0);
    LT(read_head("Retry-Afterwards: 3\r\n"), 0);
    LT(read_head("X: Retry-After: 3\r\n"), 0);
    EQ(read_head("Retry-After: 3\r\nRetry-After: 9\r\n"), WEIR_S(3));
    EQ(read_head("retry-AFTER:3\r\n"), WEIR_S(3));
    EQ(read_head("Retry-After:   3  \r\n"), WEIR_S(3));
    /* a date is measured by the server's own clock */
    EQ(read_head("Date: Sun, 06 Nov 1994 08:49:40 GMT\r\n"
                 "Retry-After: Sun, 06 Nov 1994 08:49:44 GMT\r\n"),
       WEIR_S(4));
}
