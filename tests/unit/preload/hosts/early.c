#include <unistd.h>

int early_library_is_used(void);

int main(void)
{
    return early_library_is_used() && write(1, "main\n", 5) == 5 ? 0 : 1;
}
