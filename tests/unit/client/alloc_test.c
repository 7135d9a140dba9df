/* Nothing is allocated once a thread has begun and ended its first spans. The allocator's functions
 * are this program's own, and count. */
#include "told.h"

#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) ||                               \
    __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define OWN_ALLOCATOR 0 /* the sanitizer's is the only one there can be */
#else
#define OWN_ALLOCATOR 1
#endif

static _Atomic bool counting;
static _Atomic unsigned allocations;

#if OWN_ALLOCATOR
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size)
{
    allocations += counting;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations += counting;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations += counting;
    return __libc_realloc(old, size);
}
#endif

static llmt_client *client;

static void work(void)
{
    llmt_trace *trace = llmt_trace_begin(client, "t", &(llmt_trace_options){.user_id = "u"});
    for (int i = 0; i < 20; i++) {
        llmt_span *span =
            llmt_span_begin(trace, "s", "llm", &(llmt_span_options){.model = "gpt-4o"});
        llmt_span *child = llmt_span_begin(span, "c", "tool", NULL);
        llmt_span_set_output(child, "{\"content\": \"42\"}");
        LLMT_SET_OUTPUT(span, LLMT_TEXT("a", "b"), LLMT_INT("n", 5));
        llmt_span_set_usage(span, 12, 3, 0.01);
        llmt_span_set_error(child, "refused");
        llmt_span_attach(span);
        llmt_span_detach(span);
        char header[LLMT_TRACEPARENT_SIZE];
        llmt_current_traceparent(header);
        llmt_span_end(child);
        llmt_span_end(span);
    }
    llmt_trace_end(trace);
}

static void *on_a_thread(void *arg)
{
    (void)arg;
    work(); /* its first: the thread's memory */
    counting = true;
    for (int i = 0; i < 50; i++)
        work();
    counting = false;
    return NULL;
}

static void nothing_is_allocated(void **state)
{
    (void)state;
    on_a_thread(NULL);
    assert_int_equal(allocations, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, on_a_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_int_equal(allocations, 0);
    void *volatile some;
    counting = true; /* it does count */
    some = malloc(strlen(told_dir));
    counting = false;
    free(some);
    assert_int_equal(allocations, OWN_ALLOCATOR);
}

/* Memory of slots is used again, however often. */
static void tables_stay_as_they_are(void **state)
{
    (void)state;
    char before[4096], after[4096];
    for (int round = 0; round < 2; round++) {
        FILE *file = fopen("/proc/self/statm", "r");
        assert_non_null(file);
        assert_non_null(fgets(round ? after : before, sizeof(after), file));
        fclose(file);
        for (int i = 0; round == 0 && i < 2000; i++) {
            llmt_client *one = llmt_client_new(&(llmt_client_options){.api_key = "project-test"});
            llmt_trace *trace = llmt_trace_begin(one, "t", NULL);
            llmt_client_close(one);
            llmt_span_end(llmt_span_begin(trace, "s", "llm", NULL));
            llmt_trace_end(trace);
        }
    }
    assert_int_equal(strtoul(before, NULL, 10), strtoul(after, NULL, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_allocated),
        cmocka_unit_test(tables_stay_as_they_are),
    };
    told_begin();
    client = told_client();
    llmt_trace_end(llmt_trace_begin(client, "first", NULL));
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    llmt_client_close(client);
    return failed;
}
