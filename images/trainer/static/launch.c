/* The first code of the static supervisor: unpacks what is appended to its own file, a Python with the gang's code and
 * the libraries that it needs, and becomes that. It is linked statically and asks nothing of the image that it runs in:
 * no shell, no C library, no /proc.
 *
 * Python starts without this process's variables, so that LD_PRELOAD, LD_LIBRARY_PATH, PYTHONHOME and the like, which are
 * meant for the image's programs, do it no harm. It is given them as a file without a name, and gives them to the
 * program.
 *
 * SIGTERM is blocked from the first on, and the block passes on to Python, which lifts it once it has a handler: the
 * kernel drops what the first process of a container gets without one, and the container would be killed much later.
 *
 * pack.py says what is appended:
 *
 *   entries: u32 length of the path, u32 mode, u64 size, path, content; all integers little-endian
 *   footer:  u64 offset of the first entry, u64 number of entries, MAGIC
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "steelyard-pack-1"
#define CONFIGURATION 78 /* ExitCode.CONFIGURATION */

extern char **environ;

static char buffer[1 << 20];

static void fail(const char *what)
{
    fprintf(stderr, "supervise: %s: %s\n", what, strerror(errno));
    exit(CONFIGURATION);
}

static int all_read(int file, void *into, size_t size)
{
    char *at = into;
    while (size > 0) {
        ssize_t got = read(file, at, size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        at += got;
        size -= (size_t)got;
    }
    return 1;
}

static int all_written(int file, const void *from, size_t size)
{
    const char *at = from;
    while (size > 0) {
        ssize_t put = write(file, at, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return 0;
        at += put;
        size -= (size_t)put;
    }
    return 1;
}

static int own_file(void)
{
    int file = open((const char *)getauxval(AT_EXECFN), O_RDONLY | O_CLOEXEC);
    if (file < 0)
        file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        fail("can't open its own file");
    return file;
}

/* Makes the folders above the last "/" of a path. */
static void make_folders(char *path)
{
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
}

static int unpack(int file, const char *folder)
{
    struct {
        uint64_t offset, count;
        char magic[16];
    } footer;
    if (lseek(file, -(off_t)sizeof footer, SEEK_END) < 0 || !all_read(file, &footer, sizeof footer) ||
        memcmp(footer.magic, MAGIC, sizeof footer.magic) != 0) {
        errno = ENOEXEC;
        fail("nothing is appended to it");
    }
    lseek(file, (off_t)footer.offset, SEEK_SET);
    for (uint64_t index = 0; index < footer.count; index++) {
        struct {
            uint32_t length, mode;
            uint64_t size;
        } entry;
        char name[256], path[PATH_MAX];
        if (!all_read(file, &entry, sizeof entry) || entry.length >= sizeof name || !all_read(file, name, entry.length))
            return 0;
        name[entry.length] = '\0';
        if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
            return 0;
        make_folders(path);
        int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, entry.mode);
        if (to < 0)
            return 0;
        while (entry.size > 0) {
            size_t part = entry.size < sizeof buffer ? (size_t)entry.size : sizeof buffer;
            if (!all_read(file, buffer, part) || !all_written(to, buffer, part)) {
                close(to);
                return 0;
            }
            entry.size -= part;
        }
        close(to);
    }
    return 1;
}

static int removed(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static int variables(void)
{
    int file = memfd_create("environment", 0);
    if (file < 0)
        fail("can't hand over the environment");
    for (char **each = environ; *each != NULL; each++)
        if (!all_written(file, *each, strlen(*each) + 1))
            fail("can't hand over the environment");
    lseek(file, 0, SEEK_SET);
    return file;
}

static void become_python(const char *folder, int environment, int argc, char **argv)
{
    char loader[PATH_MAX + 64], libraries[PATH_MAX + 64], python[PATH_MAX + 64], program[PATH_MAX + 64], number[16];
    char *fixed[] = {loader, "--inhibit-cache", "--library-path", libraries, python,  "-I",
                     "-S",   "-B",              "-X",             "utf8",    program, (char *)folder,
                     number};
    size_t count = sizeof fixed / sizeof *fixed;
    char **arguments = calloc(count + (size_t)argc, sizeof *arguments), *nothing[] = {NULL};
    if (arguments == NULL)
        fail("no memory");
    snprintf(loader, sizeof loader, "%s/bin/ld.so", folder);
    snprintf(libraries, sizeof libraries, "%s/lib", folder);
    snprintf(python, sizeof python, "%s/bin/python", folder);
    snprintf(program, sizeof program, "%s/program.zip", folder);
    snprintf(number, sizeof number, "%d", environment);
    memcpy(arguments, fixed, sizeof fixed);
    memcpy(arguments + count, argv + 1, (size_t)(argc - 1) * sizeof *argv);
    execve(loader, arguments, nothing);
    free(arguments);
}

int main(int argc, char **argv)
{
    sigset_t asked;
    sigemptyset(&asked);
    sigaddset(&asked, SIGTERM);
    sigprocmask(SIG_BLOCK, &asked, NULL);
    char beside[PATH_MAX];
    snprintf(beside, sizeof beside, "%s", (const char *)getauxval(AT_EXECFN));
    char *end = strrchr(beside, '/');
    if (end != NULL)
        *(end == beside ? end + 1 : end) = '\0';
    const char *places[] = {end != NULL ? beside : ".", getenv("TMPDIR"), "/tmp", "/var/tmp"};
    int file = own_file(), environment = variables();
    for (size_t index = 0; index < sizeof places / sizeof *places; index++) {
        char folder[PATH_MAX + 32], whole[PATH_MAX];
        if (places[index] == NULL || realpath(places[index], whole) == NULL)
            continue;
        snprintf(folder, sizeof folder, "%s/.supervise-XXXXXX", whole);
        if (mkdtemp(folder) == NULL)
            continue;
        if (unpack(file, folder))
            become_python(folder, environment, argc, argv);
        int why = errno;
        nftw(folder, removed, 16, FTW_DEPTH | FTW_PHYS);
        errno = why;
    }
    fprintf(stderr,
            "supervise: it needs a folder where a program can be written and executed, but none of these is one: where "
            "it lies itself, $TMPDIR, /tmp, /var/tmp (last: %s); mount an emptyDir at one of them\n",
            strerror(errno));
    return CONFIGURATION;
}
