/* Says how many threads there are before, during and after a fetch of each handle, and of one that a fetch runs on its
 * name, its blocked signals and its stack, without what the program's thread-local data takes of that.
 *
 * thread HANDLES */
#include "program.h"

#include <dirent.h>
#include <dlfcn.h>

enum { HANDLES_MAX = 64, LIMIT_US = 5000000, POLL_US = 1000, IDLE_US = 100000 };
enum { PATH_BYTES = 64, LINE_BYTES = 256, NAME_BYTES = 32 };

static size_t stack_bytes;

/* Lies in the stack of every thread, and must not take it all. */
enum { THREAD_LOCAL_BYTES = 1 << 20 };
static __thread volatile char thread_local_data[THREAD_LOCAL_BYTES];

/* Stands before libc's, for the library too. */
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

/* What the kernel knows of a thread, while there is one. */
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

/* It starts with the name of the program, and soon has its own. */
static void describe(pid_t thread) {
  char name[NAME_BYTES], of_program[NAME_BYTES];
  unsigned long long blocked = 0, unused;
  read_status(getpid(), of_program, &unused);
  while (read_status(thread, name, &blocked) && !strcmp(name, of_program)) {}
  say("name %s", name);
  say("blocked %llu", blocked);
  say("stack %zu", stack_bytes - sizeof thread_local_data);
}

/* A thread that has done its work still takes a moment to go. */
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
  say("before %d", threads(NULL));
  for (int i = 0; i < opened; i++) set_going(handles[i]);
  say("during %d", threads(&fetching));
  describe(fetching);
  for (int i = 0; i < opened; i++) say_get("get", handles[i], BANKHUB_TIMEOUT_DEFAULT);
  wait_for_one_thread();
  say("after %d", threads(NULL));
  for (int i = 0; i < opened; i++) say_get("get", handles[i], 0);
  pause_us(IDLE_US);
  say("idle %d", threads(NULL));
  return 0;
}
