/* The SQLite store does what every backend has to do. */
#include "backend_suite.h"

#include <ftw.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

int main(void)
{
    char folder[] = "/tmp/sqlite-suite-XXXXXX";
    if (mkdtemp(folder) == NULL)
        return 1;
    struct backend_settings settings = {.data_dir = folder};
    int failed = backend_suite_run(
        &backend_sqlite, &settings,
        &(struct backend_suite_options){.scale = 10, .span_hours = true, .purges = true});
    (void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return failed;
}
