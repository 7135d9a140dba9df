/* doctor on real programs, on none, and on damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/inspect.h"

static char dir[] = "/tmp/doctor-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_file(const char *path, const void *data, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static bool says(const struct inspection *i, const char *heading, const char *text)
{
    for (size_t k = 0; k < i->count; k++)
        if (strcmp(i->findings[k].heading, heading) == 0 &&
            strstr(i->findings[k].text, text) != NULL)
            return true;
    return false;
}

static enum verdict verdict_of(const char *program, const char *heading, const char *text)
{
    struct inspection *i = calloc(1, sizeof(*i));
    assert_int_equal(inspect_program(i, program), ERR_OK);
    assert_non_null(i->reason);
    if (heading != NULL && !says(i, heading, text)) {
        for (size_t k = 0; k < i->count; k++)
            print_message("%s: %s\n", i->findings[k].heading, i->findings[k].text);
        fail_msg("%s: no %s with %s", program, heading, text);
    }
    enum verdict verdict = i->verdict;
    inspect_release(i);
    free(i);
    return verdict;
}

static bool have(const char *program)
{
    if (access(program, X_OK) == 0)
        return true;
    print_message("%s is not installed\n", program);
    return false;
}

static void real_programs(void **state)
{
    (void)state;
    assert_int_equal(verdict_of("/bin/ls", "program", "glibc"), VERDICT_YES);
    assert_int_equal(verdict_of("ls", "TLS", "none among its libraries"), VERDICT_YES);
    if (have("/usr/bin/curl"))
        assert_int_equal(verdict_of("/usr/bin/curl", "TLS", "libssl.so.3 through libcurl.so.4"),
                         VERDICT_YES);
    if (have("/usr/bin/wget"))
        assert_int_equal(verdict_of("/usr/bin/wget", "TLS", "GnuTLS (libgnutls"), VERDICT_YES);
    if (have("/usr/bin/python3"))
        assert_int_equal(verdict_of("/usr/bin/python3", "TLS", "through _ssl module"), VERDICT_YES);
}

static bool compile(const char *compiler, const char *flags, const char *out)
{
    char command[1024];
    write_file(in_dir("main.c"), "int main(void) { return 0; }\n", 29, 0600);
    snprintf(command, sizeof(command), "%s %s -o %s/%s %s/main.c 2>/dev/null", compiler, flags, dir,
             out, dir);
    return system(command) == 0;
}

static void static_programs(void **state)
{
    (void)state;
    if (compile("musl-gcc", "-static", "musl-static"))
        assert_int_equal(verdict_of(in_dir("musl-static"), "program", "static"), VERDICT_NO);
    if (compile("musl-gcc", "", "musl"))
        assert_int_equal(verdict_of(in_dir("musl"), "program", "musl"), VERDICT_YES);
    if (compile("cc", "-static-pie", "static-pie"))
        assert_int_equal(verdict_of(in_dir("static-pie"), "program", "static-PIE"), VERDICT_NO);
    if (compile("cc", "-m32 -nostdlib -Wl,-emain", "m32"))
        assert_int_equal(verdict_of(in_dir("m32"), "program", "32-bit"), VERDICT_NO);
}

/* TLS inside the executable is told by its symbols, or by the texts that are left of it. */
static void embedded_tls(void **state)
{
    (void)state;
    char command[1024];
    write_file(in_dir("own.c"), "int SSL_write(void) { return 0; }\nint main(void) { return 0; }\n",
               62, 0600);
    snprintf(command, sizeof(command), "cc -rdynamic -o %s/own %s/own.c", dir, dir);
    if (system(command) == 0)
        assert_int_equal(verdict_of(in_dir("own"), "TLS", "OpenSSL, inside"), VERDICT_PARTLY);
    static const char *const marks[][2] = {{"\xff Go buildinf:", "Go's"},
                                           {"../boringssl/ssl/ssl_lib.cc", "BoringSSL"},
                                           {"rustls::client", "rustls"}};
    if (!compile("cc", "", "plain"))
        return;
    for (size_t i = 0; i < 3; i++) {
        FILE *f = fopen(in_dir("plain"), "ae");
        assert_non_null(f);
        assert_true(fseek(f, (2 << 20) - 5, SEEK_SET) == 0); /* across two chunks of the search */
        fputs(marks[i][0], f);
        fclose(f);
        enum verdict expected = i == 0 ? VERDICT_NO : VERDICT_PARTLY;
        assert_int_equal(verdict_of(in_dir("plain"), "TLS", marks[i][1]), expected);
        assert_true(compile("cc", "", "plain"));
    }
}

