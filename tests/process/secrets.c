/* Searches its own memory for the client secret, the value of its Basic header (the argument) and its tokens. Prints
 * how often it finds each. It keeps them masked, so that it does not find its own copies. */
#include "program.h"

#include <dirent.h>

/* The published token is stored in words, so only 8 of its bytes are always adjacent. */
enum { NEEDLE_MAX = 4096, PUBLISHED_TOGETHER = 8 };

static const unsigned char MASK = 0x5a;

struct needle {
  size_t length;
  unsigned char masked[NEEDLE_MAX];
};

static void keep(struct needle *needle, const char *text, size_t length) {
  needle->length = length;
  for (size_t i = 0; i < needle->length; i++) needle->masked[i] = (unsigned char)text[i] ^ MASK;
}

/* The environment and the arguments are part of the memory that is searched. */
static void keep_and_erase(struct needle *needle, char *text) {
  keep(needle, text, strlen(text));
  memset(text, 0, needle->length);
}

static bool is_at(const unsigned char *place, const struct needle *needle) {
  for (size_t i = 0; i < needle->length; i++)
    if ((place[i] ^ MASK) != needle->masked[i]) return false;
  return true;
}

/* Counts in all writable memory, or only in memory that core dumps exclude. */
static int count(const struct needle *needle, bool undumped) {
  char line[512], access[5];
  unsigned long from, to, begin = 0, end = 0;
  bool writable = false;
  int found = 0;
  FILE *maps = fopen("/proc/self/smaps", "r");
  if (!maps) die("smaps");
  while (fgets(line, sizeof line, maps)) {
    if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3) {
      begin = from;
      end = to;
      writable = !strncmp(access, "rw", 2);
    }
    if (strncmp(line, "VmFlags:", 8) || !writable || (undumped && !strstr(line, " dd"))) continue;
    for (; begin + needle->length <= end; begin++) found += is_at((const unsigned char *)begin, needle);
  }
  fclose(maps);
  return found;
}

static int threads(void) {
  int entries = 0;
  DIR *tasks = opendir("/proc/self/task");
  if (!tasks) die("tasks");
  while (readdir(tasks)) entries++;
  closedir(tasks);
  return entries - 2;
}

int main(int argc, char **argv) {
  static bankhub_access_token access;
  static struct needle secret, basic, old, current;
  bankhub_token *token = open_handle();
  if (argc != 2) die("arguments");
  keep_and_erase(&secret, getenv("BANKHUB_CLIENT_SECRET"));
  keep_and_erase(&basic, argv[1]);
  bankhub_token_get(token, BANKHUB_TIMEOUT_DEFAULT, &access, NULL);
  keep(&old, access.value, PUBLISHED_TOGETHER);
  print("held %d %d", count(&old, false), count(&basic, false));
  print("undumped %d", count(&old, true));
  bankhub_token_invalidate(token, access.value, NULL);
  bankhub_token_get(token, BANKHUB_TIMEOUT_DEFAULT, &access, NULL);
  keep(&current, access.value, PUBLISHED_TOGETHER);
  bankhub_access_token_wipe(&access);
  while (threads() > 1) pause_us(1000);
  print("replaced %d", count(&old, false));
  bankhub_token_free(token);
  print("freed %d %d %d %d", count(&old, false), count(&current, false), count(&secret, false), count(&basic, false));
}
