/* Prints the number of threads before, during and after a fetch of each handle; and for a fetch thread, its name, its
 * blocked signals and the size of its stack without the thread-local data of the program.
 *
 * fetch_threads HANDLES */
#include "program.h"

#include <dirent.h>
#include <dlfcn.h>

enum { HANDLES_MAX = 64, LIMIT_US = 5000000, POLL_US = 1000, IDLE_US = 100000 };
enum { PATH_BYTES = 64, LINE_BYTES = 256, NAME_BYTES = 32 };

static size_t stack_bytes;

/* It is part of the stack of every thread, and must not fill it. */
enum { THREAD_LOCAL_BYTES = 1 << 20 };
static __thread volatile char thread_local_data[THREAD_LOCAL_BYTES];

/* Replaces that of libc, also for the library. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  if (attributes) pthread_attr_getstacksize(attributes, &stack_bytes);
  return create(thread, attributes, run, argument);
}

static int threads(pid_t *other) {
  int found = 0;
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) die("/proc/self/task");
  for (struct dirent *task; (task = readdir(tasks));) {
    if (*task->d_name == '.') continue;
    found++;
    if (other && atoi(task->d_name) != getpid()) *other = atoi(task->d_name);
  }
  closedir(tasks);
  return found;
}

/* Reads the status of a thread; false if the thread has ended. */
static bool read_status(pid_t thread, char name[NAME_BYTES], unsigned long long *blocked) {
  char path[PATH_BYTES], line[LINE_BYTES];
  snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)thread);
  FILE *status = fopen(path, "re");
  if (!status) return false;
  while (fgets(line, sizeof line, status)) {
    if (sscanf(line, "Name: %31s", name) == 1) continue;
    if (sscanf(line, "SigBlk: %llx", blocked) == 1) break;
  }
  fclose(status);
  return true;
}

/* A thread starts with the name of the program, and then gets its own. */
static void describe(pid_t thread) {
  char name[NAME_BYTES], program_name[NAME_BYTES];
  unsigned long long blocked = 0, unused;
  read_status(getpid(), program_name, &unused);
  while (read_status(thread, name, &blocked) && !strcmp(name, program_name)) {}
  print("name %s", name);
  print("blocked %llu", blocked);
  print("stack %zu", stack_bytes - sizeof thread_local_data);
}

/* A thread takes a moment to end after its work. */
static void wait_for_one_thread(void) {
  for (long long begun = now_us(); threads(NULL) > 1 && now_us() - begun < LIMIT_US;) pause_us(POLL_US);
}

int main(int count, char **words) {
  bankhub_token *handles[HANDLES_MAX];
  pid_t fetching = 0;
  int opened = count > 1 ? atoi(words[1]) : 0;
  if (opened < 1 || opened > HANDLES_MAX) return 2;
  alarm(PROGRAM_LIMIT_S);
  thread_local_data[0] = 1;
  for (int i = 0; i < opened; i++) handles[i] = open_handle();
  print("before %d", threads(NULL));
  for (int i = 0; i < opened; i++) start_fetch(handles[i]);
  print("during %d", threads(&fetching));
  describe(fetching);
  for (int i = 0; i < opened; i++) print_get("get", handles[i], BANKHUB_TIMEOUT_DEFAULT);
  wait_for_one_thread();
  print("after %d", threads(NULL));
  for (int i = 0; i < opened; i++) print_get("get", handles[i], 0);
  pause_us(IDLE_US);
  print("idle %d", threads(NULL));
  return 0;
}
