/* The embedded dashboard: what is found, and how it is tagged. */
#include <string.h>

#include "service/assets.h"
#include "service/gzip.h"
#include "unit/cmocka_all.h"

static void page_and_files(void **state)
{
    struct assets a;
    (void)state;
    assert_int_equal(assets_init(&a), ERR_OK);
    const struct asset *page = assets_find(&a, "/");
    assert_non_null(page);
    assert_string_equal(page->path, "index.html");
    assert_ptr_equal(assets_find(&a, "/dashboard"), page);
    assert_ptr_equal(assets_find(&a, "/dashboard/"), page);
    assert_ptr_equal(assets_find(&a, "/dashboard/index.html"), page);
    assert_int_equal(strncmp(page->type, "text/html", 9), 0);
    static const char *const none[] = {"",
                                       "/index.html",
                                       "/dashboard/../index.html",
                                       "/dashboardx",
                                       "/dashboard/nothing.js",
                                       "/dashboard//index.html",
                                       "/dashboard/%69ndex.html",
                                       "/etc/passwd",
                                       "/api/traces"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        assert_null(assets_find(&a, none[i]));
    assets_release(&a);
}

/* Every file is there whole, and compressed as the same bytes. */
static void bytes_are_those_of_the_files(void **state)
{
    struct assets a;
    (void)state;
    assert_int_equal(assets_init(&a), ERR_OK);
    assert_true(a.count > 0);
    for (size_t i = 0; i < a.count; i++) {
        const struct asset *f = &a.all[i];
        assert_string_not_equal(f->type, "application/octet-stream");
        assert_string_not_equal(f->tag, f->packed_tag);
        if (f->packed == NULL)
            continue;
        struct buf whole;
        buf_init(&whole, f->len);
        assert_int_equal(gzip_inflate(f->packed, f->packed_len, &whole), ERR_OK);
        assert_int_equal(whole.len, f->len);
        assert_memory_equal(whole.data, f->data, f->len);
        buf_release(&whole);
    }
    assets_release(&a);
}

static void known_tags(void **state)
{
    (void)state;
    assert_true(asset_is_known("\"a\"", "\"a\""));
    assert_true(asset_is_known("\"b\", W/\"a\"", "\"a\""));
    assert_true(asset_is_known("*", "\"a\""));
    assert_false(asset_is_known("\"ab\"", "\"a\""));
    assert_false(asset_is_known("", "\"a\""));
    assert_false(asset_is_known(NULL, "\"a\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_and_files),
        cmocka_unit_test(bytes_are_those_of_the_files),
        cmocka_unit_test(known_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
