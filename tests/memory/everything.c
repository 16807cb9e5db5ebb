/* Uses the whole library from many threads at once, under a memory checker. Or breaks one rule of the header, which
 * shows that the checker looks into the library: everything | read | write | use-after-free | leak |
 * uninitialised-config | uninitialised-timeout | fetch.
 *
 * Expects the mock server in BANKHUB_BASE_URL, whose tokens are valid for some seconds, and the failing servers that
 * `fail_everywhere` and SLOW_URL name. */
#define _GNU_SOURCE
#include <bankhub.h>
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 30 };

#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      fprintf(stderr, "everything.c:%d: failed: %s\n", __LINE__, #condition); \
      exit(1); \
    } \
  } while (0)

static bankhub_token *shared;

static bankhub_config config(void) {
  return (bankhub_config){.size = sizeof(bankhub_config),
                          .client_id = getenv("BANKHUB_CLIENT_ID"),
                          .client_secret = getenv("BANKHUB_CLIENT_SECRET"),
                          .base_url = getenv("BANKHUB_BASE_URL"),
                          .ca_file = getenv("BANKHUB_CA_FILE"),
                          .proxy = ""};
}

static bankhub_token *opened(const bankhub_config *config) {
  bankhub_error error;
  bankhub_token *token;
  CHECK(bankhub_token_new(config, &token, &error) == BANKHUB_OK && error.status == BANKHUB_OK && token);
  return token;
}

static void use(bankhub_token *token) {
  bankhub_access_token access;
  bankhub_error error;
  bankhub_stats stats = {.size = sizeof stats};
  CHECK(bankhub_token_get(token, BANKHUB_TIMEOUT_DEFAULT, &access, &error) == BANKHUB_OK);
  CHECK(strlen(access.value) == access.length && access.generation > 0);
  CHECK(bankhub_token_stats(token, &stats) == BANKHUB_OK);
  CHECK(bankhub_token_invalidate(token, "another", &error) == BANKHUB_OK);
  CHECK(bankhub_token_invalidate(token, NULL, NULL) == BANKHUB_OK);
  CHECK(bankhub_token_invalidate(token, access.value, &error) == BANKHUB_OK);
  bankhub_token_generation(token);
  bankhub_access_token_wipe(&access);
  CHECK(access.length == 0);
}

static void misconfigure(void) {
  bankhub_config wrong[8];
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
    wrong[i] = config();
  wrong[0].client_id = NULL;
  wrong[1].client_secret = "not UTF-8: \xff";
  wrong[2].base_url = "ftp://example.org";
  wrong[3].ca_file = "/nowhere.pem";
  wrong[4].proxy = "nonsense://proxy";
  wrong[5].store = "nowhere:";
  wrong[6].flags = ~0u;
  wrong[7].size = 1;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    bankhub_error error;
    bankhub_token *token;
    CHECK(bankhub_token_new(&wrong[i], &token, &error) == BANKHUB_INVALID_ARGUMENT && !token && *error.message);
  }
  CHECK(bankhub_token_new(NULL, NULL, NULL) == BANKHUB_INVALID_ARGUMENT);
}

static void fail(const char *base_url, const char *client_secret, bankhub_status expected) {
  bankhub_access_token access;
  bankhub_error error;
  bankhub_config failing = config();
  failing.base_url = base_url ? base_url : failing.base_url;
  failing.client_secret = client_secret ? client_secret : failing.client_secret;
  failing.flags = BANKHUB_ALLOW_HTTP;
  bankhub_token *token = opened(&failing);
  CHECK(bankhub_token_get(token, BANKHUB_TIMEOUT_DEFAULT, &access, &error) == expected && access.length == 0);
  CHECK(bankhub_token_get(token, 0, &access, NULL) == expected);
  bankhub_token_free(token);
}

static void fail_everywhere(void) {
  fail(getenv("CLOSED_URL"), NULL, BANKHUB_UNAVAILABLE);
  fail(getenv("BUSY_URL"), NULL, BANKHUB_UNAVAILABLE);
  fail(getenv("CUT_URL"), NULL, BANKHUB_UNAVAILABLE);
  fail(getenv("UNTRUSTED_URL"), NULL, BANKHUB_UNAVAILABLE);
  fail("http://name.invalid", NULL, BANKHUB_UNAVAILABLE);
  fail(getenv("GARBAGE_URL"), NULL, BANKHUB_BAD_RESPONSE);
  fail(NULL, "wrong", BANKHUB_UNAUTHENTICATED);
}

