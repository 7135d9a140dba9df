/* load_client PLUGIN[,PLUGIN...] ARGUMENT...: runs the main functions of client programs that were
 * built as shared objects, each loaded RTLD_LOCAL with libraries of its own, twice in turn. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    int (*entry[8])(int, char **);
    size_t count = 0;

    if (argc < 2) {
        return 2;
    }
    for (char *name = strtok(argv[1], ","); name != NULL && count < 8; name = strtok(NULL, ",")) {
        void *plugin = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        void *symbol = plugin != NULL ? dlsym(plugin, "client_main") : NULL;

        if (symbol == NULL) {
            fprintf(stderr, "load_client: %s\n", dlerror());
            return 9;
        }
        memcpy(&entry[count++], &symbol, sizeof(symbol));
    }
    for (size_t i = 0; i < 2 * count; i++) {
        printf("result %d\n", entry[i % count](argc - 1, argv + 1));
    }
    return 6;
}
