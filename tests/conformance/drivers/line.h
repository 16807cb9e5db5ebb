/* The lines of ../PROTOCOL.md in C: splits a request into words, and prints the parts of a reply. */
#ifndef LINE_H
#define LINE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 65536, WORDS = 32 };

static char *words[WORDS];
static int word_count;

/* Splits at spaces and decodes, in place. An empty word is a word. */
static inline void read_words(char *line) {
  char *to = words[0] = line;
  for (word_count = 1; *line && *line != '\n'; line++) {
    unsigned code = (unsigned char)*line;
    if (code == '%' && sscanf(line + 1, "%2x", &code) == 1) {
      line += 2;
    } else if (code == ' ' && word_count < WORDS) {
      words[word_count++] = to + 1;
      code = 0;
    }
    *to++ = (char)code;
  }
  *to = 0;
}

static inline const char *word(int index) { return index < word_count ? words[index] : NULL; }

/* The value of the word KEY=VALUE, or NULL. */
static inline const char *option(const char *key) {
  size_t length = strlen(key);
  for (int i = 2; i < word_count; i++)
    if (!strncmp(words[i], key, length) && words[i][length] == '=') return words[i] + length + 1;
  return NULL;
}

static inline uint64_t number(const char *key, uint64_t absent) {
  return option(key) ? strtoull(option(key), NULL, 10) : absent;
}

static inline int is_null(const char *key) { return option(key) && !strcmp(option(key), "null"); }

static inline void put_number(const char *key, long long value) { printf(" %s=%lld", key, value); }

static inline void put_text(const char *key, const char *text) {
  for (printf(" %s=", key); *text; text++) printf("%%%02X", (unsigned char)*text);
}

/* Prints how many of `size` bytes are not 0. */
static inline void put_nonzero(const char *key, const void *bytes, size_t size) {
  long long count = 0;
  for (size_t i = 0; i < size; i++) count += ((const unsigned char *)bytes)[i] != 0;
  put_number(key, count);
}

#endif