static void scripts(void **state)
{
    (void)state;
    write_file(in_dir("a.sh"), "#!/bin/sh\n:\n", 12, 0700);
    assert_int_equal(verdict_of(in_dir("a.sh"), "script", "/bin/sh"), VERDICT_YES);
    write_file(in_dir("b"), "#!/usr/bin/env -S A=b ls -l\n", 28, 0700);
    assert_int_equal(verdict_of(in_dir("b"), "script", "run by ls"), VERDICT_YES);
    write_file(in_dir("c"), "#!/nowhere/interpreter\n", 23, 0700);
    assert_int_equal(verdict_of(in_dir("c"), NULL, NULL), VERDICT_UNKNOWN);
    char self[300];
    snprintf(self, sizeof(self), "#!%s\n", in_dir("loop"));
    write_file(in_dir("loop"), self, strlen(self), 0700);
    assert_int_equal(verdict_of(in_dir("loop"), NULL, NULL), VERDICT_UNKNOWN);
    write_file(in_dir("empty"), "", 0, 0700);
    assert_int_equal(verdict_of(in_dir("empty"), NULL, NULL), VERDICT_UNKNOWN);
    write_file(in_dir("bang"), "#!", 2, 0700);
    assert_int_equal(verdict_of(in_dir("bang"), NULL, NULL), VERDICT_UNKNOWN);
}

static void no_programs(void **state)
{
    struct inspection *i = calloc(1, sizeof(*i));
    (void)state;
    assert_int_equal(inspect_program(i, "/nowhere/at/all"), ERR_NOENT);
    inspect_release(i);
    assert_int_equal(inspect_program(i, "no-such-program-in-path"), ERR_NOENT);
    inspect_release(i);
    free(i);
    assert_int_equal(verdict_of("/etc/passwd", NULL, NULL), VERDICT_UNKNOWN);
    assert_int_equal(verdict_of("/tmp", NULL, NULL), VERDICT_UNKNOWN);
    assert_int_equal(verdict_of("/dev/null", NULL, NULL), VERDICT_UNKNOWN);
}

static char *read_ls(size_t *len)
{
    char *data = malloc(1 << 20);
    FILE *f = fopen("/bin/ls", "re");
    assert_non_null(f);
    *len = fread(data, 1, 1 << 20, f);
    fclose(f);
    return data;
}

static void truncated_programs(void **state)
{
    (void)state;
    size_t len;
    struct elf_file *e = calloc(1, sizeof(*e));
    char *data = read_ls(&len);
    for (size_t n = 0; n < len; n += n < 2048 ? 7 : 4093) {
        write_file(in_dir("cut"), data, n, 0700);
        if (elf_read(e, in_dir("cut")) == ERR_OK)
            elf_release(e);
    }
    free(data);
    free(e);
}

static void mutated_programs(void **state)
{
    (void)state;
    size_t len;
    struct elf_file *e = calloc(1, sizeof(*e));
    char *original = read_ls(&len);
    char *data = malloc(len);
    srand(7);
    for (int round = 0; round < 400; round++) {
        memcpy(data, original, len);
        /* mostly in the headers, where it hurts */
        size_t area = round % 4 == 3 ? len : 4096;
        for (int k = 0; k < 1 + round % 16; k++)
            data[(size_t)rand() % area] = (char)(rand() % 3 == 0 ? 0xff : rand());
        memcpy(data, "\177ELF\2\1", 6);
        write_file(in_dir("odd"), data, len, 0700);
        if (elf_read(e, in_dir("odd")) == ERR_OK)
            elf_release(e);
        struct inspection *i = calloc(1, sizeof(*i));
        if (round % 20 == 0)
            assert_int_equal(inspect_program(i, in_dir("odd")), ERR_OK);
        inspect_release(i);
        free(i);
    }
    free(data);
    free(original);
    free(e);
}

static void rights_beyond_the_callers(void **state)
{
    (void)state;
    struct stat st;
    if (getuid() == 0 || stat("/usr/bin/su", &st) != 0 || (st.st_mode & S_ISUID) == 0)
        return; /* nobody has more rights than root */
    assert_int_equal(verdict_of("/usr/bin/su", NULL, NULL), VERDICT_NO);
}

static int clean_up(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_programs),    cmocka_unit_test(static_programs),
        cmocka_unit_test(embedded_tls),     cmocka_unit_test(scripts),
        cmocka_unit_test(no_programs),      cmocka_unit_test(truncated_programs),
        cmocka_unit_test(mutated_programs), cmocka_unit_test(rights_beyond_the_callers),
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    return cmocka_run_group_tests(tests, NULL, clean_up);
}
