/* Runs a fuzz target over the files named on the command line, for builds without libFuzzer. */
#include <string.h>

#include "fuzz.h"

static int run(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t len = 0, cap = 1 << 16;
    uint8_t *data = malloc(cap);
    while (data != NULL) {
        len += fread(data + len, 1, cap - len, file);
        if (len < cap)
            break;
        cap *= 2;
        uint8_t *more = realloc(data, cap);
        if (more == NULL)
            free(data);
        data = more;
    }
    fclose(file);
    /* A copy of just that size, so that ASan sees a read behind it. */
    uint8_t *exact = data == NULL ? NULL : malloc(len + (len == 0));
    if (exact == NULL) {
        free(data);
        return 1;
    }
    memcpy(exact, data, len);
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= run(argv[i]);
    printf("%d inputs\n", argc - 1);
    return failed;
}
