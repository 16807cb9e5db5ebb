/* Forks a process with many handles, each with its token. Prints their tokens in the child, and in the parent before
 * the fork and after the child has freed them.
 *
 * fork_with_many_handles HANDLES */
#include "program.h"

enum { HANDLES_MAX = 4096 };

int main(int count, char **words) {
  static bankhub_token *handles[HANDLES_MAX];
  int opened = count > 1 ? atoi(words[1]) : 0;
  if (opened < 1 || opened > HANDLES_MAX) return 2;
  alarm(PROGRAM_LIMIT_S);
  for (int i = 0; i < opened; i++) handles[i] = open_handle();
  for (int i = 0; i < opened; i++) print_get("before", handles[i], BANKHUB_TIMEOUT_DEFAULT);
  pid_t child = fork_child();
  if (child == 0) {
    for (int i = 0; i < opened; i++) {
      /* Makes the child take over the inherited handle. */
      bankhub_token_invalidate(handles[i], "another token", NULL);
      print_get("inherited", handles[i], 0);
    }
    for (int i = 0; i < opened; i++) bankhub_token_free(handles[i]);
    return 0;
  }
  reap(child);
  for (int i = 0; i < opened; i++) print_get("after", handles[i], 0);
  return 0;
}
