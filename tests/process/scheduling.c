/* Calls from the main thread, or from another one, after it was confined to one processor, given another scheduling
 * policy and a larger nice value. Prints the scheduling of the program's start, of the caller, and of the fetch thread.
 *
 * scheduling main|other batch|idle|fifo|rr */
#include "program.h"

#include <dirent.h>
#include <sched.h>
#include <sys/resource.h>

enum { NICE = 5 };

static void print_scheduling(const char *name, pid_t thread) {
  cpu_set_t processors;
  if (sched_getaffinity(thread, sizeof processors, &processors)) die("sched_getaffinity");
  print("%s %d %d %d", name, CPU_COUNT(&processors), sched_getscheduler(thread),
        getpriority(PRIO_PROCESS, (id_t)thread));
}

static void print_fetch_thread(pid_t caller) {
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) die("/proc/self/task");
  for (struct dirent *task; (task = readdir(tasks));) {
    pid_t thread = atoi(task->d_name);
    if (thread && thread != getpid() && thread != caller) print_scheduling("fetch", thread);
  }
  closedir(tasks);
}

static void *call(void *policy) {
  bankhub_token *handle = open_handle();
  bankhub_access_token token;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET((unsigned)sched_getcpu(), &one);
  if (sched_setaffinity(0, sizeof one, &one)) die("sched_setaffinity");
  if (setpriority(PRIO_PROCESS, 0, NICE)) die("setpriority");
  int number = *(int *)policy;
  struct sched_param parameters = {.sched_priority = sched_get_priority_min(number)};
  if (sched_setscheduler(0, number, &parameters)) die("sched_setscheduler");
  print_scheduling("caller", gettid());
  /* As a real-time loop does: it never waits, so a fetch thread of the same class would not run on its processor. */
  long long begun = now_us();
  bankhub_token_get(handle, 0, &token, NULL);
  pause_us(20000); /* for the nice value, which the new thread sets by itself */
  print_fetch_thread(gettid());
  while (bankhub_token_get(handle, 0, &token, NULL) == BANKHUB_DEADLINE && now_us() - begun < 10000000) {}
  print("got %d %lld", token.length > 0, (now_us() - begun) / 1000);
  return NULL;
}

int main(int count, char **words) {
  if (count < 3) return 2;
  alarm(PROGRAM_LIMIT_S);
  int policy = !strcmp(words[2], "batch") ? SCHED_BATCH
               : !strcmp(words[2], "idle") ? SCHED_IDLE
               : !strcmp(words[2], "fifo") ? SCHED_FIFO
                                           : SCHED_RR;
  print_scheduling("program", getpid());
  if (!strcmp(words[1], "main"))
    call(&policy);
  else
    pthread_join(start(call, &policy), NULL);
  return 0;
}
