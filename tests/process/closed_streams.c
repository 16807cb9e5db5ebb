/* A program without standard streams that still writes log lines to them, as fast as it can, while it fetches again and
 * again. Prints the results of the calls; then for each of 0, 1 and 2, how many lines were written somewhere, and how
 * many calls said anything but "bad descriptor".
 *
 * closed_streams FETCHES STORE|- */
#include "program.h"

#include <fcntl.h>

enum { STREAMS = 3, OUTPUT = 100 };

static atomic_bool stopped;
static atomic_int pipes;

struct stream {
  int number;
  long written, strange;
};

static void count_pipe(int signal) {
  (void)signal;
  pipes++;
}

static void *log_repeatedly(void *argument) {
  struct stream *stream = argument;
  while (!stopped) {
    ssize_t written = write(stream->number, "log line\n", 9);
    if (written > 0) stream->written++;
    if (written < 0 && errno != EBADF) stream->strange++;
  }
  return NULL;
}

int main(int count, char **words) {
  struct stream streams[STREAMS];
  pthread_t logging[STREAMS];
  alarm(PROGRAM_LIMIT_S);
  if (count < 3) return 2;
  signal(SIGPIPE, count_pipe);
  if (fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, OUTPUT) != OUTPUT) die("fcntl");
  for (int i = 0; i < STREAMS; i++) {
    streams[i] = (struct stream){.number = i};
    close(i);
    logging[i] = start(log_repeatedly, &streams[i]);
  }
  int fetches = atoi(words[1]);
  bankhub_status statuses[fetches];
  bankhub_error error = {0};
  for (int i = 0; i < fetches; i++) {
    bankhub_access_token token;
    bankhub_token *handle;
    bankhub_config chosen = config();
    chosen.store = strcmp(words[2], "-") ? words[2] : NULL;
    statuses[i] = bankhub_token_new(&chosen, &handle, &error);
    if (statuses[i] == BANKHUB_OK) statuses[i] = bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, &error);
    if (statuses[i] != BANKHUB_OK) continue;
    bankhub_token_invalidate(handle, token.value, NULL); /* so that the next one fetches, too */
    bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, &error);
    bankhub_stats stats = {.size = sizeof stats};
    if (bankhub_token_stats(handle, &stats) == BANKHUB_OK && stats.last_error.status) error = stats.last_error;
    bankhub_token_free(handle);
  }
  stopped = true;
  for (int i = 0; i < STREAMS; i++) pthread_join(logging[i], NULL);
  bool closed[STREAMS];
  for (int i = 0; i < STREAMS; i++) closed[i] = fcntl(i, F_GETFD) < 0;
  dup2(OUTPUT, STDOUT_FILENO);
  for (int i = 0; i < fetches; i++) print("get %s", bankhub_status_name(statuses[i]));
  for (int i = 0; i < STREAMS; i++) print("stream %d %ld %ld %d", i, streams[i].written, streams[i].strange, closed[i]);
  print("pipes %d", pipes);
  if (*error.message) print("failure %s", error.message);
  return 0;
}
