/* Reads a valid token many times in a child that may write only to its stack (all other memory is read-only) and may
 * make no system call but exit (seccomp's strict mode). Prints how the child ended: 0 if each read was right.
 *
 * read_only_get READS */
#include "program.h"

#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { RANGES_MAX = 512, LINE_BYTES = 512 };

struct range {
  char *begin, *end;
};

/* The ranges of all writable memory except the stack. */
static int writable(struct range ranges[RANGES_MAX]) {
  char line[LINE_BYTES], mode[5];
  int found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  if (!maps) die("/proc/self/maps");
  while (fgets(line, sizeof line, maps)) {
    struct range *range = &ranges[found];
    if (sscanf(line, "%p-%p %4s", (void **)&range->begin, (void **)&range->end, mode) != 3) die(line);
    if (mode[1] != 'w' || strstr(line, "[stack]")) continue;
    if (++found == RANGES_MAX) die("more memory than expected");
  }
  fclose(maps);
  return found;
}

static long long read_often(const bankhub_token *handle, long long reads, uint64_t generation) {
  bankhub_access_token token;
  long long right = 0;
  for (long long i = 0; i < reads; i++)
    right += bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL) == BANKHUB_OK &&
             token.generation == generation && bankhub_token_generation(handle) == generation;
  return right;
}

static void read_only(const bankhub_token *handle, long long reads, uint64_t generation) {
  struct range ranges[RANGES_MAX];
  int count = writable(ranges);
  read_often(handle, 1, generation); /* so that the child has taken over the inherited handle */
  /* Called once now, because the loader writes their addresses at the first call. */
  if (syscall(SYS_getpid) < 0 || prctl(PR_GET_SECCOMP) < 0) _exit(99);
  for (int i = 0; i < count; i++)
    if (mprotect(ranges[i].begin, (size_t)(ranges[i].end - ranges[i].begin), PROT_READ)) _exit(98);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)) _exit(97);
  syscall(SYS_exit, read_often(handle, reads, generation) != reads);
}

int main(int count, char **words) {
  if (count < 2) return 2;
  alarm(PROGRAM_LIMIT_S);
  bankhub_token *handle = open_handle();
  bankhub_access_token token;
  if (bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL) != BANKHUB_OK) die("no token");
  pid_t child = fork_child();
  if (child == 0) read_only(handle, atoll(words[1]), token.generation);
  reap(child);
  return 0;
}
