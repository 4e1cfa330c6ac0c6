/* A program that needs nothing of its image: it tells its environment, and in the folder where it runs leaves a mark. The
 * first start of each worker goes on until it is ended; the second is done at once. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

int main(void)
{
    char mark[64];
    const char *rank = getenv("RANK");
    snprintf(mark, sizeof mark, "first-%s", rank == NULL ? "none" : rank);
    if (mkdir(mark, 0755) == 0) {
        FILE *told = fopen("environment", "w");
        for (char **each = environ; told != NULL && *each != NULL; each++)
            fwrite(*each, 1, snprintf(NULL, 0, "%s", *each) + 1, told);
        if (told != NULL)
            fclose(told);
        for (;;) {
            puts("{\"event\": \"progress\", \"stage\": \"train\", \"done\": 1, \"total\": 2, \"unit\": \"steps\"}");
            fflush(stdout);
            usleep(50000);
        }
    }
    puts("goes on");
    return 0;
}