/* Structs of later versions, in blocks that end where their size says, and sizes of no version. */
static void use_other_sizes(bankhub_token *token) {
  static const size_t larger[] = {0, 8, 1000};
  static const size_t none[] = {0, sizeof(size_t), 4097};
  for (size_t i = 0; i < sizeof larger / sizeof *larger; i++) {
    size_t size = sizeof(bankhub_stats) + larger[i];
    bankhub_stats *stats = malloc(size);
    stats->size = size;
    CHECK(bankhub_token_stats(token, stats) == BANKHUB_OK && ((char *)stats)[size - 1] == 0);
    free(stats);
    bankhub_config *newer = calloc(1, sizeof *newer + larger[i]);
    *newer = config();
    newer->size += larger[i];
    bankhub_token_free(opened(newer));
    free(newer);
  }
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    size_t *size = malloc(sizeof *size);
    bankhub_token *made;
    *size = none[i];
    CHECK(bankhub_token_stats(token, (bankhub_stats *)size) == BANKHUB_INVALID_ARGUMENT);
    CHECK(bankhub_token_new((bankhub_config *)size, &made, NULL) == BANKHUB_INVALID_ARGUMENT && !made);
    free(size);
  }
}

static void use_invalid_handles(bankhub_token *freed) {
  bankhub_access_token access;
  bankhub_stats stats = {.size = sizeof stats};
  bankhub_token *none[] = {freed, (bankhub_token *)1, (bankhub_token *)&access, (bankhub_token *)~(uintptr_t)0};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
    CHECK(bankhub_token_get(none[i], 0, &access, NULL) == BANKHUB_CLOSED);
    CHECK(bankhub_token_invalidate(none[i], "token", NULL) == BANKHUB_CLOSED);
    CHECK(bankhub_token_stats(none[i], &stats) == BANKHUB_CLOSED);
    CHECK(bankhub_token_generation(none[i]) == 0);
    bankhub_token_free(none[i]);
  }
  CHECK(bankhub_token_get(NULL, 0, &access, NULL) == BANKHUB_INVALID_ARGUMENT);
  bankhub_token_free(NULL);
}

static void *wait_until_freed(void *token) {
  bankhub_access_token access;
  bankhub_error error;
  while (bankhub_token_get(token, 1000, &access, &error) != BANKHUB_CLOSED)
    continue;
  return NULL;
}

/* Frees the handle of threads that get tokens, or that all wait because the response never arrives. */
static void free_under_callers(const char *base_url, bool all_wait) {
  pthread_t callers[THREADS];
  bankhub_stats stats = {.size = sizeof stats};
  bankhub_config own = config();
  own.base_url = base_url;
  own.request_timeout_ms = 2000; /* the fetch outlives the handle by at most this */
  bankhub_token *token = opened(&own);
  for (int i = 0; i < THREADS; i++)
    CHECK(!pthread_create(&callers[i], NULL, wait_until_freed, token));
  do
    CHECK(bankhub_token_stats(token, &stats) == BANKHUB_OK);
  while (all_wait ? stats.waiters < THREADS : stats.successes == 0);
  bankhub_token_free(token);
  for (int i = 0; i < THREADS; i++)
    CHECK(!pthread_join(callers[i], NULL));
  use_invalid_handles(token);
}

