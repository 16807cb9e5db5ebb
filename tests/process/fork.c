/* Forks while other threads fetch, wait, publish, open and free, on every core. Prints what each process gets then.
 *
 * fork fetching CHILDREN LATENCY_US: each round has its own handle, and threads that wait for its first token.
 * fork writing CHILDREN: one handle has a token, and is written to all the time; others are opened and freed. */
#include "program.h"

enum { ROUND = 4, WAITERS = 64, CONTENDERS = 4, CHURNERS = 4, WRITES = 50, GAP_US = 2000 };

typedef void body(bankhub_token *inherited);

static _Atomic(bankhub_token *) current;
static _Atomic(bankhub_token *) churned[CHURNERS];
static atomic_bool stopped;
static atomic_int parent_gets, parent_failures;

static pid_t run_child(body *run, bankhub_token *inherited) {
  pid_t child = fork_child();
  if (child > 0) return child;
  run(inherited);
  exit(0);
}

static void use_own(void) {
  bankhub_token *own = open_handle();
  print_get("own", own, BANKHUB_TIMEOUT_DEFAULT);
  bankhub_token_free(own);
}

static void inherited_then_own(bankhub_token *inherited) {
  print_get("inherited", inherited, BANKHUB_TIMEOUT_DEFAULT);
  use_own();
}

static void own_then_inherited(bankhub_token *inherited) {
  use_own();
  print_get("inherited", inherited, BANKHUB_TIMEOUT_DEFAULT);
}

static void freed_then_own(bankhub_token *inherited) {
  bankhub_token_free(inherited);
  print_get("freed", inherited, BANKHUB_TIMEOUT_DEFAULT);
  use_own();
}

static void as_grandchild(bankhub_token *inherited) {
  print_get("grandchild", inherited, BANKHUB_TIMEOUT_DEFAULT);
  use_own();
}

static void fork_again(bankhub_token *inherited) {
  start_fetch(inherited);
  pid_t grandchild = run_child(as_grandchild, inherited);
  print_get("inherited", inherited, BANKHUB_TIMEOUT_DEFAULT);
  reap(grandchild);
}

/* Without waiting: the child has the token, also after a call that makes it take over the inherited handle. */
static void use_steady(bankhub_token *inherited) {
  print_get("steady", inherited, 0);
  bankhub_token_invalidate(inherited, "another token", NULL);
  print_get("steady", inherited, 0);
}

/* A churned handle may have no token yet, or be freed. */
static void use_all(bankhub_token *inherited) {
  use_steady(inherited);
  for (int i = 0; i < CHURNERS; i++) print_get("churned", churned[i], BANKHUB_TIMEOUT_DEFAULT);
  use_own();
}

static void free_all(bankhub_token *inherited) {
  for (int i = 0; i < CHURNERS; i++) bankhub_token_free(churned[i]);
  use_steady(inherited);
  use_own();
}

static void *wait_for_token(void *handle) {
  print_get("waiter", handle, BANKHUB_TIMEOUT_DEFAULT);
  return NULL;
}

/* Keeps a core busy without a lock. */
static void *read_repeatedly(void *unused) {
  while (!stopped) bankhub_token_generation(current);
  return unused;
}

/* Takes the locks that a child may inherit locked, and publishes. */
static void *contend(void *unused) {
  bankhub_stats stats = {.size = sizeof stats};
  while (!stopped) {
    bankhub_token_stats(current, &stats);
    bankhub_token_invalidate(current, "another token", NULL);
    start_fetch(current);
  }
  return unused;
}

static void get_in_parent(const bankhub_token *handle, bankhub_access_token *token) {
  parent_gets++;
  if (bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, token, NULL) != BANKHUB_OK) parent_failures++;
}

static void *churn(void *slot) {
  _Atomic(bankhub_token *) *handle_now = slot;
  bankhub_access_token token;
  for (; !stopped; *handle_now = open_handle()) {
    bankhub_token *handle = *handle_now;
    get_in_parent(handle, &token);
    bankhub_token_invalidate(handle, token.value, NULL);
    get_in_parent(handle, &token);
    for (int i = 0; i < WRITES; i++) bankhub_token_invalidate(handle, "another token", NULL);
    bankhub_token_free(handle);
  }
  return NULL;
}

static void print_stats(const bankhub_token *handle) {
  bankhub_stats stats = {.size = sizeof stats};
  bankhub_token_stats(handle, &stats);
  print("stats %llu %llu %llu %llu %u", (unsigned long long)stats.requests, (unsigned long long)stats.successes,
      (unsigned long long)stats.failures, (unsigned long long)stats.waiters, stats.fetching);
}

static void round_of_forks(body *const *bodies, bankhub_token *handle, long long gap_us) {
  pid_t children[ROUND];
  for (int i = 0; i < ROUND; i++) {
    pause_us(random_below(gap_us));
    children[i] = run_child(bodies[i], handle);
  }
  for (int i = 0; i < ROUND; i++) reap(children[i]);
}

static void fork_while_fetching(int rounds, long long latency_us) {
  static body *const bodies[ROUND] = {inherited_then_own, own_then_inherited, freed_then_own, fork_again};
  for (int i = 0; i < rounds; i++) {
    bankhub_token *handle = open_handle();
    pthread_t waiters[WAITERS];
    current = handle;
    for (int w = 0; w < WAITERS; w++) waiters[w] = start(wait_for_token, handle);
    /* The forks spread until a little after the end of the fetch. */
    round_of_forks(bodies, handle, latency_us * 5 / 2 / ROUND);
    for (int w = 0; w < WAITERS; w++) pthread_join(waiters[w], NULL);
    print_stats(handle);
    bankhub_token_free(handle);
  }
}

static void fork_while_writing(int rounds) {
  static body *const bodies[ROUND] = {use_all, inherited_then_own, free_all, use_all};
  pthread_t churners[CHURNERS];
  bankhub_token *steady = current;
  print_get("parent", steady, BANKHUB_TIMEOUT_DEFAULT);
  for (int i = 0; i < CHURNERS; i++) {
    churned[i] = open_handle();
    churners[i] = start(churn, &churned[i]);
  }
  for (int i = 0; i < rounds; i++) round_of_forks(bodies, steady, GAP_US);
  stopped = true;
  for (int i = 0; i < CHURNERS; i++) pthread_join(churners[i], NULL);
  print_get("parent", steady, 0);
  print_stats(steady);
  print("gets %d %d", parent_gets, parent_failures);
}

int main(int count, char **words) {
  if (count < 3) return 2;
  alarm(PROGRAM_LIMIT_S);
  current = open_handle();
  for (long i = 0; i < sysconf(_SC_NPROCESSORS_ONLN); i++) start(read_repeatedly, NULL);
  for (int i = 0; i < CONTENDERS; i++) start(contend, NULL);
  int rounds = atoi(words[2]) / ROUND;
  if (!strcmp(words[1], "fetching") && count > 3) fork_while_fetching(rounds, atoll(words[3]));
  else fork_while_writing(rounds);
  stopped = true;
  return 0;
}
