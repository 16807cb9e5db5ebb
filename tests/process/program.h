/* Shared by the programs of this folder: a handle from the environment, calls that print their result, a clock,
 * threads, children, random numbers. Include it first. The programs check nothing: they print facts, and the Python
 * tests decide which are right. */
#ifndef PROGRAM_H
#define PROGRAM_H

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bankhub.h"

enum { PROGRAM_LIMIT_S = 60, CHILD_LIMIT_S = 20 };

static inline void die(const char *what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  _exit(99);
}

/* One write, so that the lines of several processes do not mix in the pipe. */
__attribute__((format(printf, 1, 2))) static inline void print(const char *format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length < 0 || length >= (int)sizeof line - 1) die("a line that is too long");
  line[length] = '\n';
  if (write(STDOUT_FILENO, line, (size_t)length + 1) != length + 1) die("write");
}

static inline long long now_us(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

static inline void pause_us(long long us) {
  struct timespec time = {us / 1000000, us % 1000000 * 1000};
  while (nanosleep(&time, &time) && errno == EINTR) {}
}

/* Not thread-safe. */
static inline long long random_below(long long limit) {
  static unsigned seed = 1;
  return limit > 0 ? rand_r(&seed) % limit : 0;
}

static inline pthread_t start(void *(*run)(void *), void *argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, run, argument)) die("pthread_create");
  return thread;
}

static inline bankhub_config config(void) {
  return (bankhub_config){.size = sizeof(bankhub_config),
                          .client_id = getenv("BANKHUB_CLIENT_ID"),
                          .client_secret = getenv("BANKHUB_CLIENT_SECRET"),
                          .base_url = getenv("BANKHUB_BASE_URL"),
                          .ca_file = getenv("BANKHUB_CA_FILE")};
}

static inline bankhub_token *open_with(const bankhub_config *chosen) {
  bankhub_token *handle;
  bankhub_error error;
  if (bankhub_token_new(chosen, &handle, &error) != BANKHUB_OK) {
    fprintf(stderr, "%s\n", error.message);
    _exit(99);
  }
  return handle;
}

static inline bankhub_token *open_handle(void) {
  bankhub_config from_environment = config();
  return open_with(&from_environment);
}

/* Prints NAME STATUS MILLISECONDS TOKEN. Before that, prints the message if a call with a timeout failed. */
static inline bankhub_status print_get(const char *name, const bankhub_token *handle, uint32_t timeout_ms) {
  bankhub_access_token token;
  bankhub_error error;
  long long begun = now_us();
  bankhub_status status = bankhub_token_get(handle, timeout_ms, &token, &error);
  if (status != BANKHUB_OK && status != BANKHUB_CLOSED && timeout_ms) print("failure %s", error.message);
  print("%s %s %lld %s", name, bankhub_status_name(status), (now_us() - begun) / 1000,
        token.length ? token.value : "-");
  return status;
}

/* Starts a fetch without waiting for it. */
static inline void start_fetch(const bankhub_token *handle) {
  bankhub_access_token token;
  bankhub_token_get(handle, 0, &token, NULL);
}

/* Returns 0 in the child, which has its own deadline. */
static inline pid_t fork_child(void) {
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) alarm(CHILD_LIMIT_S);
  return child;
}

static inline int wait_for(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child) die("waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void reap(pid_t child) { print("ended %d", wait_for(child)); }

#endif
