#include "base/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

#define LOG_LINE_MAX 1024
#define LOG_FILE_MAX ((off_t)1024 * 1024)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level threshold = LOG_WARN;
static int file = -1;

void log_set_level(enum log_level level)
{
    pthread_mutex_lock(&lock);
    threshold = level;
    pthread_mutex_unlock(&lock);
}

int log_to(const char *path)
{
    int fd = -1;
    if (path != NULL) {
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return ERR_IO;
    }
    pthread_mutex_lock(&lock);
    if (file >= 0)
        close(file);
    file = fd;
    pthread_mutex_unlock(&lock);
    return ERR_OK;
}

static void write_line(const char *line, size_t len)
{
    int fd = file >= 0 ? file : STDERR_FILENO;
    struct stat st;
    if (file >= 0 && fstat(file, &st) == 0 && st.st_size > LOG_FILE_MAX && ftruncate(file, 0) != 0)
        return;
    if (write(fd, line, len) < 0)
        return; /* there is nowhere left to say it */
}

void log_write(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char line[LOG_LINE_MAX];
    char time[CLOCK_ISO_MAX];
    pthread_mutex_lock(&lock);
    if (level <= threshold) {
        int at = file >= 0
                     ? snprintf(line, sizeof(line), "%s %d %s: ", clock_iso(clock_wall_ns(), time),
                                (int)getpid(), names[level])
                     : snprintf(line, sizeof(line), "llm-tracer: %s: ", names[level]);
        va_list args;
        va_start(args, format);
        int more = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, format, args);
        va_end(args);
        size_t len = (size_t)at + (more > 0 ? (size_t)more : 0);
        if (len > sizeof(line) - 2)
            len = sizeof(line) - 2;
        line[len] = '\n';
        write_line(line, len + 1);
    }
    pthread_mutex_unlock(&lock);
}
