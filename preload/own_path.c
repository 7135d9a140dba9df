#include "own_path.h"

#include "symbol.h"
#include "text.h"
#include "wire/owner.h"

static const char own_mark;

bool own_path(char *out, size_t size)
{
    const char *path = symbol_own_path();
    size_t at = 0;
    if (path != NULL && path[0] == '/')
        return text_put(out, size, &at, path, text_length(path));
    return owner_path_of(&own_mark, out, size);
}
