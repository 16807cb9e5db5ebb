/* Starts programs while other threads fetch all the time. Prints the descriptors that the programs inherited, beyond
 * the first three; the number of sockets of the fetches; and the number of those without close-on-exec.
 *
 * descriptors PROGRAMS */
#include "program.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>

enum { FETCHING = 4, PATH_BYTES = 64, TARGET_BYTES = 256 };

static atomic_bool stopped;
extern char **environ;

/* Calls `each` with every descriptor from 3 on and its target, except for the one that this function opens. */
static void descriptors(void (*each)(int descriptor, const char *target)) {
  DIR *open = opendir("/proc/self/fd");
  if (!open) die("/proc/self/fd");
  for (struct dirent *entry; (entry = readdir(open));) {
    char path[PATH_BYTES], target[TARGET_BYTES];
    int descriptor = atoi(entry->d_name);
    if (descriptor <= STDERR_FILENO || descriptor == dirfd(open)) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) continue; /* it was closed meanwhile */
    target[length] = 0;
    each(descriptor, target);
  }
  closedir(open);
}

static void print_inherited(int descriptor, const char *target) { print("inherited %d %s", descriptor, target); }

static int sockets, kept_sockets;

static void count_socket(int descriptor, const char *target) {
  int flags = fcntl(descriptor, F_GETFD);
  if (flags < 0 || strncmp(target, "socket:", 7)) return;
  sockets++;
  if (!(flags & FD_CLOEXEC)) kept_sockets++;
}

static void *fetch_repeatedly(void *unused) {
  while (!stopped) {
    bankhub_token *handle = open_handle();
    bankhub_access_token token;
    bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL);
    bankhub_token_free(handle);
  }
  return unused;
}

int main(int count, char **words) {
  alarm(PROGRAM_LIMIT_S);
  if (count < 2) {
    descriptors(print_inherited);
    print("checked");
    return 0;
  }
  pthread_t fetching[FETCHING];
  for (int i = 0; i < FETCHING; i++) fetching[i] = start(fetch_repeatedly, NULL);
  for (int i = 0; i < atoi(words[1]); i++) {
    pid_t program;
    char *argv[] = {words[0], NULL};
    if (posix_spawn(&program, words[0], NULL, NULL, argv, environ)) die("posix_spawn");
    descriptors(count_socket);
    reap(program);
  }
  stopped = true;
  for (int i = 0; i < FETCHING; i++) pthread_join(fetching[i], NULL);
  print("sockets %d %d", sockets, kept_sockets);
  return 0;
}