static void fork_and_use(void) {
  pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    bankhub_config own = config();
    bankhub_token *token = opened(&own);
    use(token);
    use(shared);
    bankhub_token_free(token);
    bankhub_token_free(shared);
    /* Not exit: the checker would report the memory of the threads that the child does not have. */
    execlp("true", "true", (char *)NULL);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void *use_repeatedly(void *unused) {
  (void)unused;
  for (int i = 0; i < ROUNDS; i++) {
    bankhub_access_token access;
    bankhub_config own = config();
    bankhub_token *token = opened(&own);
    bankhub_status status = bankhub_token_get(token, 0, &access, NULL);
    CHECK(status == BANKHUB_DEADLINE || status == BANKHUB_OK);
    use(shared);
    if (i % 3 == 0)
      use(token);
    bankhub_token_free(token);
  }
  misconfigure();
  return NULL;
}

/* Waits until a token that nobody rejects is replaced because it is due. */
static void await_refresh(void) {
  bankhub_stats stats = {.size = sizeof stats};
  bankhub_access_token access;
  bankhub_config own = config();
  bankhub_token *token = opened(&own);
  do {
    CHECK(bankhub_token_get(token, BANKHUB_TIMEOUT_DEFAULT, &access, NULL) == BANKHUB_OK);
    CHECK(bankhub_token_stats(token, &stats) == BANKHUB_OK);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  } while (stats.successes < 2);
  bankhub_token_free(token);
}

/* Waits until the fetches that outlived their handles have ended. */
static void wait_for_other_threads(void) {
  for (int threads = 0; threads != 1;) {
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks);
    threads = -2; /* . and .. */
    while (readdir(tasks))
      threads++;
    closedir(tasks);
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
}

static void do_everything(void) {
  pthread_t threads[THREADS];
  bankhub_config own = config();
  shared = opened(&own);
  for (int i = 0; i < THREADS; i++)
    CHECK(!pthread_create(&threads[i], NULL, use_repeatedly, NULL));
  use_other_sizes(shared);
  fail_everywhere();
  free_under_callers(getenv("BANKHUB_BASE_URL"), false);
  free_under_callers(getenv("SLOW_URL"), true);
  fork_and_use();
  await_refresh();
  for (int i = 0; i < THREADS; i++)
    CHECK(!pthread_join(threads[i], NULL));
  bankhub_token_free(shared);
  wait_for_other_threads();
  CHECK(*bankhub_version() && bankhub_abi_version() && *bankhub_status_name(-1));
}

/* The library reads as many bytes as the size of the config, which are more than were allocated. */
static void read_too_far(void) {
  size_t there = offsetof(bankhub_config, reserved);
  bankhub_config whole = config(), *part = malloc(there);
  bankhub_token *token;
  memcpy(part, &whole, there);
  bankhub_token_new(part, &token, NULL);
  free(part);
}

static void write_too_far(void) {
  bankhub_config own = config();
  bankhub_stats *part = malloc(offsetof(bankhub_stats, last_error));
  part->size = sizeof *part;
  bankhub_token *token = opened(&own);
  bankhub_token_stats(token, part);
  free(part);
  bankhub_token_free(token);
}

static void read_too_late(void) {
  bankhub_config *volatile freed = malloc(sizeof *freed); /* volatile, because the compiler would report it */
  bankhub_token *token;
  *freed = config();
  free(freed);
  bankhub_token_new(freed, &token, NULL);
}

static void leave_config_uninitialised(void) {
  bankhub_config whole = config(), *part = malloc(sizeof *part);
  bankhub_token *token;
  memcpy(part, &whole, offsetof(bankhub_config, flags));
  bankhub_token_new(part, &token, NULL);
  bankhub_token_free(token);
  free(part);
}

static void leave_timeout_uninitialised(void) {
  bankhub_config own = config();
  bankhub_token *token = opened(&own);
  bankhub_access_token access;
  uint32_t *volatile timeout_ms = malloc(sizeof *timeout_ms);
  bankhub_token_get(token, *timeout_ms, &access, NULL);
  free(timeout_ms);
  bankhub_token_free(token);
}

static void leak(void) {
  char *volatile kept = malloc(1000);
  *kept = 1;
  kept = NULL;
}

int main(int count, char **words) {
  const char *what = count > 1 ? words[1] : "";
  if (!strcmp(what, "everything"))
    do_everything();
  else if (!strcmp(what, "read"))
    read_too_far();
  else if (!strcmp(what, "write"))
    write_too_far();
  else if (!strcmp(what, "use-after-free"))
    read_too_late();
  else if (!strcmp(what, "leak"))
    leak();
  else if (!strcmp(what, "uninitialised-config"))
    leave_config_uninitialised();
  else if (!strcmp(what, "uninitialised-timeout"))
    leave_timeout_uninitialised();
  else if (!strcmp(what, "fetch"))
    await_refresh();
  else
    return 2;
  puts("done");
}
