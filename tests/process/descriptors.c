/* Starts programs while other threads fetch all the time; says which descriptors they found open beyond the first
 * three, how many sockets of the fetches were seen, and how many of those exec would not have closed.
 *
 * descriptors PROGRAMS */
#include "program.h"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>

enum { FETCHING = 4, PATH_BYTES = 64, TARGET_BYTES = 256 };

static atomic_bool over;
extern char **environ;

/* Calls `each` with every descriptor from 3 on and what it is of, but for the one that this itself opens. */
static void descriptors(void (*each)(int descriptor, const char *target)) {
  DIR *open = opendir("/proc/self/fd");
  if (!open) die("/proc/self/fd");
  for (struct dirent *entry; (entry = readdir(open));) {
    char path[PATH_BYTES], target[TARGET_BYTES];
    int descriptor = atoi(entry->d_name);
    if (descriptor <= STDERR_FILENO || descriptor == dirfd(open)) continue;
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0) continue; /* closed since */
    target[length] = 0;
    each(descriptor, target);
  }
  closedir(open);
}

static void say_inherited(int descriptor, const char *target) { say("inherited %d %s", descriptor, target); }

static int sockets, kept_sockets;

static void count_socket(int descriptor, const char *target) {
  int flags = fcntl(descriptor, F_GETFD);
  if (flags < 0 || strncmp(target, "socket:", 7)) return;
  sockets++;
  if (!(flags & FD_CLOEXEC)) kept_sockets++;
}

static void *fetch_on(void *unused) {
  while (!over) {
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
    descriptors(say_inherited);
    say("looked");
    return 0;
  }
  pthread_t fetching[FETCHING];
  for (int i = 0; i < FETCHING; i++) fetching[i] = start(fetch_on, NULL);
  for (int i = 0; i < atoi(words[1]); i++) {
    pid_t program;
    char *argv[] = {words[0], NULL};
    if (posix_spawn(&program, words[0], NULL, NULL, argv, environ)) die("posix_spawn");
    descriptors(count_socket);
    reap(program);
  }
  over = true;
  for (int i = 0; i < FETCHING; i++) pthread_join(fetching[i], NULL);
  say("sockets %d %d", sockets, kept_sockets);
  return 0;
}
